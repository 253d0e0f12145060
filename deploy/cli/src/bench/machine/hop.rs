//! K: the time from produce to fetch of a bare Kafka client.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use shared::kafka::admin::{NewTopicSpec, create_topics};

use crate::bench::summary::median;

const TOPIC: &str = "bench.hops";
const HOPS: usize = 200;
/// The first ones find no connection yet.
const HOPS_UNCOUNTED: usize = 50;
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

pub(in crate::bench) async fn hop_ms(kafka: &ClientConfig) -> anyhow::Result<f64> {
    let topic = NewTopicSpec {
        name: TOPIC.to_owned(),
        partitions: 1,
        dead_letters: false,
    };
    create_topics(kafka, &[topic], 1).await?;
    let kafka = kafka.clone();
    tokio::task::spawn_blocking(move || measure(kafka)).await?
}

/// With the service's own options, so far as they cost time.
fn measure(kafka: ClientConfig) -> anyhow::Result<f64> {
    let producer: BaseProducer = kafka
        .clone()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .create()?;
    let consumer: BaseConsumer = kafka
        .clone()
        .set("group.id", "bench.hops")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .create()?;
    let mut from = TopicPartitionList::new();
    let end = end(&consumer)?;
    from.add_partition_offset(TOPIC, 0, Offset::Offset(end))?;
    consumer.assign(&from)?;

    let mut times = Vec::with_capacity(HOPS);
    for hop in 0..HOPS_UNCOUNTED + HOPS {
        let before = Instant::now();
        let record = BaseRecord::<(), [u8]>::to(TOPIC)
            .payload(b"hop")
            .partition(0);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
        consumer
            .poll(ARRIVES_WITHIN)
            .context("a record did not arrive")??;
        if hop >= HOPS_UNCOUNTED {
            times.push(before.elapsed().as_secs_f64() * 1e3);
        }
    }
    producer.flush(ARRIVES_WITHIN)?;
    Ok(median(&mut times).expect("there were hops"))
}

/// A topic that was just made has no leader for a moment.
fn end(consumer: &BaseConsumer) -> anyhow::Result<i64> {
    let since = Instant::now();
    loop {
        match consumer.fetch_watermarks(TOPIC, 0, ARRIVES_WITHIN) {
            Ok((_, end)) => return Ok(end),
            Err(error) if since.elapsed() > ARRIVES_WITHIN => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
