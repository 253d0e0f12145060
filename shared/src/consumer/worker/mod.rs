//! Takes batches in order and decides what a failure means: again, in halves, or a dead letter.

mod careful;
mod ownership;

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::batch::Reject;
use crate::consumer::assignments::Partition;
use crate::consumer::frame::{BatchError, Frame, OBSTACLES, ends};
use crate::consumer::mailbox::{Polled, Taker};
use crate::consumer::poll::Handle;
use crate::consumer::record::Arrived;
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Progress};
use crate::http::health::Health;
use crate::telemetry::metrics;

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A lone record gets this many tries before it is called a dead letter.
const ATTEMPTS_MAX: u32 = 3;

struct Worker<H: EventHandler> {
    frame: Arc<Frame<H>>,
    handle: Handle,
    health: Health,
    connection: Option<PgConnection>,
    owned: HashMap<Partition, ownership::Owned>,
    backoff: Duration,
    stopping: CancellationToken,
}

/// How a run through some records ended.
enum Ended<I> {
    Done,
    /// These are left, and the ownership of their partitions has to be looked at again.
    Again(Vec<Arrived<I>>),
}

pub(super) async fn run<H: EventHandler>(
    frame: Arc<Frame<H>>,
    batches: Taker<H::Incoming>,
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
        backoff: BACKOFF_MIN,
        stopping,
    };
    while let Some(polled) = batches.take().await {
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
            let lost: Vec<_> = ends
                .extract_if(|at, _| !self.handle.is_current(at, tokens.get(at)))
                .map(|(partition, _)| partition)
                .collect();
            self.forgive(lost).await;
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
                // Dropped, not lost: its offsets are not stored, so it comes again. What waits
                // behind it is dropped, too, or the fence would pass it by.
                Ended::Again(_) if self.stopping.is_cancelled() => {
                    for partition in ends.keys() {
                        self.handle.forget(partition);
                    }
                    self.forgive(ends.into_keys()).await;
                    return Ok(());
                }
                Ended::Again(left) => records = left,
            }
        }
    }

    async fn attempt(
        &mut self,
        mut records: Vec<Arrived<H::Incoming>>,
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
        if let Err(error) = self.recognize(&mut records, begins).await {
            self.retry_later(&error.into()).await;
            return Ok(Ended::Again(records));
        }
        self.process(records, ends).await
    }

    async fn process(
        &mut self,
        mut records: Vec<Arrived<H::Incoming>>,
        all_ends: &HashMap<Partition, i64>,
    ) -> anyhow::Result<Ended<H::Incoming>> {
        let mut parts = self.parts(&records);
        let mut attempts = 0;
        while let Some(part) = parts.pop_front() {
            let slice = &mut records[part.clone()];
            let reached = if parts.is_empty() {
                all_ends.clone()
            } else {
                ends(slice.iter().map(|arrived| &arrived.record))
            };
            let progress = self.progress(&reached);
            let processed = match self.before_attempt(slice).await {
                Ok(verdict) => self.process_once(slice, &progress, verdict.as_ref()).await,
                Err(error) => Err(error),
            };
            let Err(error) = processed else {
                self.committed(reached);
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
            if let Err(error) = self.condemn(slice, &progress, &error).await {
                self.retry_later(&error).await;
                return Ok(Ended::Again(records.split_off(part.start)));
            }
            self.committed(reached);
            attempts = 0;
        }
        Ok(Ended::Done)
    }

    fn committed(&mut self, reached: HashMap<Partition, i64>) {
        self.clear_suspects(&reached);
        self.handle.store_offsets(reached);
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
        let processing = self
            .frame
            .process(&mut connection, records, progress, condemned);
        // What a handler holds when it panics is the batch and the transaction, and both are gone.
        let processed = match AssertUnwindSafe(processing).catch_unwind().await {
            Ok(processed) => processed,
            Err(panic) => return Err(BatchError::Panicked(message_of(&*panic))),
        };
        match &processed {
            Err(error) if error.is_transient() => {}
            // A connection that may be broken is not kept.
            _ => self.connection = Some(connection),
        }
        if processed.is_ok() {
            self.backoff = BACKOFF_MIN;
            for obstacle in OBSTACLES {
                self.health.ready(obstacle);
            }
        }
        processed
    }

    /// A lone record that fails for good on a healthy database is a dead letter.
    async fn condemn(
        &mut self,
        record: &mut [Arrived<H::Incoming>],
        progress: &[Progress],
        error: &BatchError,
    ) -> Result<(), BatchError> {
        store::probe(self.connect().await?).await?;
        let reject = Reject::new(error.code(), error.to_string());
        self.process_once(record, progress, Some(&reject)).await
    }

    async fn connect(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            self.connection = Some(self.frame.database.connect().await?);
        }
        Ok(self.connection.as_mut().expect("it was just put there"))
    }

    async fn retry_later(&mut self, error: &BatchError) {
        tracing::warn!(error = %error, "A batch waits: {error}");
        metrics::retried(self.frame.service());
        self.connection = None;
        self.health.not_ready(error.obstacle(), error.to_string());
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

/// What a panic said, if it said it in words.
pub(in crate::consumer) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it did not say why").to_owned()
}
