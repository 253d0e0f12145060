//! Careful mode: a record that ends the process may do so only so often.
//!
//! An abort cannot be caught, so what is known about it must have been committed before. Taking a
//! partition over leaves a crash marker for its first batch, which every commit clears; nothing is
//! decoded ahead until then. Who finds a marker takes the records below it in chunks, and who finds
//! the marker of a chunk takes them one at a time; each counts the attempt **before** it decodes. A
//! record that was attempted alone becomes a dead letter undecoded, and stays so when it is
//! delivered once more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use uuid::Uuid;

use super::Worker;
use crate::batch::Reject;
use crate::consumer::assignments::Partition;
use crate::consumer::frame::BatchError;
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Mark, Suspects};
use crate::crash;
use crate::kafka::headers;

/// Two steps lead from a full batch to a record: one at a time, a full batch would take so long
/// that its owner falls behind, and is ended again before it is through.
const CHUNK: usize = 50;
/// How often a record was attempted once it has been attempted alone, after the batch that left the
/// marker: as one of a chunk, and by itself.
const ALONE: i16 = 2;

impl<H: EventHandler> Worker<H> {
    /// What is tried in one transaction: everything; where some of it is suspect, a little at a
    /// time; and what was one of a little by itself.
    pub(super) fn parts(&self, records: &[Arrived<H::Incoming>]) -> VecDeque<Range<usize>> {
        let attempts: Vec<Option<i16>> = records
            .iter()
            .map(|arrived| {
                let suspects = self.suspects(&arrived.record).filter(|_| !arrived.known);
                suspects.map(|(suspects, _)| suspects.attempts)
            })
            .collect();
        let suspects = attempts.iter().flatten().count();
        if suspects == 0 {
            return std::iter::once(0..records.len()).collect();
        }
        tracing::warn!("Careful with {suspects} records that their last owner did not get through");
        cut(&attempts)
    }

    /// Kafka delivers again what is below the fence. What the inbox knows of it is not decoded: a
    /// record that ended the process, and was put aside for it, would end it once more.
    pub(super) async fn recognize(
        &mut self,
        records: &mut [Arrived<H::Incoming>],
        begins: &HashMap<Partition, i64>,
    ) -> Result<(), sqlx::Error> {
        let behind: HashMap<Partition, i64> = begins
            .iter()
            .filter_map(|(partition, begin)| {
                let fence = self.owned.get(partition)?.fence;
                (*begin < fence).then_some((*partition, fence))
            })
            .collect();
        if behind.is_empty() {
            return Ok(());
        }
        let mut again: HashMap<Uuid, Vec<&mut Arrived<H::Incoming>>> = HashMap::new();
        for arrived in records {
            let record = &arrived.record;
            let fence = behind.get(&(record.topic, record.partition));
            if fence.is_some_and(|fence| record.offset < *fence)
                && let Ok(envelope) = headers::envelope(&record.headers)
            {
                again.entry(envelope.event_id).or_default().push(arrived);
            }
        }
        let ids = again.keys().copied().collect();
        for id in store::known(self.connect().await?, ids).await? {
            for arrived in again.remove(&id).into_iter().flatten() {
                arrived.known = true;
            }
        }
        Ok(())
    }

    fn suspects(&self, record: &Record) -> Option<(Suspects, i64)> {
        let owned = self.owned.get(&(record.topic, record.partition))?;
        let suspects = owned
            .suspects
            .filter(|suspects| record.offset < suspects.to)?;
        Some((suspects, owned.epoch))
    }

    /// Counts the attempt at suspect records, or condemns the one that was tried alone already.
    pub(super) async fn before_attempt(
        &mut self,
        records: &[Arrived<H::Incoming>],
    ) -> Result<Option<Reject>, BatchError> {
        let mut marks: BTreeMap<Partition, Mark> = BTreeMap::new();
        for Arrived { record, .. } in records.iter().filter(|arrived| !arrived.known) {
            let Some((suspects, epoch)) = self.suspects(record) else {
                continue;
            };
            let to = record.offset + 1;
            let is_the_last = suspects.to == to;
            if suspects.attempts >= ALONE && is_the_last {
                let times = suspects.attempts + 1;
                let why = format!("the process ended {times} times while it had this record");
                return Ok(Some(Reject::new("process-ended", why)));
            }
            let before = if suspects.attempts < ALONE {
                suspects.attempts
            } else {
                0
            };
            let partition = (record.topic, record.partition);
            let attempts = before + 1;
            let suspects = Some(Suspects { to, attempts });
            marks.insert(
                partition,
                Mark {
                    partition,
                    epoch,
                    suspects,
                },
            );
        }
        if marks.is_empty() {
            return Ok(None);
        }
        // In one order, so that two owners wait for each other and never deadlock.
        let marks: Vec<Mark> = marks.into_values().collect();
        if !store::mark(self.connect().await?, &marks).await? {
            return Err(BatchError::Fenced);
        }
        crash::point("consumer.attempt-recorded");
        Ok(None)
    }

    /// Takes back what was said about records that are given up while the process lives. Should
    /// that fail, the next owner is careful for nothing.
    pub(super) async fn forgive(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        let mut marks: Vec<Mark> = partitions
            .into_iter()
            .filter_map(|partition| Some((partition, self.owned.get(&partition)?)))
            .filter(|(_, owned)| !owned.trusted || owned.suspects.is_some())
            .map(|(partition, owned)| Mark {
                partition,
                epoch: owned.epoch,
                suspects: owned.suspects,
            })
            .collect();
        marks.sort_by_key(|mark| mark.partition);
        if !marks.is_empty()
            && let Ok(connection) = self.connect().await
        {
            let _ = store::mark(connection, &marks).await;
        }
    }

    /// What is committed did not end the process.
    pub(super) fn clear_suspects(&mut self, reached: &HashMap<Partition, i64>) {
        for (partition, next_offset) in reached {
            let Some(owned) = self.owned.get_mut(partition) else {
                continue;
            };
            owned.suspects = owned.suspects.filter(|suspects| *next_offset < suspects.to);
            if owned.suspects.is_none() && !owned.trusted {
                owned.trusted = true;
                self.handle.trust(*partition, owned.token, owned.fence);
            }
        }
    }
}

/// By how often each suspect record was attempted: one that was attempted as one of a chunk stands
/// alone now, all others in chunks. The many that nothing is held against must not pay for the few.
fn cut(attempts: &[Option<i16>]) -> VecDeque<Range<usize>> {
    let is_alone = |attempts: &Option<i16>| attempts.is_some_and(|attempts| attempts > 0);
    let mut parts = VecDeque::new();
    let mut begin = 0;
    for run in attempts.chunk_by(|a, b| is_alone(a) == is_alone(b)) {
        let end = begin + run.len();
        let size = if is_alone(&run[0]) { 1 } else { CHUNK };
        let begins = (begin..end).step_by(size);
        parts.extend(begins.map(|begin| begin..end.min(begin + size)));
        begin = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, cut};

    #[test]
    fn only_what_was_attempted_in_a_chunk_is_attempted_alone() {
        let mut attempts = vec![None; CHUNK];
        attempts.extend([Some(0); CHUNK]);
        attempts.extend([Some(1), Some(1)]);
        attempts.extend([None; 3]);
        let end = attempts.len();

        let parts = cut(&attempts);

        let (chunks, alone) = (2 * CHUNK, 2 * CHUNK + 2);
        assert_eq!(
            parts,
            [
                0..CHUNK,
                CHUNK..chunks,
                chunks..chunks + 1,
                chunks + 1..alone,
                alone..end,
            ]
        );
    }
}
