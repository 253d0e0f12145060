//! The records of a run, through bare clients once more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedHeaders, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use shared::contract::topic::TOPICS;
use shared::kafka::Names;

use crate::bench::kafka::{
    ANSWERS_WITHIN, BareProducer, consumer, partitions, producer_options, send,
};
use crate::bench::parts::Parts;
use crate::services;

const DONE_WITHIN: Duration = Duration::from_secs(600);

struct Record {
    topic: &'static str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

pub(super) struct Records(Vec<Record>);

impl Records {
    /// Everything on the topics of the suite.
    pub(super) async fn read(parts: &Parts, namespace: &str) -> anyhow::Result<Self> {
        let (kafka, namespace) = (parts.kafka(), namespace.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            for (topic, _) in TOPICS {
                let name = Names::new(&namespace).topic(topic.0);
                let consumer = consumer(&kafka)?;
                let left = assign(&consumer, &[name])?;
                receive(&consumer, left, |message| {
                    let headers = message.headers().map(BorrowedHeaders::detach);
                    records.push(Record {
                        topic: topic.0,
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                        headers: headers.unwrap_or_default(),
                    });
                })?;
            }
            Ok(Self(records))
        })
        .await?
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// One producer, and for each service one consumer of what it reads. Returns when every reader
    /// has had everything.
    pub(super) fn send_and_receive(
        self,
        kafka: &ClientConfig,
        namespace: &str,
    ) -> anyhow::Result<()> {
        let mut of_topic: HashMap<&str, u64> = HashMap::new();
        for record in &self.0 {
            *of_topic.entry(record.topic).or_default() += 1;
        }
        std::thread::scope(|scope| {
            let mut readers = Vec::new();
            for service in services::NAMES {
                let topics: Vec<_> = TOPICS
                    .iter()
                    .filter(|(_, readers)| readers.contains(&service))
                    .map(|(topic, _)| topic.0)
                    .collect();
                let left = topics.iter().filter_map(|topic| of_topic.get(topic)).sum();
                let names: Vec<_> = topics
                    .iter()
                    .map(|topic| Names::new(namespace).topic(topic))
                    .collect();
                readers.push(scope.spawn(move || {
                    let consumer = consumer(kafka)?;
                    assign(&consumer, &names)?;
                    receive(&consumer, left, |_| {})
                }));
            }
            send_all(kafka, namespace, self.0)?;
            for reader in readers {
                let received = reader.join();
                received.map_err(|_| anyhow::anyhow!("a bare consumer panicked"))??;
            }
            Ok(())
        })
    }
}

/// From the beginning. How many records are there by now.
fn assign(consumer: &BaseConsumer, topics: &[String]) -> anyhow::Result<u64> {
    let mut from = TopicPartitionList::new();
    let mut records = 0;
    for topic in topics {
        for partition in partitions(consumer, topic)? {
            from.add_partition_offset(topic, partition, Offset::Beginning)?;
            let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?;
            records += u64::try_from(high - low)?;
        }
    }
    consumer.assign(&from)?;
    Ok(records)
}

fn receive(
    consumer: &BaseConsumer,
    mut left: u64,
    mut take: impl FnMut(&rdkafka::message::BorrowedMessage<'_>),
) -> anyhow::Result<()> {
    let until = Instant::now() + DONE_WITHIN;
    while left > 0 {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            take(&message?);
            left -= 1;
        }
        if Instant::now() > until {
            bail!("{left} records did not come");
        }
    }
    Ok(())
}

fn send_all(kafka: &ClientConfig, namespace: &str, records: Vec<Record>) -> anyhow::Result<()> {
    let producer: BareProducer = producer_options(kafka).create()?;
    let names = Names::new(namespace);
    let topics: HashMap<&str, String> = TOPICS
        .iter()
        .map(|(topic, _)| (topic.0, names.topic(topic.0)))
        .collect();
    for record in records {
        let mut sent = BaseRecord::<[u8], [u8]>::to(&topics[record.topic]).headers(record.headers);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        send(&producer, sent)?;
    }
    Ok(producer.flush(DONE_WITHIN)?)
}
