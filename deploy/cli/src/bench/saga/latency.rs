//! How long a customer waits from placing an order until it is decided, under half the load that
//! the suite can take.
//!
//! The floor is three flushes and two hops through Kafka, one after the other: what the promise
//! costs on this machine when nobody else is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use shared::contract::order::{OrderCancelled, OrderConfirmed};
use shared::contract::topic::ORDER_EVENTS;
use shared::event::Event;
use shared::kafka::{Names, headers};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Load;
use super::ours::Stage;
use super::world::World;
use crate::bench::intake::{Counter, counters, drive, tokens};
use crate::bench::kafka::{ANSWERS_WITHIN, consumer, partitions};
use crate::bench::machine::{self, Cpu};
use crate::bench::parts::Parts;
use crate::bench::report::Subject;
use crate::bench::rounds::{About, Latency, Measured, Workload};

const DECIDED_WITHIN: Duration = Duration::from_secs(60);
/// Of what the suite can take.
const LOAD: f64 = 0.5;

pub(in crate::bench) struct SagaLatency {
    load: Load,
    round: Option<World>,
}

impl SagaLatency {
    pub(in crate::bench) fn new(load: Load) -> Self {
        Self { load, round: None }
    }
}

impl Workload for SagaLatency {
    fn about(&self) -> About {
        About {
            name: "saga-latency",
            unit: "orders",
            subjects: &[Subject::Ours],
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.load.warm_up())
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        self.round = Some(World::fresh(parts, number, Subject::Ours).await?);
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, _: Subject) -> anyhow::Result<Measured> {
        let world = self.round.as_ref().expect("it was prepared");
        let Load {
            orders,
            clients,
            ref progress,
        } = self.load;
        let stage = Stage { parts, world };
        stage.start().await?;
        let begun = Instant::now();
        let (_, mut accepted) = drive(parts, orders, clients).await?;
        stage.until_ended().await?;
        let at_most = f64::from(orders) / begun.elapsed().as_secs_f64();

        let floor_ms = floor_ms(parts).await?;
        let topic = Names::new(&world.namespace).topic(ORDER_EVENTS.0);
        let counters = counters(parts, clients).await?;
        let tokens = tokens(parts, orders)?;
        let cpu = Cpu::now(parts.dir())?;
        let begun = Instant::now();
        let times = half_load(parts.kafka(), topic, counters, tokens, at_most * LOAD).await?;
        let took = begun.elapsed();
        let cpu = Cpu::now(parts.dir())?.since(&cpu);
        accepted.extend(times.keys());
        stage.until_ended().await?;
        stage.stop().await?;
        let latency = Latency::of(times.into_values().collect());
        let details = BTreeMap::from([
            ("at_most_per_s", at_most),
            ("floor_ms", floor_ms),
            ("p99_to_floor", latency.p99_ms / floor_ms),
        ]);
        Ok(Measured {
            latency: Some(latency),
            details,
            wrong: stage.judge(&accepted, progress).await?,
            ..Measured::new(u64::from(orders), took, cpu)
        })
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        match self.round.take() {
            Some(world) => world.clear(parts).await,
            None => Ok(()),
        }
    }
}

/// Three flushes and two hops.
async fn floor_ms(parts: &Parts) -> anyhow::Result<f64> {
    let hop_ms = machine::hop_ms(&parts.kafka()).await?;
    Ok(3.0 * machine::flush_ms(parts.dir())? + 2.0 * hop_ms)
}

/// Orders are sent when they are due, and their time counts from then, whoever was late.
async fn half_load(
    kafka: ClientConfig,
    topic: String,
    counters: Vec<Counter>,
    tokens: Vec<String>,
    per_s: f64,
) -> anyhow::Result<HashMap<Uuid, Duration>> {
    let orders = tokens.len();
    let tokens = Arc::new(tokens);
    let consumer = at_the_end(&kafka, &topic)?;
    let all_sent = Arc::new(AtomicBool::new(false));
    let watch = {
        let all_sent = Arc::clone(&all_sent);
        tokio::task::spawn_blocking(move || watch(&consumer, orders, &all_sent))
    };
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut sending = JoinSet::new();
    for mut counter in counters {
        let (next, tokens) = (Arc::clone(&next), Arc::clone(&tokens));
        sending.spawn(async move {
            let mut placed = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(token) = tokens.get(number) else {
                    return anyhow::Ok(placed);
                };
                let due = begun + Duration::from_secs_f64(number as f64 / per_s);
                tokio::time::sleep_until(due.into()).await;
                placed.push((counter.place(token).await?, due));
            }
        });
    }
    let mut due = HashMap::new();
    while let Some(placed) = sending.join_next().await {
        due.extend(placed??);
    }
    all_sent.store(true, Ordering::Relaxed);
    let decided = watch.await??;
    let times = due.into_iter().map(|(id, due)| {
        let decided = decided.get(&id).context("an order was not decided")?;
        Ok((id, decided.saturating_duration_since(due)))
    });
    times.collect()
}

fn at_the_end(kafka: &ClientConfig, topic: &str) -> anyhow::Result<BaseConsumer> {
    let consumer = consumer(kafka)?;
    let mut from = TopicPartitionList::new();
    for partition in partitions(&consumer, topic)? {
        let (_, end) = consumer.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?;
        from.add_partition_offset(topic, partition, Offset::Offset(end))?;
    }
    consumer.assign(&from)?;
    Ok(consumer)
}

/// When each order's end of waiting was on the topic.
fn watch(
    consumer: &BaseConsumer,
    orders: usize,
    all_sent: &AtomicBool,
) -> anyhow::Result<HashMap<Uuid, Instant>> {
    let decisions = HashSet::from([OrderConfirmed::TYPE, OrderCancelled::TYPE]);
    let mut decided = HashMap::new();
    let mut heard = Instant::now();
    while decided.len() < orders {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            if all_sent.load(Ordering::Relaxed) && heard.elapsed() > DECIDED_WITHIN {
                bail!("{} of {orders} orders were decided", decided.len());
            }
            continue;
        };
        let message = message?;
        heard = Instant::now();
        let kind = message.headers().and_then(|headers| {
            let kind = headers.iter().find(|header| header.key == headers::TYPE)?;
            std::str::from_utf8(kind.value?).ok()
        });
        if kind.is_some_and(|kind| decisions.contains(headers::short_name(kind))) {
            let key = std::str::from_utf8(message.key().unwrap_or_default())?;
            decided.entry(key.parse()?).or_insert(heard);
        }
    }
    Ok(decided)
}
