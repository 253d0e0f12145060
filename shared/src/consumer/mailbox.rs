//! Where records wait for the worker: in one batch, which what arrives joins until it is taken.
//!
//! So a batch is as large as what came during the transaction before it, and a lone record waits
//! for nobody.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::sync::Notify;

use super::assignments::Partition;
use super::record::Arrived;

/// Far below the memory a service may use, and far above what 2000 events weigh.
pub(super) const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was polled and is not yet worked on.
pub(super) struct Polled<I> {
    pub(super) records: Vec<Arrived<I>>,
    /// Where each partition's part of this batch begins, records of no interest included.
    pub(super) begins: HashMap<Partition, i64>,
    /// Where each partition stands after this batch, records of no interest included.
    pub(super) ends: HashMap<Partition, i64>,
    /// Which assignment each partition belonged to.
    pub(super) tokens: HashMap<Partition, u64>,
    pub(super) bytes: usize,
    pub(super) skipped: u64,
}

impl<I> Default for Polled<I> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            begins: HashMap::new(),
            ends: HashMap::new(),
            tokens: HashMap::new(),
            bytes: 0,
            skipped: 0,
        }
    }
}

impl<I> Polled<I> {
    /// Up to a record and over it. What an earlier assignment gave of its partition is out of date.
    pub(super) fn reach(&mut self, partition: Partition, token: u64, offset: i64) {
        self.belong(partition, token);
        self.begins.entry(partition).or_insert(offset);
        self.ends.insert(partition, offset + 1);
    }

    fn belong(&mut self, partition: Partition, token: u64) {
        let before = self.tokens.insert(partition, token);
        if before.is_some_and(|before| before != token) {
            self.records
                .retain(|Arrived { record, .. }| (record.topic, record.partition) != partition);
            self.begins.remove(&partition);
            self.ends.remove(&partition);
        }
    }

    /// What was polled later.
    fn append(&mut self, mut later: Self) {
        for (partition, token) in later.tokens {
            self.belong(partition, token);
        }
        for (partition, offset) in later.begins {
            self.begins.entry(partition).or_insert(offset);
        }
        self.ends.extend(later.ends);
        self.records.append(&mut later.records);
        self.bytes += later.bytes;
        self.skipped += later.skipped;
    }
}

/// The poller's side.
pub(super) struct Giver<I>(Arc<Mailbox<I>>);

/// The worker's side.
pub(super) struct Taker<I>(Arc<Mailbox<I>>);

struct Mailbox<I> {
    records_max: usize,
    inner: Mutex<Inner<I>>,
    filled: Notify,
    emptied: Condvar,
}

struct Inner<I> {
    waiting: Polled<I>,
    failed: Option<KafkaError>,
    giver_is_gone: bool,
    taker_is_gone: bool,
}

pub(super) fn new<I>(records_max: usize) -> (Giver<I>, Taker<I>) {
    let mailbox = Arc::new(Mailbox {
        records_max,
        inner: Mutex::new(Inner {
            waiting: Polled::default(),
            failed: None,
            giver_is_gone: false,
            taker_is_gone: false,
        }),
        filled: Notify::new(),
        emptied: Condvar::new(),
    });
    (Giver(Arc::clone(&mailbox)), Taker(mailbox))
}

impl<I> Mailbox<I> {
    fn lock(&self) -> MutexGuard<'_, Inner<I>> {
        self.inner.lock().expect("no holder panics")
    }
}

impl<I> Giver<I> {
    /// Adds to what waits, and leaves nothing of the batch. Where that would be more than a batch
    /// may hold, it waits until the worker takes it. False when that lasts too long.
    pub(super) fn give(&self, batch: &mut Polled<I>, wait: Duration) -> bool {
        let Mailbox {
            records_max,
            filled,
            emptied,
            ..
        } = &*self.0;
        let has_room = |inner: &Inner<I>| {
            let waiting = &inner.waiting;
            waiting.records.is_empty()
                || waiting.records.len() + batch.records.len() <= *records_max
                    && waiting.bytes + batch.bytes <= BATCH_BYTES_MAX
        };
        let (mut inner, _) = emptied
            .wait_timeout_while(self.0.lock(), wait, |inner| {
                !has_room(inner) && !inner.taker_is_gone
            })
            .expect("no holder panics");
        if !has_room(&inner) || inner.taker_is_gone {
            return false;
        }
        inner.waiting.append(mem::take(batch));
        filled.notify_one();
        true
    }

    /// The client has failed for good; the worker hears of it after what was polled before.
    pub(super) fn fail(&self, error: KafkaError) {
        self.0.lock().failed = Some(error);
        self.0.filled.notify_one();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.0.lock().taker_is_gone
    }
}

impl<I> Taker<I> {
    /// All that waits, as soon as something does; nothing when the poller has ended.
    pub(super) async fn take(&self) -> Option<Result<Polled<I>, KafkaError>> {
        loop {
            {
                let mut inner = self.0.lock();
                if !inner.waiting.ends.is_empty() {
                    self.0.emptied.notify_one();
                    return Some(Ok(mem::take(&mut inner.waiting)));
                }
                if let Some(error) = inner.failed.take() {
                    return Some(Err(error));
                }
                if inner.giver_is_gone {
                    return None;
                }
            }
            self.0.filled.notified().await;
        }
    }
}

