//! Publishes some events a second time, byte for byte, as a relay does after a crash.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::kafka::partitions;
use super::poisoner::Poisoner;

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);
/// The topics were read to their ends.
const NOTHING_MORE: Duration = Duration::from_secs(2);
/// The copy comes long after the original, and no bad record is copied: by then it is known which
/// those are.
const LATER: Duration = Duration::from_secs(3);

/// How many were published again.
pub(super) async fn republish(
    kafka: ClientConfig,
    seed: u64,
    percent: u64,
    poisoner: Arc<Poisoner>,
    stop: CancellationToken,
) -> anyhow::Result<u64> {
    tokio::task::spawn_blocking(move || copy(&kafka, seed, percent, &poisoner, &stop)).await?
}

fn copy(
    kafka: &ClientConfig,
    seed: u64,
    percent: u64,
    poisoner: &Poisoner,
    stop: &CancellationToken,
) -> anyhow::Result<u64> {
    let consumer = reader(kafka)?;
    let producer: ThreadedProducer<DefaultProducerContext> = kafka
        .clone()
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        .create()
        .context("cannot make a Kafka client")?;
    let mut dice = Dice::new(seed, "republish");
    let mut seen = HashSet::new();
    let mut waiting: VecDeque<(Instant, OwnedMessage)> = VecDeque::new();
    let mut copies = 0;
    while !stop.is_cancelled() {
        // An error is an outage, after which it goes on.
        if let Some(Ok(record)) = consumer.poll(POLL)
            && let Some(id) = event_id(&record)
            && seen.insert(id)
            && dice.percent(percent)
        {
            waiting.push_back((Instant::now() + LATER, record.detach()));
        }
        while waiting.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let Some((_, record)) = waiting.pop_front() else {
                break;
            };
            let position = (
                record.topic().to_owned(),
                record.partition(),
                record.offset(),
            );
            let bad = poisoner
                .positions()
                .lock()
                .expect("no holder panics")
                .contains(&position);
            if !bad && send(&producer, &record) {
                copies += 1;
            }
        }
    }
    producer
        .flush(ANSWERS_WITHIN)
        .context("the broker did not take the copies")?;
    Ok(copies)
}

/// The newest records, of every topic so many, once more; how many there were.
pub(super) fn newest(kafka: &ClientConfig, records: u64) -> anyhow::Result<u64> {
    let consumer = reader(kafka)?;
    let producer: ThreadedProducer<DefaultProducerContext> =
        kafka.create().context("cannot make a Kafka client")?;
    let mut newest: HashMap<String, VecDeque<OwnedMessage>> = HashMap::new();
    let records = usize::try_from(records)?;
    let mut idle_since = Instant::now();
    while idle_since.elapsed() < NOTHING_MORE {
        let Some(record) = consumer.poll(POLL) else {
            continue;
        };
        let record = record.context("cannot read the topics")?;
        idle_since = Instant::now();
        if event_id(&record).is_some() {
            let of_topic = newest.entry(record.topic().to_owned()).or_default();
            of_topic.push_back(record.detach());
            if of_topic.len() > records {
                of_topic.pop_front();
            }
        }
    }
    let copies = newest
        .values()
        .flatten()
        .filter(|record| send(&producer, record))
        .count();
    producer
        .flush(ANSWERS_WITHIN)
        .context("the broker did not take the copies")?;
    Ok(copies as u64)
}

/// Assigns instead of subscribing: nobody's group notices.
fn reader(kafka: &ClientConfig) -> anyhow::Result<BaseConsumer> {
    let consumer = super::kafka::consumer(kafka, "ticketrail-chaos")?;
    let mut assigned = partitions(&consumer, |_| true)?;
    assigned.set_all_offsets(Offset::Beginning)?;
    consumer.assign(&assigned)?;
    Ok(consumer)
}

/// A record without one is known by its place, so a copy would be another record.
fn event_id(record: &impl Message) -> Option<Vec<u8>> {
    let headers = record.headers()?;
    let id = headers.iter().find(|header| header.key == "ce_id")?;
    id.value.map(<[u8]>::to_vec)
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, record: &OwnedMessage) -> bool {
    let mut again = BaseRecord::<[u8], [u8]>::to(record.topic()).partition(record.partition());
    again.key = record.key();
    again.payload = record.payload();
    again.headers = record.headers().cloned();
    producer.send(again).is_ok()
}
