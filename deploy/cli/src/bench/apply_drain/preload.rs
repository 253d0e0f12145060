//! Fills `order.events` before the clock runs.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer};
use shared::avro::Codec;
use shared::avro::registry::Registry;
use shared::clock::process_now;
use shared::contract::order::OrderPlaced;
use shared::event::{Envelope, Event, Schema, new_id};
use shared::kafka::{Names, headers};
use sqlx::PgPool;

use super::oracle::Expected;
use super::orders::{Mix, Orders};
use crate::bench::kafka::{BareProducer, producer_options, send};
use crate::bench::parts::Parts;

const SENT_WITHIN: Duration = Duration::from_secs(120);

/// From how far back an event comes again: a relay that begins anew repeats what it sent last.
const REPEATED_FROM: usize = 2_000;
const ONE_OF_BAD: u64 = 5_000;

/// What is to be on the topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) events: u32,
    pub(super) mix: Mix,
    /// Every order belongs to a trace of its own that is recorded.
    pub(super) traced: bool,
}

/// As the order service's relay would have published it. What should become of it is returned.
pub(super) async fn run(
    parts: &Parts,
    namespace: &str,
    database_url: &str,
    load: Load,
) -> anyhow::Result<Expected> {
    let pool = PgPool::connect(database_url).await?;
    let registry = Registry::new(&parts.registry())?;
    let codec = Codec::load(registry, pool.clone(), [Schema::of::<OrderPlaced>()]).await?;
    let topic = Names::new(namespace).topic(OrderPlaced::TOPIC.0);
    let kafka = parts.kafka();
    let expected = {
        let topic = topic.clone();
        tokio::task::spawn_blocking(move || produce(&kafka, &codec, &topic, load)).await??
    };
    pool.close().await;
    // The broker leaves it to the kernel when its files are written; not while the clock runs.
    sync(&parts.dir().join("kafka"), &topic)?;
    Ok(expected)
}

fn produce(
    kafka: &ClientConfig,
    codec: &Codec,
    topic: &str,
    load: Load,
) -> anyhow::Result<Expected> {
    let producer: BareProducer = producer_options(kafka).set("linger.ms", "5").create()?;
    let full_name = codec
        .full_name(OrderPlaced::TYPE)
        .expect("the codec was made for it");
    let mut orders = Orders::new(load.mix);
    let mut expected = Expected::default();
    let mut sent: VecDeque<Sent> = VecDeque::new();
    for _ in 0..load.events {
        let placed = orders.place();
        expected.add(&placed);
        let traceparent = load.traced.then(|| orders.traceparent());
        let next = Sent::of(&placed, codec.encode(&placed)?, traceparent);
        next.send(&producer, topic, full_name)?;
        expected.records += 1;
        if load.mix != Mix::Repeated {
            continue;
        }
        if orders.below(20) == 0 {
            next.send(&producer, topic, full_name)?;
            expected.records += 1;
        }
        if orders.below(10) < 3 && !sent.is_empty() {
            let before = orders.below(sent.len() as u64) as usize;
            sent[before].send(&producer, topic, full_name)?;
            expected.records += 1;
        }
        if orders.below(ONE_OF_BAD) == 0 {
            next.bad().send(&producer, topic, full_name)?;
            expected.records += 1;
            expected.bad += 1;
        }
        sent.push_back(next);
        if sent.len() > REPEATED_FROM {
            sent.pop_front();
        }
    }
    producer.flush(SENT_WITHIN)?;
    Ok(expected)
}

struct Sent {
    envelope: Envelope,
    value: Vec<u8>,
    traceparent: Option<String>,
}

impl Sent {
    fn of(placed: &OrderPlaced, value: Vec<u8>, traceparent: Option<String>) -> Self {
        let key = placed.partition_key();
        let envelope = Envelope {
            event_id: new_id(),
            event_type: OrderPlaced::TYPE.to_owned(),
            aggregate_id: key.clone(),
            aggregate_version: 1,
            occurred_at: process_now(),
            correlation_id: key,
            causation_id: new_id(),
        };
        Self {
            envelope,
            value,
            traceparent,
        }
    }

    /// Of another order, and cut off.
    fn bad(&self) -> Self {
        let key = new_id().to_string();
        let envelope = Envelope {
            event_id: new_id(),
            aggregate_id: key.clone(),
            correlation_id: key,
            ..self.envelope.clone()
        };
        let value = self.value[..self.value.len() / 2].to_vec();
        Self {
            envelope,
            value,
            traceparent: None,
        }
    }

    fn send(&self, producer: &BareProducer, topic: &str, full_name: &str) -> anyhow::Result<()> {
        let record = BaseRecord::to(topic)
            .key(&self.envelope.aggregate_id)
            .payload(&self.value)
            .headers(headers::of_event(
                "order",
                full_name,
                &self.envelope,
                self.traceparent.as_deref(),
            ));
        Ok(send(producer, record)?)
    }
}

/// The files of a topic's partitions, each in a folder that begins with its name.
fn sync(kafka: &Path, topic: &str) -> std::io::Result<()> {
    for folder in std::fs::read_dir(kafka.join("data"))?.flatten() {
        if !folder
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{topic}-"))
        {
            continue;
        }
        for file in std::fs::read_dir(folder.path())?.flatten() {
            File::open(file.path())?.sync_all()?;
        }
    }
    Ok(())
}
