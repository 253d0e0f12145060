//! Hands records to Kafka so that none can pass one before it, and none counts as delivered on
//! hearsay.
//!
//! A broker takes any sequence number from a producer it does not know in a partition. So of a new
//! producer's two batches the second is accepted though the first was refused, say because the
//! partition's leader was coming up between them; and librdkafka then reports the first as
//! delivered too, since an idempotent producer's later success proves the earlier ones. Hence:
//!
//! - **A producer's first record in a partition goes alone**; from then on the broker refuses gaps.
//! - **Delivered is what has an offset.** What librdkafka concludes from a later success has none.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::Span;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig,
};
use rdkafka::{ClientConfig, ClientContext, Message as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A broker forgets a producer that has been silent in a partition for a day, by default.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// Partitions may be added while we run; as often as librdkafka itself looks.
const PARTITIONS_KNOWN_FOR: Duration = Duration::from_secs(30);
const METADATA_WITHIN: Duration = Duration::from_secs(2);
/// Reports are served at once; this is how soon their thread sees that it is no longer needed.
const REPORTS_WAIT: Duration = Duration::from_secs(1);
/// How long the records of the last commits before a stop may take.
pub(super) const LAST_RECORDS_WITHIN: Duration = Duration::from_secs(3);

pub(super) struct Record {
    pub(super) topic: String,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: OwnedHeaders,
    pub(super) payload: Option<Vec<u8>>,
    /// What spreads records that have no key.
    pub(super) spread_by: [u8; 16],
    pub(super) span: Option<BoxedSpan>,
}

/// Records on their way to the broker that count as one.
pub(super) struct Delivery {
    /// One more than the records outstanding until all are handed over.
    outstanding: AtomicUsize,
    failed: AtomicBool,
    progress: Arc<Notify>,
}

impl Delivery {
    pub(super) fn new(progress: &Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            outstanding: AtomicUsize::new(1),
            failed: AtomicBool::new(false),
            progress: Arc::clone(progress),
        })
    }

    pub(super) fn all_handed_over(&self) {
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn is_outstanding(&self) -> bool {
        self.outstanding.load(Ordering::Acquire) > 0
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

struct Ticket {
    delivery: Arc<Delivery>,
    span: Option<BoxedSpan>,
}

#[derive(Clone)]
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, mut ticket: Self::DeliveryOpaque) {
        let refused = match result {
            Ok(record) if record.offset() >= 0 => None,
            Ok(record) => Some((record, "a later record was accepted before it".to_owned())),
            Err((error, record)) => Some((record, error.to_string())),
        };
        if let Some((record, error)) = refused {
            tracing::error!(
                error = %error,
                topic = record.topic(),
                "Kafka refused a record of {}: {error}",
                record.topic()
            );
            ticket.delivery.failed.store(true, Ordering::Release);
        }
        if let Some(span) = &mut ticket.span {
            span.end();
        }
        if ticket.delivery.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            ticket.delivery.progress.notify_one();
        }
    }
}

/// What we know of a topic, and the broker of us.
struct Partitions {
    counted_at: Instant,
    /// When we last sent something to each, if ever.
    sent_at: Vec<Option<Instant>>,
}

pub(super) struct Publisher {
    producer: Arc<BaseProducer<Reports>>,
    topics: HashMap<String, Partitions>,
    stopping: CancellationToken,
}

impl Publisher {
    pub(super) fn new(client: &ClientConfig, stopping: CancellationToken) -> anyhow::Result<Self> {
        let producer = Arc::new(client.create_with_context(Reports)?);
        serve_reports(&producer)?;
        Ok(Self {
            producer,
            topics: HashMap::new(),
            stopping,
        })
    }

    /// Returns when the record is on its way; if nothing of ours is known to be in its partition,
    /// when it has arrived.
    pub(super) async fn send(
        &mut self,
        record: Record,
        delivery: &Arc<Delivery>,
    ) -> anyhow::Result<()> {
        let partitions = self.partitions(&record.topic).await?;
        let partition = partition_of(&record, partitions.sent_at.len());
        let sent_at = partitions.sent_at[partition].replace(Instant::now());
        if sent_at.is_some_and(|at| at.elapsed() < REMEMBERED_FOR) {
            return self.hand_over(record, partition, delivery).await;
        }
        let topic = record.topic.clone();
        let alone = Delivery::new(&delivery.progress);
        self.hand_over(record, partition, &alone).await?;
        alone.all_handed_over();
        self.arrived(&alone)
            .await
            .with_context(|| format!("the first record in partition {partition} of {topic}"))
    }

