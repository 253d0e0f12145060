//! Careful mode: a record that ends the process may do so only so often.
//!
//! An abort cannot be caught, so what is known about it must have been committed before. Taking a
//! partition over leaves a crash marker for its first batch, which every commit clears; nothing is
//! decoded ahead until then. Who finds a marker takes the records below it one at a time, and
//! counts each attempt **before** it decodes. What was attempted often enough becomes a dead letter
//! undecoded, and stays so when it is delivered once more.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use uuid::Uuid;

use super::Worker;
use crate::batch::Reject;
use crate::consumer::assignments::Partition;
use crate::consumer::frame::BatchError;
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Suspects};
use crate::crash;
use crate::kafka::headers;

/// A record alone; it was attempted once before that, in the batch that left the marker.
const ATTEMPTS_MAX: i16 = 2;

impl<H: EventHandler> Worker<H> {
    /// What is tried in one transaction: everything, or record after record where one is suspect.
    pub(super) fn parts(&self, records: &[Arrived<H::Incoming>]) -> VecDeque<Range<usize>> {
        if self.owned.values().all(|owned| owned.suspects.is_none()) {
            return std::iter::once(0..records.len()).collect();
        }
        let suspect = records
            .iter()
            .filter(|arrived| !arrived.known && self.suspects(&arrived.record).is_some())
            .count();
        if suspect == 0 {
            return std::iter::once(0..records.len()).collect();
        }
        tracing::warn!("Careful with {suspect} records that their last owner did not get through");
        (0..records.len()).map(|index| index..index + 1).collect()
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

    /// Counts the attempt at a suspect record, or condemns it.
    pub(super) async fn before_attempt(
        &mut self,
        records: &[Arrived<H::Incoming>],
    ) -> Result<Option<Reject>, BatchError> {
        let [arrived] = records else {
            return Ok(None);
        };
        if arrived.known {
            return Ok(None);
        }
        let record = &arrived.record;
        let Some((suspects, epoch)) = self.suspects(record) else {
            return Ok(None);
        };
        let to = record.offset + 1;
        let attempts = if suspects.to == to {
            suspects.attempts
        } else {
            0
        };
        if attempts >= ATTEMPTS_MAX {
            return Ok(Some(Reject::new(
                "process-ended",
                format!(
                    "the process ended {} times while it had this record",
                    attempts + 1
                ),
            )));
        }
        let attempt = Suspects {
            to,
            attempts: attempts + 1,
        };
        let partition = (record.topic, record.partition);
        let connection = self.connect().await?;
        if !store::mark(connection, partition, epoch, Some(attempt)).await? {
            return Err(BatchError::Fenced);
        }
        crash::point("consumer.attempt-recorded");
        Ok(None)
    }

    /// Takes back what was said about records that are given up while the process lives. Should
    /// that fail, the next owner is careful for nothing.
    pub(super) async fn forgive(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        for partition in partitions {
            let Some(owned) = self.owned.get(&partition) else {
                continue;
            };
            let (epoch, suspects) = (owned.epoch, owned.suspects);
            if owned.trusted && suspects.is_none() {
                continue;
            }
            if let Ok(connection) = self.connect().await {
                let _ = store::mark(connection, partition, epoch, suspects).await;
            }
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
