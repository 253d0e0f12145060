//! Everything on the topics, from the first offset to the last.
//!
//! A client of its own that joins no group and commits nothing: looking changes nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Source;
use super::records::Sink;
use super::rows::Feed;

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// A broker that sends nothing for so long, although there is more, is gone.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// One partition of a topic, by the name the suite knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Up to where a group told Kafka that it has come.
pub(super) struct Committed {
    pub(super) service: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) next_offset: i64,
}

#[derive(Clone)]
pub(super) struct Topics {
    servers: String,
    namespace: String,
}

/// Keeps the client's own log lines out of the report.
struct Quiet;

impl ClientContext for Quiet {}
impl ConsumerContext for Quiet {}

impl Topics {
    pub(super) fn of(source: &Source) -> Self {
        Self {
            servers: source.kafka.clone(),
            namespace: source.namespace.clone(),
        }
    }

    fn consumer(&self, group: &str) -> anyhow::Result<BaseConsumer<Quiet>> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("client.id", "ticketrail-verify")
            // Assigning needs a name. Only subscribing would join the group.
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "16384")
            .create_with_context(Quiet)
            .context("cannot make a Kafka client")
    }

    /// Where the partitions of these topics begin and end now.
    pub(super) fn ends(&self, topics: &[String]) -> anyhow::Result<Vec<Partition>> {
        let consumer = self.consumer("ticketrail-verify")?;
        let metadata = consumer
            .fetch_metadata(None, ANSWERS_WITHIN)
            .with_context(|| format!("no answer from Kafka at {}", self.servers))?;
        let mut ends = Vec::new();
        for topic in topics {
            let full = format!("{}{topic}", self.namespace);
            let found = metadata.topics().iter().find(|known| known.name() == full);
            let found = found
                .with_context(|| format!("there is no topic {full}; `ticketrail init` makes it"))?;
            for partition in found.partitions() {
                let (low, high) =
                    consumer.fetch_watermarks(&full, partition.id(), ANSWERS_WITHIN)?;
                ends.push(Partition {
                    topic: topic.clone(),
                    partition: partition.id(),
                    low,
                    high,
                });
            }
        }
        Ok(ends)
    }

    /// To ask what a service's group has committed, without being one of it.
    pub(super) fn group(&self, service: &str) -> anyhow::Result<Group> {
        Ok(Group {
            consumer: self.consumer(&format!("{}{service}", self.namespace))?,
            namespace: self.namespace.clone(),
        })
    }

    /// What a service's group has committed of these partitions.
    pub(super) fn committed(
        &self,
        service: &str,
        partitions: &[Partition],
    ) -> anyhow::Result<Vec<Committed>> {
        let partitions: Vec<_> = partitions
            .iter()
            .map(|partition| (partition.topic.clone(), partition.partition))
            .collect();
        let known = self
            .group(service)?
            .committed(&partitions, ANSWERS_WITHIN)
            .with_context(|| format!("cannot ask for the offsets of {service}"))?;
        Ok(known
            .into_iter()
            .map(|(topic, partition, next_offset)| Committed {
                service: service.to_owned(),
                topic,
                partition,
                next_offset,
            })
            .collect())
    }

    /// Reads one topic to where it ended when its partitions were looked up.
    pub(super) fn read(
        &self,
        topic: &str,
        partitions: &[Partition],
        sink: &mut dyn Sink,
        feed: &mut Feed,
    ) -> anyhow::Result<()> {
        let mut left: HashMap<i32, i64> = partitions
            .iter()
            .filter(|partition| partition.topic == topic && partition.low < partition.high)
            .map(|partition| (partition.partition, partition.high))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let full = format!("{}{topic}", self.namespace);
        let consumer = self.consumer("ticketrail-verify")?;
        let mut assigned = TopicPartitionList::new();
        for partition in left.keys() {
            assigned.add_partition_offset(&full, *partition, Offset::Beginning)?;
        }
        consumer.assign(&assigned)?;

        let mut heard = Instant::now();
        while !left.is_empty() {
            match consumer.poll(Duration::from_millis(500)) {
                Some(Ok(record)) => {
                    heard = Instant::now();
                    let high = left.get(&record.partition()).copied();
                    if high.is_some_and(|high| record.offset() < high) {
                        sink.take(topic, &record, feed)?;
                    }
                    if high.is_some_and(|high| record.offset() + 1 >= high) {
                        left.remove(&record.partition());
                    }
                }
                // The last offsets may belong to no record that a reader is shown.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) if heard.elapsed() > SILENT_MAX => {
                    return Err(error).with_context(|| format!("cannot read {full}"));
                }
                None if heard.elapsed() > SILENT_MAX => bail!("{full} sends nothing more"),
                // The client reconnects by itself.
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }
}

/// A consumer group, looked at from outside.
pub(super) struct Group {
    consumer: BaseConsumer<Quiet>,
    namespace: String,
}

impl Group {
    /// Topic, partition and the next offset, of those for which there is one.
    pub(super) fn committed(
        &self,
        partitions: &[(String, i32)],
        within: Duration,
    ) -> anyhow::Result<Vec<(String, i32, i64)>> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions {
            asked.add_partition(&format!("{}{topic}", self.namespace), *partition);
        }
        let known = self.consumer.committed_offsets(asked, within)?;
        let offset = |topic: &str, partition: i32| {
            let full = format!("{}{topic}", self.namespace);
            match known.find_partition(&full, partition)?.offset() {
                Offset::Offset(next_offset) => Some(next_offset),
                _ => None,
            }
        };
        Ok(partitions
            .iter()
            .filter_map(|(topic, partition)| {
                Some((topic.clone(), *partition, offset(topic, *partition)?))
            })
            .collect())
    }
}
