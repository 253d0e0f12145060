//! A part of a topic once more, beside the live consumer, whose offsets stay where they are.
//!
//! Safe, because every effect is idempotent: what was processed is known by its id and has no
//! effect again; only what was missed has one.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use sqlx::PgConnection;

use super::{Admission, BatchError, Frame, Keep, Outcome, Verdicts};
use crate::batch::Reject;
use crate::clock::process_now;
use crate::consumer::decode::is_skipped;
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::EventHandler;
use crate::consumer::store;
use crate::dead_letters::store::{AuditEntry, audit};
use crate::dead_letters::{Operator, Replayed, Window};
use crate::kafka::headers::Packed;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Partition by partition: where the window begins, and where it ends.
type Range = HashMap<i32, (i64, i64)>;

impl<H: EventHandler> Frame<H> {
    pub(super) async fn replay_window(
        &self,
        connection: &mut PgConnection,
        window: &Window,
        operator: &Operator<'_>,
    ) -> anyhow::Result<Replayed> {
        let topics = self.consumes.topics();
        let topic = topics
            .iter()
            .find(|topic| topic.0 == window.topic)
            .with_context(|| format!("{} does not read {}", self.service, window.topic))?
            .0;
        let fences = store::fences(connection, topic).await?;
        let mut reader = self.reader(topic, window, &fences).await?;
        let mut replayed = Replayed::default();
        loop {
            let records;
            (reader, records) = tokio::task::spawn_blocking(move || {
                let records = reader.next()?;
                anyhow::Ok((reader, records))
            })
            .await??;
            if records.is_empty() {
                break;
            }
            self.replay_some(connection, records, operator, &mut replayed)
                .await?;
        }
        replayed.skipped = reader.skipped;
        let entry = AuditEntry {
            action: "replay-window",
            target: &window.to_string(),
            result: &replayed.to_string(),
        };
        if !operator.dry_run {
            audit(connection, operator, &entry).await?;
        }
        Ok(replayed)
    }

    /// A batch, or each record by itself where the batch fails.
    async fn replay_some(
        &self,
        connection: &mut PgConnection,
        mut records: Vec<Arrived<H::Incoming>>,
        operator: &Operator<'_>,
        replayed: &mut Replayed,
    ) -> Result<(), BatchError> {
        replayed.records += records.len() as u64;
        let verdicts = Verdicts::new();
        let error = match self
            .once_more(connection, &mut records, verdicts, operator)
            .await
        {
            Ok(outcome) => {
                replayed.add(&outcome);
                return Ok(());
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => error,
        };
        tracing::warn!(error = %error, "Replaying record by record: {error}");
        for record in records.chunks_mut(1) {
            let mut verdicts = Verdicts::new();
            let outcome = loop {
                let tried = self.once_more(connection, record, verdicts.clone(), operator);
                match tried.await {
                    Ok(outcome) => break outcome,
                    Err(error) if error.is_transient() || !verdicts.is_empty() => {
                        return Err(error);
                    }
                    Err(error) => {
                        verdicts.insert(0, Reject::new(error.code(), error.to_string()));
                    }
                }
            };
            replayed.add(&outcome);
        }
        Ok(())
    }

    async fn once_more(
        &self,
        connection: &mut PgConnection,
        records: &mut [Arrived<H::Incoming>],
        verdicts: Verdicts,
        operator: &Operator<'_>,
    ) -> Result<Outcome, BatchError> {
        let keep = if operator.dry_run {
            Keep::No
        } else {
            Keep::Yes
        };
        self.run(connection, records, Admission::Again, verdicts, keep)
            .await
    }

    async fn reader(
        &self,
        topic: &'static str,
        window: &Window,
        fences: &HashMap<i32, i64>,
    ) -> anyhow::Result<Reader<H>> {
        let mut client = self.client.clone();
        client
            .set("group.id", format!("{}-replay", self.service))
            .set("enable.partition.eof", "true")
            .remove("group.protocol")
            .remove("group.remote.assignor");
        let full_name = self.names.topic(topic);
        let (from, to) = (window.from, window.to);
        let fences = fences.clone();
        let (consumer, range) = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client.create()?;
            let range = range(&consumer, &full_name, from, to, &fences)?;
            let mut assignment = TopicPartitionList::new();
            for (partition, (begin, _)) in &range {
                let begin = Offset::Offset(*begin);
                assignment.add_partition_offset(&full_name, *partition, begin)?;
            }
            consumer.assign(&assignment)?;
            anyhow::Ok((consumer, range))
        })
        .await??;
        Ok(Reader {
            consumer,
            topic,
            left: range,
            consumes: std::sync::Arc::clone(&self.consumes),
            batch_records_max: self.batch_records_max,
            skipped: 0,
        })
    }
}

/// What of the window this group has had: what comes after its fence, it will read by itself.
fn range(
    consumer: &BaseConsumer,
    topic: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    fences: &HashMap<i32, i64>,
) -> anyhow::Result<Range> {
    let at = |moment: DateTime<Utc>| -> anyhow::Result<HashMap<i32, Offset>> {
        let mut asked = TopicPartitionList::new();
        for partition in fences.keys() {
            let millis = Offset::Offset(moment.timestamp_millis());
            asked.add_partition_offset(topic, *partition, millis)?;
        }
        let found = consumer.offsets_for_times(asked, TIMEOUT)?;
        Ok(found
            .elements()
            .iter()
            .map(|element| (element.partition(), element.offset()))
            .collect())
    };
    let (begins, ends) = (at(from)?, at(to)?);
    let mut range = Range::new();
    for (partition, fence) in fences {
        let Some(Offset::Offset(begin)) = begins.get(partition) else {
            continue;
        };
        let end = match ends.get(partition) {
            Some(Offset::Offset(end)) => *end.min(fence),
            _ => *fence,
        };
        if *begin < end {
            range.insert(*partition, (*begin, end));
        }
    }
    Ok(range)
}

struct Reader<H: EventHandler> {
    consumer: BaseConsumer,
    topic: &'static str,
    left: Range,
    consumes: std::sync::Arc<super::Consumes<H::Incoming>>,
    batch_records_max: usize,
    skipped: u64,
}

impl<H: EventHandler> Reader<H> {
    /// The next records; none when the window is through.
    fn next(&mut self) -> anyhow::Result<Vec<Arrived<H::Incoming>>> {
        let mut records = Vec::new();
        while !self.left.is_empty() && records.len() < self.batch_records_max {
            let message = match self.consumer.poll(TIMEOUT) {
                None => anyhow::bail!("Kafka gave nothing for {} s", TIMEOUT.as_secs()),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                    self.left.remove(&partition);
                    continue;
                }
                Some(message) => message?,
            };
            let partition = message.partition();
            let Some((_, end)) = self.left.get(&partition).copied() else {
                continue;
            };
            if message.offset() + 1 >= end {
                self.left.remove(&partition);
            }
            if message.offset() >= end {
                continue;
            }
            let headers = Packed::of_record(message.headers());
            if is_skipped(&headers, &self.consumes) {
                self.skipped += 1;
                continue;
            }
            records.push(Record::copy(&message, self.topic, headers, process_now()).into());
        }
        Ok(records)
    }
}

impl Replayed {
    fn add(&mut self, outcome: &Outcome) {
        self.duplicates += outcome.duplicates;
        self.applied += outcome.applied;
        self.dead_letters += outcome.failed.len() as u64;
        self.parked += outcome.parked.len() as u64;
    }
}
