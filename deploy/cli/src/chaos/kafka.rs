//! Kafka, as one meets it who belongs to no group.

use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};
use shared::contract::topic::TOPICS;

use crate::init::Init;
use crate::local::Layout;

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

pub(super) fn client(layout: &Layout) -> ClientConfig {
    let mut client = Init::of(layout).kafka();
    client.set("client.id", "ticketrail-chaos");
    client
}

/// A consumer that commits for `group` what it is told to, and nothing by itself.
pub(super) fn consumer(kafka: &ClientConfig, group: &str) -> anyhow::Result<BaseConsumer> {
    kafka
        .clone()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .context("cannot make a Kafka client")
}

/// Every partition of every topic that `wanted` takes, which is told its readers.
pub(super) fn partitions(
    consumer: &BaseConsumer,
    wanted: impl Fn(&[&str]) -> bool,
) -> anyhow::Result<TopicPartitionList> {
    let mut partitions = TopicPartitionList::new();
    for (topic, _) in TOPICS.iter().filter(|(_, readers)| wanted(readers)) {
        let metadata = consumer.fetch_metadata(Some(topic.0), ANSWERS_WITHIN)?;
        let of_topic = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions());
        for partition in of_topic {
            partitions.add_partition(topic.0, partition.id());
        }
    }
    Ok(partitions)
}
