//! Puts records on topics that the services did not: repeats, byte for byte, and bad ones.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Which record: the first of this event under this key.
pub(super) struct Repeat {
    pub(super) topic: &'static str,
    pub(super) event: &'static str,
    pub(super) key: String,
}

pub(super) async fn redeliver(kafka: &str, repeat: Repeat) -> anyhow::Result<()> {
    let client = client(kafka);
    let producer: FutureProducer = client.create().context("cannot make a Kafka client")?;

    let record = tokio::task::spawn_blocking(move || find(&client, &repeat)).await??;
    let mut again = FutureRecord::<[u8], [u8]>::to(record.topic()).partition(record.partition());
    again.key = record.key();
    again.payload = record.payload();
    again.headers = record.headers().cloned();
    let sent = producer.send(again, ANSWERS_WITHIN).await;
    sent.map_err(|(error, _)| error)
        .context("the broker did not take it")?;
    Ok(())
}

/// Puts a record on a topic that no producer of ours would.
pub(super) async fn publish_bytes(
    kafka: &str,
    topic: &str,
    key: &str,
    value: &[u8],
) -> anyhow::Result<()> {
    let producer: FutureProducer = client(kafka)
        .create()
        .context("cannot make a Kafka client")?;
    let record = FutureRecord::to(topic).key(key).payload(value);
    let sent = producer.send(record, ANSWERS_WITHIN).await;
    sent.map_err(|(error, _)| error)
        .context("the broker did not take it")?;
    Ok(())
}

/// How many records lie on a topic.
pub(super) async fn records(kafka: &str, topic: String) -> anyhow::Result<i64> {
    let client = client(kafka);
    let counted = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = client.create()?;
        let metadata = consumer.fetch_metadata(Some(&topic), ANSWERS_WITHIN)?;
        let mut records = 0;
        for partition in metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
        {
            let (low, high) = consumer.fetch_watermarks(&topic, partition.id(), ANSWERS_WITHIN)?;
            records += high - low;
        }
        Ok::<_, KafkaError>(records)
    });
    Ok(counted.await??)
}

fn client(kafka: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", kafka)
        .set("client.id", "ticketrail-demo");
    client
}

/// Assigns instead of subscribing: nobody's group notices.
fn find(client: &ClientConfig, repeat: &Repeat) -> anyhow::Result<OwnedMessage> {
    let consumer: BaseConsumer = client
        .clone()
        .set("group.id", "ticketrail-demo")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .context("cannot make a Kafka client")?;
    let metadata = consumer.fetch_metadata(Some(repeat.topic), ANSWERS_WITHIN)?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        assigned.add_partition_offset(repeat.topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;

    let mut unread = assigned.count();
    while unread > 0 {
        match consumer.poll(ANSWERS_WITHIN) {
            Some(Ok(record)) if is_wanted(&record, repeat) => return Ok(record.detach()),
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) => return Err(error).context("cannot read the topic"),
            None => bail!("{} sends nothing", repeat.topic),
        }
    }
    bail!("{} has no record of {}", repeat.topic, repeat.key)
}

fn is_wanted(record: &impl Message, repeat: &Repeat) -> bool {
    let of_event = record
        .headers()
        .into_iter()
        .flat_map(Headers::iter)
        .any(|header| {
            let name = header
                .value
                .and_then(|value| std::str::from_utf8(value).ok());
            header.key == "ce_type"
                && name.and_then(|name| name.rsplit('.').next()) == Some(repeat.event)
        });
    of_event && record.key() == Some(repeat.key.as_bytes())
}
