//! Bare clients, with the options of the services so far as these cost time.

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};

pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

pub(super) type BareProducer = ThreadedProducer<DefaultProducerContext>;

/// Of a relay's producer.
pub(super) fn producer_options(kafka: &ClientConfig) -> ClientConfig {
    let mut options = kafka.clone();
    options
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("max.in.flight.requests.per.connection", "5")
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", "32768")
        .set("queue.buffering.max.messages", "50000");
    options
}

/// Waits while the client's queue is full.
pub(super) fn send<K, P>(
    producer: &BareProducer,
    mut record: BaseRecord<'_, K, P>,
) -> Result<(), KafkaError>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    while let Err((error, returned)) = producer.send(record) {
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(1));
        record = returned;
    }
    Ok(())
}

/// One that is told what to read, and commits nothing.
pub(super) fn consumer(kafka: &ClientConfig) -> anyhow::Result<BaseConsumer> {
    kafka
        .clone()
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()
        .context("cannot make a Kafka client")
}

pub(super) fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWERS_WITHIN)?;
    let found = metadata.topics().iter();
    let partitions = found.flat_map(|topic| topic.partitions());
    Ok(partitions.map(|partition| partition.id()).collect())
}