impl<I> Drop for Giver<I> {
    fn drop(&mut self) {
        self.0.lock().giver_is_gone = true;
        self.0.filled.notify_one();
    }
}

impl<I> Drop for Taker<I> {
    fn drop(&mut self) {
        self.0.lock().taker_is_gone = true;
        self.0.emptied.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::error::KafkaError;

    use super::{Giver, Partition, Polled, Taker, new};
    use crate::clock::process_now;
    use crate::consumer::record::Record;
    use crate::kafka::headers::Packed;

    const A: Partition = ("a.events", 0);
    const B: Partition = ("b.events", 1);
    const AT_ONCE: Duration = Duration::ZERO;
    /// Far longer than what it stands for takes.
    const LONG: Duration = Duration::from_secs(60);

    fn polled(partition: Partition, token: u64, offsets: &[i64]) -> Polled<()> {
        let mut polled = Polled::default();
        for offset in offsets {
            polled.reach(partition, token, *offset);
            let record = Record {
                topic: partition.0,
                partition: partition.1,
                offset: *offset,
                key: None,
                value: None,
                headers: Packed::default(),
                published_at: process_now(),
                received_at: process_now(),
            };
            polled.records.push(record.into());
        }
        polled
    }

    fn offsets(polled: &Polled<()>) -> Vec<(&'static str, i64)> {
        let records = polled.records.iter();
        records
            .map(|arrived| (arrived.record.topic, arrived.record.offset))
            .collect()
    }

    async fn take(taker: &Taker<()>) -> Polled<()> {
        let taken = taker.take().await.expect("the poller is there");
        taken.expect("the client is well")
    }

    fn give(giver: &Giver<()>, mut polled: Polled<()>) {
        assert!(giver.give(&mut polled, AT_ONCE), "there is room");
    }

    #[tokio::test]
    async fn what_arrives_meanwhile_joins_what_waits() {
        let (giver, taker) = new(10);
        give(&giver, polled(A, 1, &[5, 6]));
        give(&giver, polled(B, 2, &[0]));
        give(&giver, polled(A, 1, &[7]));
        let batch = take(&taker).await;
        let all = [
            ("a.events", 5),
            ("a.events", 6),
            ("b.events", 0),
            ("a.events", 7),
        ];
        assert_eq!(offsets(&batch), all);
        assert_eq!(batch.begins, [(A, 5), (B, 0)].into());
        assert_eq!(batch.ends, [(A, 8), (B, 1)].into());
        assert_eq!(batch.tokens, [(A, 1), (B, 2)].into());
    }

    #[tokio::test]
    async fn a_full_batch_takes_no_more_until_it_is_taken() {
        let (giver, taker) = new(3);
        give(&giver, polled(A, 1, &[0, 1]));
        let mut more = polled(A, 1, &[2, 3]);
        assert!(!giver.give(&mut more, AT_ONCE), "four are too many");
        assert_eq!(
            offsets(&take(&taker).await),
            [("a.events", 0), ("a.events", 1)]
        );
        give(&giver, more);
        assert_eq!(
            offsets(&take(&taker).await),
            [("a.events", 2), ("a.events", 3)]
        );
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_the_batch_is_taken() {
        let (giver, taker) = new(1);
        give(&giver, polled(A, 1, &[0]));
        let giving = std::thread::spawn(move || giver.give(&mut polled(A, 1, &[1]), LONG));
        assert_eq!(offsets(&take(&taker).await), [("a.events", 0)]);
        assert_eq!(offsets(&take(&taker).await), [("a.events", 1)]);
        assert!(giving.join().expect("it does not panic"));
    }

    #[tokio::test]
    async fn a_new_assignment_replaces_what_the_old_one_gave() {
        let (giver, taker) = new(10);
        give(&giver, polled(A, 1, &[5, 6]));
        give(&giver, polled(B, 2, &[0]));
        give(&giver, polled(A, 3, &[4]));
        let batch = take(&taker).await;
        assert_eq!(offsets(&batch), [("b.events", 0), ("a.events", 4)]);
        assert_eq!(batch.begins, [(A, 4), (B, 0)].into());
        assert_eq!(batch.ends, [(A, 5), (B, 1)].into());
    }

    #[tokio::test]
    async fn each_side_hears_that_the_other_is_gone() {
        let (giver, taker) = new::<()>(1);
        giver.fail(KafkaError::Canceled);
        assert!(matches!(
            taker.take().await,
            Some(Err(KafkaError::Canceled))
        ));
        drop(giver);
        assert!(taker.take().await.is_none());

        let (giver, taker) = new(1);
        give(&giver, polled(A, 1, &[0]));
        let giving = std::thread::spawn(move || {
            let given = giver.give(&mut polled(A, 1, &[1]), LONG);
            (given, giver.is_abandoned())
        });
        drop(taker);
        assert_eq!(giving.join().expect("it does not panic"), (false, true));
    }
}
