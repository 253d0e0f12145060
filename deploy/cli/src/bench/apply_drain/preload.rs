//! Fills `order.events` before the clock runs.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use shared::avro::Codec;
use shared::avro::registry::Registry;
use shared::clock::process_now;
use shared::contract::order::OrderPlaced;
use shared::event::{Envelope, Event, Schema, new_id};
use shared::kafka::{Names, headers};
use sqlx::PgPool;

use super::oracle::Expected;
use super::orders::Orders;
use crate::bench::parts::Parts;

const SENT_WITHIN: Duration = Duration::from_secs(120);

/// So many events, as the order service's relay would have published them. What should become of
/// them is returned.
pub(super) async fn run(
    parts: &Parts,
    namespace: &str,
    database_url: &str,
    events: u32,
) -> anyhow::Result<Expected> {
    let pool = PgPool::connect(database_url).await?;
    let registry = Registry::new(&parts.registry())?;
    let codec = Codec::load(registry, pool.clone(), [Schema::of::<OrderPlaced>()]).await?;
    let topic = Names::new(namespace).topic(OrderPlaced::TOPIC.0);
    let kafka = parts.kafka();
    let expected = {
        let topic = topic.clone();
        tokio::task::spawn_blocking(move || produce(&kafka, &codec, &topic, events)).await??
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
    events: u32,
) -> anyhow::Result<Expected> {
    let producer: BaseProducer = kafka
        .clone()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        // As the relay does, so the records are as large.
        .set("compression.type", "lz4")
        .create()?;
    let full_name = codec
        .full_name(OrderPlaced::TYPE)
        .expect("the codec was made for it");
    let mut orders = Orders::new();
    let mut expected = Expected::default();
    for _ in 0..events {
        let placed = orders.place();
        expected.add(&placed);
        let key = placed.partition_key();
        let value = codec.encode(&placed)?;
        let envelope = Envelope {
            event_id: new_id(),
            event_type: OrderPlaced::TYPE.to_owned(),
            aggregate_id: key.clone(),
            aggregate_version: 1,
            occurred_at: process_now(),
            correlation_id: key.clone(),
            causation_id: new_id(),
        };
        let mut record = BaseRecord::to(topic)
            .key(&key)
            .payload(&value)
            .headers(headers::of_event("order", full_name, &envelope, None));
        while let Err((error, returned)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            record = returned;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(SENT_WITHIN)?;
    Ok(expected)
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
