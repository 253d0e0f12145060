//! Orders that come when they are due, whoever was late, and when each of them was decided.

use std::collections::{HashMap, HashSet};
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

use crate::bench::intake::{Counter, counters, tokens};
use crate::bench::kafka::{ANSWERS_WITHIN, consumer, partitions};
use crate::bench::parts::Parts;

const DECIDED_WITHIN: Duration = Duration::from_secs(60);

/// What one customer saw.
pub(super) struct Wait {
    pub(super) order_id: Uuid,
    /// When it was to be placed.
    pub(super) due: Instant,
    pub(super) decided: Instant,
}

impl Wait {
    pub(super) fn took(&self) -> Duration {
        self.decided.saturating_duration_since(self.due)
    }
}

pub(super) struct OpenLoop {
    kafka: ClientConfig,
    topic: String,
    counters: Vec<Counter>,
    tokens: Arc<Vec<String>>,
    per_s: f64,
}

impl OpenLoop {
    pub(super) async fn new(
        parts: &Parts,
        namespace: &str,
        (orders, clients): (u32, u32),
        per_s: f64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            kafka: parts.kafka(),
            topic: Names::new(namespace).topic(ORDER_EVENTS.0),
            counters: counters(parts, clients).await?,
            tokens: Arc::new(tokens(parts, orders)?),
            per_s,
        })
    }

    /// In the order in which they were decided.
    pub(super) async fn run(self) -> anyhow::Result<Vec<Wait>> {
        let orders = self.tokens.len();
        let consumer = at_the_end(&self.kafka, &self.topic)?;
        let all_sent = Arc::new(AtomicBool::new(false));
        let watch = {
            let all_sent = Arc::clone(&all_sent);
            tokio::task::spawn_blocking(move || watch(&consumer, orders, &all_sent))
        };
        let next = Arc::new(AtomicUsize::new(0));
        let (begun, per_s) = (Instant::now(), self.per_s);
        let mut sending = JoinSet::new();
        for mut counter in self.counters {
            let (next, tokens) = (Arc::clone(&next), Arc::clone(&self.tokens));
            sending.spawn(async move {
                let mut placed = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(token) = tokens.get(number) else {
                        return anyhow::Ok(placed);
                    };
                    let due = begun + Duration::from_secs_f64(number as f64 / per_s);
                    tokio::time::sleep_until(due.into()).await;
                    placed.push((counter.place_at_last(token).await?, due));
                }
            });
        }
        let mut placed = Vec::with_capacity(orders);
        while let Some(sent) = sending.join_next().await {
            placed.extend(sent??);
        }
        all_sent.store(true, Ordering::Relaxed);
        let decided = watch.await??;
        let waits = placed.into_iter().map(|(order_id, due)| {
            let decided = decided.get(&order_id).context("an order was not decided")?;
            Ok(Wait {
                order_id,
                due,
                decided: *decided,
            })
        });
        let mut waits = waits.collect::<anyhow::Result<Vec<_>>>()?;
        waits.sort_unstable_by_key(|wait| wait.decided);
        Ok(waits)
    }
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
        // The broker may be away; the client finds it again.
        let Ok(message) = message else { continue };
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
