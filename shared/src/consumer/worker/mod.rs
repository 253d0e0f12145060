//! Takes batches in order and decides what a failure means: again, in halves, or a dead letter.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use anyhow::bail;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::batch::Reject;
use crate::consumer::frame::{BatchError, Frame, ends};
use crate::consumer::poll::{Batches, Handle, Partition, Polled};
use crate::consumer::record::Arrived;
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Fence, Progress};
use crate::http::health::Health;
use crate::telemetry::metrics;

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A lone record gets this many tries before it is called a dead letter.
const ATTEMPTS_MAX: u32 = 3;

struct Worker<H: EventHandler> {
    frame: Frame<H>,
    handle: Handle,
    health: Health,
    connection: Option<PgConnection>,
    owned: HashMap<Partition, Owned>,
    sought: HashSet<Partition>,
    backoff: Duration,
    stopping: CancellationToken,
}

struct Owned {
    token: u64,
    epoch: i64,
}

/// How a run through some records ended.
enum Ended<I> {
    Done,
    /// These are left, and the ownership of their partitions has to be looked at again.
    Again(Vec<Arrived<I>>),
}

pub(super) async fn run<H: EventHandler>(
    frame: Frame<H>,
    mut batches: Batches<H::Incoming>,
    handle: Handle,
    health: Health,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut worker = Worker {
        frame,
        handle,
        health,
        connection: None,
        owned: HashMap::new(),
        sought: HashSet::new(),
        backoff: BACKOFF_MIN,
        stopping,
    };
    while let Some(polled) = batches.recv().await {
        worker.handle.set_busy(true);
        let worked = worker.work(polled?).await;
        worker.handle.set_busy(false);
        worked?;
    }
    Ok(())
}

impl<H: EventHandler> Worker<H> {
    async fn work(&mut self, polled: Polled<H::Incoming>) -> anyhow::Result<()> {
        let Polled {
            mut records,
            begins,
            mut ends,
            tokens,
            ..
        } = polled;
        loop {
            // Partitions that were taken from us, or sought back, since they were polled.
            ends.retain(|partition, _| self.handle.is_current(partition, tokens.get(partition)));
            if ends.len() < tokens.len() {
                records.retain(|Arrived { record, .. }| {
                    ends.contains_key(&(record.topic, record.partition))
                });
            }
            if ends.is_empty() {
                return Ok(());
            }
            match self.attempt(records, &begins, &ends, &tokens).await? {
                Ended::Done => return Ok(()),
                // Dropped, not lost: its offsets are not stored, so it comes again.
                Ended::Again(_) if self.stopping.is_cancelled() => return Ok(()),
                Ended::Again(left) => records = left,
            }
        }
    }

    async fn attempt(
        &mut self,
        records: Vec<Arrived<H::Incoming>>,
        begins: &HashMap<Partition, i64>,
        ends: &HashMap<Partition, i64>,
        tokens: &HashMap<Partition, u64>,
    ) -> anyhow::Result<Ended<H::Incoming>> {
        if let Err(error) = self.take_over(begins, ends, tokens).await? {
            self.retry_later(&error).await;
            return Ok(Ended::Again(records));
        }
        if ends
            .keys()
            .any(|partition| !self.handle.is_current(partition, tokens.get(partition)))
        {
            return Ok(Ended::Again(records));
        }
        self.process(records, ends).await
    }