    async fn partitions(&mut self, topic: &str) -> anyhow::Result<&mut Partitions> {
        let known = self.topics.get(topic);
        if known.is_none_or(|known| known.counted_at.elapsed() >= PARTITIONS_KNOWN_FOR) {
            let count = match (self.count_partitions(topic).await, known) {
                // Without an answer what we knew has to do, until it is time to ask again.
                (Err(_), Some(known)) => known.sent_at.len(),
                (counted, _) => counted?,
            };
            let mut sent_at = self
                .topics
                .remove(topic)
                .map_or_else(Vec::new, |known| known.sent_at);
            sent_at.resize(count, None);
            let counted_at = Instant::now();
            self.topics.insert(
                topic.to_owned(),
                Partitions {
                    counted_at,
                    sent_at,
                },
            );
        }
        Ok(self.topics.get_mut(topic).expect("it was counted"))
    }

    async fn count_partitions(&self, topic: &str) -> anyhow::Result<usize> {
        let (producer, name) = (Arc::clone(&self.producer), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = producer
                .client()
                .fetch_metadata(Some(&name), METADATA_WITHIN)?;
            let count = metadata.topics().first().map(|it| it.partitions().len());
            Ok::<_, KafkaError>(count.unwrap_or(0))
        });
        let count = asked
            .await
            .context("the Kafka client panicked")?
            .with_context(|| format!("cannot ask Kafka for the partitions of {topic}"))?;
        ensure!(count > 0, "Kafka has no topic {topic}");
        Ok(count)
    }

    async fn hand_over(
        &self,
        record: Record,
        partition: usize,
        delivery: &Arc<Delivery>,
    ) -> anyhow::Result<()> {
        let topic = &record.topic;
        delivery.outstanding.fetch_add(1, Ordering::AcqRel);
        let ticket = Box::new(Ticket {
            delivery: Arc::clone(delivery),
            span: record.span,
        });
        let mut base = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, ticket)
            .partition(i32::try_from(partition)?)
            .headers(record.headers);
        if let Some(key) = &record.key {
            base = base.key(key);
        }
        if let Some(payload) = &record.payload {
            base = base.payload(payload);
        }
        // A full queue means that the broker is slow or away: wait here, keep the order.
        loop {
            match self.producer.send(base) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    base = returned;
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(2)) => {}
                        () = self.stopping.cancelled() => bail!("stopping"),
                    }
                }
                Err((error, _)) => {
                    return Err(error).with_context(|| format!("cannot hand a record to {topic}"));
                }
            }
        }
    }

    async fn arrived(&self, delivery: &Delivery) -> anyhow::Result<()> {
        let given_up = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(LAST_RECORDS_WITHIN).await;
        };
        tokio::pin!(given_up);
        while delivery.is_outstanding() {
            tokio::select! {
                () = delivery.progress.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                () = &mut given_up => bail!("stopping"),
            }
        }
        ensure!(!delivery.has_failed(), "it was not delivered");
        Ok(())
    }
}

/// What is on its way is dropped at once: the next publisher begins before it.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
    }
}

/// For as long as somebody has the producer. The client's own `ThreadedProducer` does this ten
/// times a second and spins through the last millisecond of each: two thirds of what an idle
/// service would do.
fn serve_reports(producer: &Arc<BaseProducer<Reports>>) -> std::io::Result<()> {
    let producer = Arc::downgrade(producer);
    std::thread::Builder::new()
        .name("relay-reports".to_owned())
        .spawn(move || {
            while let Some(producer) = producer.upgrade() {
                producer.poll(REPORTS_WAIT);
            }
        })?;
    Ok(())
}

/// What librdkafka chooses by default, so that a key stays where it always was.
fn partition_of(record: &Record, partitions: usize) -> usize {
    let key = record.key.as_deref().filter(|key| !key.is_empty());
    let hash = crc32fast::hash(key.unwrap_or(&record.spread_by));
    hash as usize % partitions
}
