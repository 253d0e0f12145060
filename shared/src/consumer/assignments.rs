//! Which partitions are ours, as Kafka tells it, and how far they lag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Statistics, TopicPartitionList};

use super::ConsumerContext;
use crate::event::Topic;
use crate::http::health::Health;
use crate::kafka::Names;
use crate::telemetry::metrics;

/// A revoked partition's batch gets this long to finish; the fence makes the rest safe.
const REVOKE_WAIT: Duration = Duration::from_secs(5);
/// Lag that stands still for this long is a reason not to be ready.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Topic without namespace, and partition.
pub(super) type Partition = (&'static str, i32);

#[derive(Clone, Copy)]
pub(super) struct Assigned {
    /// New whenever the partition is assigned.
    pub(super) token: u64,
    /// The first record that may be decoded before the worker has it.
    pub(super) trusted_from: Option<i64>,
    /// It begins where we went back to, and not where Kafka says that the group was.
    pub(super) sought: bool,
}

/// Which partitions are ours.
pub(super) struct Assignments {
    pub(super) group: &'static str,
    topics: Vec<Topic>,
    pub(super) names: Names,
    pub(super) health: Health,
    assigned: Mutex<HashMap<Partition, Assigned>>,
    next_token: AtomicU64,
    /// Whether the worker is inside a batch.
    busy: Mutex<bool>,
    idle: Condvar,
    batches_done: AtomicU64,
    progress: Mutex<(u64, Instant)>,
}

impl Assignments {
    pub(super) fn new(context: &ConsumerContext, topics: Vec<Topic>) -> Self {
        Self {
            group: context.service,
            topics,
            names: context.names.clone(),
            health: context.health.clone(),
            assigned: Mutex::default(),
            next_token: AtomicU64::new(1),
            busy: Mutex::new(false),
            idle: Condvar::new(),
            batches_done: AtomicU64::new(0),
            progress: Mutex::new((0, Instant::now())),
        }
    }

    pub(super) fn assigned(&self, partition: &Partition) -> Option<Assigned> {
        self.assigned
            .lock()
            .expect("no holder panics")
            .get(partition)
            .copied()
    }

    pub(super) fn renew(&self, partition: Partition, sought: bool) {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let assigned = Assigned {
            token,
            trusted_from: None,
            sought,
        };
        self.assigned
            .lock()
            .expect("no holder panics")
            .insert(partition, assigned);
    }

    pub(super) fn trust(&self, partition: Partition, token: u64, from: i64) {
        let mut assigned = self.assigned.lock().expect("no holder panics");
        if let Some(assigned) = assigned.get_mut(&partition)
            && assigned.token == token
        {
            assigned.trusted_from = Some(from);
        }
    }

    pub(super) fn forget(&self, partition: &Partition) {
        self.assigned
            .lock()
            .expect("no holder panics")
            .remove(partition);
    }

    pub(super) fn set_busy(&self, busy: bool) {
        *self.busy.lock().expect("no holder panics") = busy;
        if !busy {
            self.idle.notify_all();
            self.batches_done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One of those that were subscribed to, as Kafka names it.
    pub(super) fn topic(&self, name: &str) -> Option<&'static str> {
        let bare = self.names.bare(name);
        self.topics
            .iter()
            .map(|topic| topic.0)
            .find(|topic| *topic == bare)
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        list.elements()
            .iter()
            .filter_map(|element| Some((self.topic(element.topic())?, element.partition())))
            .collect()
    }
}

impl ClientContext for Assignments {
    fn stats(&self, statistics: Statistics) {
        let mut lag = 0;
        for (name, topic) in &statistics.topics {
            let of_topic: i64 = topic
                .partitions
                .values()
                .filter(|partition| partition.partition >= 0)
                .map(|partition| partition.consumer_lag.max(0))
                .sum();
            metrics::lag(self.group, self.names.bare(name), of_topic);
            lag += of_topic;
        }
        if statistics
            .brokers
            .values()
            .any(|broker| broker.nodeid >= 0 && broker.state == "UP")
        {
            self.health.ready("kafka");
        }
        let done = self.batches_done.load(Ordering::Relaxed);
        let mut progress = self.progress.lock().expect("no holder panics");
        if lag == 0 || progress.0 != done {
            *progress = (done, Instant::now());
            self.health.ready("consumer-progress");
        } else if progress.1.elapsed() > STALLED_AFTER {
            self.health.not_ready(
                "consumer-progress",
                format!("{lag} records wait and nothing moves"),
            );
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.health.not_ready("kafka", reason);
        }
        tracing::warn!(error = %error, "Kafka: {error} ({reason})");
    }
}

impl rdkafka::consumer::ConsumerContext for Assignments {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(revoked) = rebalance else {
            return;
        };
        let revoked = self.partitions(revoked);
        {
            let mut assigned = self.assigned.lock().expect("no holder panics");
            for partition in &revoked {
                assigned.remove(partition);
            }
        }
        crate::crash::point("consumer.revoked");
        // A batch in flight is finished rather than redone by the next owner, within bounds.
        let busy = self.busy.lock().expect("no holder panics");
        let _ = self
            .idle
            .wait_timeout_while(busy, REVOKE_WAIT, |busy| *busy);
        // Without offsets to commit this is an error that means nothing.
        let _ = consumer.commit_consumer_state(CommitMode::Sync);
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(assigned) => {
                let assigned = self.partitions(assigned);
                tracing::info!(partitions = assigned.len(), "Assigned {assigned:?}");
                for partition in assigned {
                    self.renew(partition, false);
                }
                self.health.ready("consumer");
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => {
                tracing::warn!(error = %error, "Rebalance failed: {error}");
            }
        }
    }
}