    /// Makes the fence ours for partitions that are new. The inner error is one to wait for.
    async fn take_over(
        &mut self,
        begins: &HashMap<Partition, i64>,
        ends: &HashMap<Partition, i64>,
        tokens: &HashMap<Partition, u64>,
    ) -> anyhow::Result<Result<(), BatchError>> {
        for partition in ends.keys() {
            let token = tokens[partition];
            if self
                .owned
                .get(partition)
                .is_some_and(|owned| owned.token == token)
            {
                continue;
            }
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return Ok(Err(error.into())),
            };
            let fence = match store::take_over(connection, partition.0, partition.1).await {
                Ok(fence) => fence,
                Err(error) => return Ok(Err(error.into())),
            };
            self.owned.insert(
                *partition,
                Owned {
                    token,
                    epoch: fence.epoch,
                },
            );
            let first = begins.get(partition).copied();
            // After a seek the first record is what Kafka has there.
            if !self.sought.remove(partition) {
                self.check_position(partition, first, &fence)?;
            }
        }
        Ok(Ok(()))
    }

    /// Kafka may begin below the fence: the inbox drops what is known. It must not begin above.
    fn check_position(
        &mut self,
        partition: &Partition,
        first: Option<i64>,
        fence: &Fence,
    ) -> anyhow::Result<()> {
        let expected = fence.next_offset.unwrap_or(0);
        if first.is_none_or(|first| first <= expected) {
            return Ok(());
        }
        let low = self.handle.low_watermark(partition)?;
        if fence.next_offset.is_some() && low > expected {
            let why = format!(
                "{}/{} begins at {low}, but only what is below {expected} has been processed: \
                 records are gone; reconcile, then set consumer_offsets.next_offset",
                partition.0, partition.1
            );
            self.health.not_ready("consumer-position", why.as_str());
            bail!(why);
        }
        if first > Some(low) {
            tracing::info!(
                "Going back to {}/{}@{}",
                partition.0,
                partition.1,
                expected.max(low)
            );
            self.handle.seek(*partition, expected.max(low));
            self.sought.insert(*partition);
        }
        Ok(())
    }

    async fn process(
        &mut self,
        mut records: Vec<Arrived<H::Incoming>>,
        all_ends: &HashMap<Partition, i64>,
    ) -> anyhow::Result<Ended<H::Incoming>> {
        let mut parts = VecDeque::new();
        parts.push_back(0..records.len());
        let mut attempts = 0;
        while let Some(part) = parts.pop_front() {
            let slice = &mut records[part.clone()];
            let reached = if parts.is_empty() {
                all_ends.clone()
            } else {
                ends(slice.iter().map(|arrived| &arrived.record))
            };
            let progress = self.progress(&reached);
            let Err(error) = self.process_once(slice, &progress, None).await else {
                self.handle.store_offsets(reached);
                attempts = 0;
                continue;
            };
            if matches!(error, BatchError::Fenced) {
                self.give_up_lost(&progress).await;
                return Ok(Ended::Again(records.split_off(part.start)));
            }
            if error.is_transient() {
                self.retry_later(&error).await;
                return Ok(Ended::Again(records.split_off(part.start)));
            }
            metrics::retried(self.frame.service());
            if slice.len() > 1 {
                tracing::warn!(error = %error, records = slice.len(), "Halving a batch: {error}");
                for half in halves(part) {
                    parts.push_front(half);
                }
                continue;
            }
            attempts += 1;
            if attempts < ATTEMPTS_MAX {
                self.retry_later(&error).await;
                parts.push_front(part);
                continue;
            }
            if !self.condemn(slice, &progress, &error).await {
                return Ok(Ended::Again(records.split_off(part.start)));
            }
            self.handle.store_offsets(reached);
            attempts = 0;
        }
        Ok(Ended::Done)
    }

    async fn process_once(
        &mut self,
        records: &mut [Arrived<H::Incoming>],
        progress: &[Progress],
        condemned: Option<&Reject>,
    ) -> Result<(), BatchError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.frame.database.connect().await?,
        };
        let processed = self
            .frame
            .process(&mut connection, records, progress, condemned)
            .await;
        match &processed {
            Err(error) if error.is_transient() => {}
            // A connection that may be broken is not kept.
            _ => self.connection = Some(connection),
        }
        if processed.is_ok() {
            self.backoff = BACKOFF_MIN;
            self.health.ready("consumer-database");
        }
        processed
    }

    /// A lone record that fails for good on a healthy database is a dead letter.
    async fn condemn(
        &mut self,
        record: &mut [Arrived<H::Incoming>],
        progress: &[Progress],
        error: &BatchError,
    ) -> bool {
        let healthy = match self.connect().await {
            Ok(connection) => store::probe(connection).await.is_ok(),
            Err(_) => false,
        };
        let reject = Reject::new("handler-failed", error.to_string());
        healthy
            && self
                .process_once(record, progress, Some(&reject))
                .await
                .is_ok()
    }

    async fn connect(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            self.connection = Some(self.frame.database.connect().await?);
        }
        Ok(self.connection.as_mut().expect("it was just put there"))
    }

    fn progress(&self, ends: &HashMap<Partition, i64>) -> Vec<Progress> {
        let mut progress: Vec<_> = ends
            .iter()
            .map(|((topic, partition), next_offset)| Progress {
                topic,
                partition: *partition,
                epoch: self
                    .owned
                    .get(&(*topic, *partition))
                    .map_or(-1, |owned| owned.epoch),
                next_offset: *next_offset,
            })
            .collect();
        // Rows are locked in this order, so that two owners wait for each other and never deadlock.
        progress.sort_by(|a, b| (a.topic, a.partition).cmp(&(b.topic, b.partition)));
        progress
    }

    /// The fence says which partitions are not ours any more; Kafka will say so, too.
    async fn give_up_lost(&mut self, progress: &[Progress]) {
        for progress in progress {
            let partition = (progress.topic, progress.partition);
            let ours = match self.connect().await {
                Ok(connection) => store::is_ours(connection, progress).await.unwrap_or(true),
                Err(_) => true,
            };
            if !ours {
                tracing::warn!(
                    "{}/{} belongs to another consumer now",
                    partition.0,
                    partition.1
                );
                self.owned.remove(&partition);
                self.handle.forget(&partition);
            }
        }
    }

    async fn retry_later(&mut self, error: &BatchError) {
        tracing::warn!(error = %error, "A batch waits: {error}");
        metrics::retried(self.frame.service());
        self.connection = None;
        self.health
            .not_ready("consumer-database", error.to_string());
        tokio::select! {
            () = tokio::time::sleep(self.backoff) => {}
            () = self.stopping.cancelled() => {}
        }
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}

/// Right first, so that pushing them to the front leaves the left one there.
fn halves(part: Range<usize>) -> [Range<usize>; 2] {
    let middle = part.start + part.len() / 2;
    [middle..part.end, part.start..middle]
}
