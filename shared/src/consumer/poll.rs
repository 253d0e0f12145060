//! One thread that does nothing but poll, so that slow work never costs the partitions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset};
use tokio_util::sync::CancellationToken;

use super::ConsumerContext;
use super::assignments::{Assignments, Partition};
use super::decode::{decode_ahead, is_skipped};
use super::mailbox::{self, BATCH_BYTES_MAX, Giver, Polled, Taker};
use super::record::{Arrived, Record};
use super::registry::Consumes;
use crate::avro::Codec;
use crate::clock::process_now;
use crate::kafka::headers::Packed;
use crate::telemetry::metrics;

const POLL_WAIT: Duration = Duration::from_millis(100);
/// Committing each batch would cost the broker more than the repeats it avoids: a commit is a
/// record per partition, to be read again at the broker's next start, and the fence is the truth.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// A worker that is busy for longer makes the poller pause its partitions and go on polling.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// What the worker may ask of the client.
#[derive(Clone)]
pub(super) struct Handle(Arc<Shared>);

struct Shared {
    consumer: BaseConsumer<Assignments>,
    seeks: Mutex<std_mpsc::Sender<(Partition, i64)>>,
    uncommitted: AtomicBool,
}

impl Handle {
    /// Whether records polled under this token may still be processed.
    pub(super) fn is_current(&self, partition: &Partition, token: Option<&u64>) -> bool {
        let assigned = self.0.consumer.context().assigned(partition);
        token.is_some() && assigned.map(|assigned| assigned.token).as_ref() == token
    }

    /// Whether these records begin where we went back to.
    pub(super) fn was_sought(&self, partition: &Partition, token: u64) -> bool {
        let assigned = self.0.consumer.context().assigned(partition);
        assigned.is_some_and(|assigned| assigned.token == token && assigned.sought)
    }

    /// A batch of the partition has got through, so the next ones may be decoded ahead, from that
    /// offset on.
    pub(super) fn trust(&self, partition: Partition, token: u64, from: i64) {
        self.0.consumer.context().trust(partition, token, from);
    }

    /// Nothing that was polled of it, or will be, is processed before it is assigned again:
    /// somebody else owns it, although Kafka has not told us yet, or something of it was given up.
    pub(super) fn forget(&self, partition: &Partition) {
        self.0.consumer.context().forget(partition);
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.0.consumer.context().set_busy(busy);
    }

    /// After the commit, and only then.
    pub(super) fn store_offsets(&self, ends: impl IntoIterator<Item = (Partition, i64)>) {
        let context = self.0.consumer.context();
        for ((topic, partition), offset) in ends {
            // The client stores the offset of the last record and adds one itself.
            let stored =
                self.0
                    .consumer
                    .store_offset(&context.names.topic(topic), partition, offset - 1);
            if let Err(error) = stored {
                // Revoked meanwhile: the next owner reads from the fence.
                tracing::debug!(error = %error, "{topic}/{partition}: offset not stored: {error}");
            }
        }
        self.0.uncommitted.store(true, Ordering::Release);
        crate::crash::point("consumer.offsets-stored");
    }

    /// Go back to where the fence says that this service was. What was polled before is dropped.
    pub(super) fn seek(&self, partition: Partition, offset: i64) {
        self.forget(&partition);
        let seeks = self.0.seeks.lock().expect("no holder panics");
        // The poller ends only after the worker.
        let _ = seeks.send((partition, offset));
    }

    /// The first offset that Kafka still has.
    pub(super) fn low_watermark(&self, partition: &Partition) -> anyhow::Result<i64> {
        let topic = self.0.consumer.context().names.topic(partition.0);
        let (low, _) = self
            .0
            .consumer
            .fetch_watermarks(&topic, partition.1, SEEK_TIMEOUT)?;
        Ok(low)
    }
}

pub(super) struct Poller {
    thread: JoinHandle<()>,
    handle: Handle,
    worker_done: std_mpsc::Sender<()>,
}

pub(super) fn start<I: Send + 'static>(
    context: &ConsumerContext,
    consumes: Arc<Consumes<I>>,
) -> anyhow::Result<(Poller, Taker<I>)> {
    context
        .health
        .not_ready("consumer", "no partitions are assigned yet");
    let assignments = Assignments::new(context, consumes.topics());
    let consumer: BaseConsumer<Assignments> = context
        .client
        .create_with_context(assignments)
        .context("cannot make a Kafka consumer")?;
    let topics: Vec<_> = consumes
        .topics()
        .iter()
        .map(|topic| context.names.topic(topic.0))
        .collect();
    consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;

    let (seeks, seeks_wanted) = std_mpsc::channel();
    let handle = Handle(Arc::new(Shared {
        consumer,
        seeks: Mutex::new(seeks),
        uncommitted: AtomicBool::new(false),
    }));
    let (giver, taker) = mailbox::new(context.batch_records_max.max(1));
    let (worker_done, wait_for_worker) = std_mpsc::channel();
    let poll_loop = PollLoop {
        handle: handle.clone(),
        codec: context.codec.clone(),
        consumes,
        batch_records_max: context.batch_records_max.max(1),
        mailbox: giver,
        seeks_wanted,
        stopping: context.stopping.clone(),
        carry: Polled::default(),
        committed_at: Instant::now(),
        handed_over_at: Instant::now(),
    };
    let thread = std::thread::Builder::new()
        .name(format!("{}-poll", context.service))
        .spawn(move || poll_loop.run(&wait_for_worker))?;
    Ok((
        Poller {
            thread,
            handle,
            worker_done,
        },
        taker,
    ))
}

