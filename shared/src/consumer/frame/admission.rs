//! Fence and inbox: what of a batch may have an effect.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{BatchError, Frame, Prepared};
use crate::consumer::record::Arrived;
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Admitted, Progress};
use crate::dead_letters::store as letters_store;

/// By what right a batch has effects.
#[derive(Clone, Copy)]
pub(super) enum Admission<'a> {
    /// It is what comes next in its partitions, whose fence it moves.
    Next(&'a [Progress]),
    /// It is read once more; only what was never seen has an effect.
    Again,
    /// It is dead letters that an operator settles. These were still unsettled.
    Released(&'a HashSet<Uuid>),
}

impl<H: EventHandler> Frame<H> {
    /// Duplicates come in swarms, after a crash or a rebalance. So a batch is taken to be new as a
    /// whole if the one before it was; where that is wrong, a key is violated, and the slower way
    /// is taken.
    pub(super) async fn admit(
        &self,
        tx: &mut PgConnection,
        records: &[Arrived<H::Incoming>],
        admission: Admission<'_>,
        prepared: &[Prepared<H::Incoming>],
    ) -> Result<Admitted, BatchError> {
        let ids: Vec<Uuid> = prepared.iter().map(Prepared::id).collect();
        let progress = match admission {
            Admission::Next(progress) => progress,
            Admission::Again => {
                lock_partitions(tx, records).await?;
                return Ok(store::admit_again(tx, &ids).await?);
            }
            Admission::Released(unsettled) => {
                let now = store::now(tx).await?;
                return Ok(Admitted::released(now, unsettled));
            }
        };
        let admitted = if self.all_new.load(Ordering::Relaxed) {
            match store::admit_new(tx, progress, &ids).await {
                Err(error) if store::is_known(&error) => {
                    store::begin_again(tx).await?;
                    self.admit_some(tx, progress, &ids).await?
                }
                admitted => admitted?,
            }
        } else {
            self.admit_some(tx, progress, &ids).await?
        };
        if usize::try_from(admitted.fenced) != Ok(progress.len()) {
            return Err(BatchError::Fenced);
        }
        Ok(admitted)
    }

    async fn admit_some(
        &self,
        tx: &mut PgConnection,
        progress: &[Progress],
        ids: &[Uuid],
    ) -> Result<Admitted, sqlx::Error> {
        let admitted = store::admit(tx, progress, ids).await?;
        let all_new = admitted.first_seen.len() == ids.len();
        self.all_new.store(all_new, Ordering::Relaxed);
        Ok(admitted)
    }
}

/// No batch of these partitions commits meanwhile.
async fn lock_partitions<I>(
    tx: &mut PgConnection,
    records: &[Arrived<I>],
) -> Result<(), sqlx::Error> {
    let partitions: BTreeSet<_> = records
        .iter()
        .map(|arrived| (arrived.record.topic, arrived.record.partition))
        .collect();
    for (topic, partition) in partitions {
        letters_store::lock_partition(tx, topic, partition).await?;
    }
    Ok(())
}