impl Poller {
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Commits what is stored and leaves the group, so that a peer takes over at once.
    pub(super) async fn stop(self) {
        let Self {
            thread,
            handle,
            worker_done,
        } = self;
        drop(handle);
        drop(worker_done);
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

struct PollLoop<I> {
    handle: Handle,
    codec: Codec,
    consumes: Arc<Consumes<I>>,
    batch_records_max: usize,
    mailbox: Giver<I>,
    seeks_wanted: std_mpsc::Receiver<(Partition, i64)>,
    stopping: CancellationToken,
    /// Polled and not yet handed over.
    carry: Polled<I>,
    committed_at: Instant,
    handed_over_at: Instant,
}

impl<I: Send + 'static> PollLoop<I> {
    fn run(mut self, wait_for_worker: &std_mpsc::Receiver<()>) {
        while !self.stopping.is_cancelled() && !self.mailbox.is_abandoned() {
            self.seek();
            self.drain(POLL_WAIT);
            self.commit();
            let only_skipped = self.carry.records.is_empty();
            // Records of no interest move the fence, too, but not each time.
            let due = !only_skipped || self.handed_over_at.elapsed() >= COMMIT_EVERY;
            if !only_skipped {
                crate::crash::point("consumer.polled");
            }
            if !self.carry.ends.is_empty() && due && !self.hand_over() {
                break;
            }
        }
        drop(self.mailbox);
        // Ends when the worker is through with what it has.
        let _ = wait_for_worker.recv();
        let _ = self
            .handle
            .0
            .consumer
            .commit_consumer_state(CommitMode::Sync);
    }

    /// Takes what is there and never waits for more; only for the first record.
    fn drain(&mut self, wait: Duration) {
        let handle = self.handle.clone();
        let mut wait = wait;
        while self.carry.records.len() < self.batch_records_max
            && self.carry.bytes < BATCH_BYTES_MAX
        {
            match handle.0.consumer.poll(wait) {
                None => return,
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => {
                    self.failed(error);
                    return;
                }
            }
            wait = Duration::ZERO;
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let context = self.handle.0.consumer.context();
        let Some(topic) = context.topic(message.topic()) else {
            return;
        };
        let partition = (topic, message.partition());
        let Some(assigned) = context.assigned(&partition) else {
            return;
        };
        self.carry
            .reach(partition, assigned.token, message.offset());
        let headers = Packed::of_record(message.headers());
        if is_skipped(&headers, &self.consumes) {
            self.carry.skipped += 1;
            return;
        }
        self.carry.bytes += message.payload_len();
        let record = Record::copy(message, topic, headers, process_now());
        let trusted = assigned
            .trusted_from
            .is_some_and(|from| message.offset() >= from);
        let decoded = if trusted {
            decode_ahead(&self.codec, &self.consumes, &record)
        } else {
            None
        };
        self.carry.records.push(Arrived {
            record,
            decoded,
            known: false,
        });
    }

    fn failed(&mut self, error: KafkaError) {
        let context = self.handle.0.consumer.context();
        if let Some((code, reason)) = self.handle.0.consumer.client().fatal_error() {
            tracing::error!(error = %error, "Kafka client failed for good: {code}: {reason}");
            self.mailbox.fail(error);
            return;
        }
        tracing::warn!(error = %error, "Kafka: {error}");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            context
                .health
                .not_ready("kafka", "a topic is missing; run `ticketrail init`");
        }
    }

    /// Gives the batch to the worker, polling on while that is busy. False when the worker is gone.
    fn hand_over(&mut self) -> bool {
        metrics::skipped(self.handle.0.consumer.context().group, self.carry.skipped);
        let mut batch = std::mem::take(&mut self.carry);
        let mut paused = false;
        while !self.mailbox.give(&mut batch, PAUSE_AFTER) {
            if self.stopping.is_cancelled() || self.mailbox.is_abandoned() {
                return false;
            }
            // Paused partitions give nothing, so this only keeps the membership alive. What a newly
            // assigned partition gives is carried over.
            if let Ok(assignment) = self.handle.0.consumer.assignment() {
                paused = self.handle.0.consumer.pause(&assignment).is_ok();
            }
            self.drain(Duration::ZERO);
        }
        self.handed_over_at = Instant::now();
        if paused && let Ok(assignment) = self.handle.0.consumer.assignment() {
            let _ = self.handle.0.consumer.resume(&assignment);
        }
        true
    }

    fn commit(&mut self) {
        if self.committed_at.elapsed() < COMMIT_EVERY {
            return;
        }
        self.committed_at = Instant::now();
        if self.handle.0.uncommitted.swap(false, Ordering::AcqRel) {
            let _ = self
                .handle
                .0
                .consumer
                .commit_consumer_state(CommitMode::Async);
        }
    }

    fn seek(&mut self) {
        while let Ok((partition, offset)) = self.seeks_wanted.try_recv() {
            let context = self.handle.0.consumer.context();
            let topic = context.names.topic(partition.0);
            let sought = self.handle.0.consumer.seek(
                &topic,
                partition.1,
                Offset::Offset(offset),
                SEEK_TIMEOUT,
            );
            if let Err(error) = sought {
                // Revoked meanwhile, or the broker is away: a new assignment looks again.
                tracing::warn!(error = %error, "Cannot go back to {offset} of {partition:?}");
                continue;
            }
            // What was polled before the seek is out of date, wherever it waits.
            context.renew(partition, true);
        }
    }
}
