//! Processing out of turn: what an operator releases from the dead letters.

use std::collections::HashSet;
use std::time::Instant;

use futures::future::BoxFuture;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Admission, BatchError, Frame, Outcome, Tried, Verdicts, decode};
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::EventHandler;
use crate::dead_letters::store::{self, AuditEntry};
use crate::dead_letters::{
    Letter, Operator, OutOfTurn, Replayed, Settle, SettleError, Settled, State, Window,
};

impl<H: EventHandler> OutOfTurn for Frame<H> {
    fn settle<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        event_id: Uuid,
        settle: &'a Settle,
        operator: &'a Operator<'a>,
    ) -> BoxFuture<'a, Result<Settled, SettleError>> {
        Box::pin(self.settle_one(connection, event_id, settle, operator))
    }

    fn replay<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        window: &'a Window,
        operator: &'a Operator<'a>,
    ) -> BoxFuture<'a, anyhow::Result<Replayed>> {
        Box::pin(self.replay_window(connection, window, operator))
    }
}

impl<H: EventHandler> Frame<H> {
    /// Settles one dead letter, and processes what was parked behind it, in order, in one
    /// transaction; a dry run tries everything and keeps nothing.
    async fn settle_one(
        &self,
        connection: &mut PgConnection,
        event_id: Uuid,
        settle: &Settle,
        operator: &Operator<'_>,
    ) -> Result<Settled, SettleError> {
        let begun = Instant::now();
        let mut verdicts = Verdicts::new();
        loop {
            let mut tx = connection.begin().await?;
            let letters = unsettled(&mut tx, event_id).await?;
            let mut ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
            let mut letters = letters.into_iter();
            let mut records = Vec::with_capacity(ids.len());
            match (settle, letters.next()) {
                (Settle::Discard, Some(discarded)) => {
                    store::settle(&mut tx, &[discarded.id], State::Discarded).await?;
                    ids.remove(0);
                }
                (Settle::Replay { value }, Some(first)) => {
                    if let Some(value) = value {
                        store::edit(&mut tx, event_id, value).await?;
                    }
                    let edited = value.clone().or_else(|| first.edited_value.clone());
                    records.push(self.record(first, edited)?);
                }
                (_, None) => {}
            }
            for parked in letters {
                records.push(self.record(parked, None)?);
            }
            decode::learn(&self.codec, &records)
                .await
                .map_err(SettleError::Failed)?;
            let released: HashSet<Uuid> = store::settle(&mut tx, &ids, State::Replayed)
                .await?
                .into_iter()
                .collect();
            let prepared = self.prepare(&mut records, &verdicts);
            let admission = Admission::Released(&released);
            let tried = self
                .in_transaction(&mut tx, &records, admission, prepared)
                .await
                .map_err(failed)?;
            match tried {
                Tried::Overtaken(rejects) => {
                    tx.rollback().await?;
                    verdicts.extend(rejects);
                }
                Tried::Done(mut outcome) => {
                    let settled = summary(&outcome);
                    let entry = AuditEntry {
                        action: settle.name(),
                        target: &event_id.to_string(),
                        result: &settled.to_string(),
                    };
                    store::audit(&mut tx, operator, &entry).await?;
                    if operator.dry_run {
                        tx.rollback().await?;
                    } else {
                        tx.commit().await?;
                        self.told(records.len(), &mut outcome, begun);
                    }
                    return Ok(settled);
                }
            }
        }
    }

    fn record(
        &self,
        letter: Letter,
        edited: Option<Vec<u8>>,
    ) -> Result<Arrived<H::Incoming>, SettleError> {
        let topics = self.consumes.topics();
        let topic = topics.iter().find(|topic| topic.0 == letter.topic);
        let topic = topic.ok_or_else(|| {
            SettleError::Failed(anyhow::anyhow!(
                "{} does not read {} any more",
                self.service,
                letter.topic
            ))
        })?;
        let (key, headers) = letter.headers.split_raw_key();
        let record = Record {
            topic: topic.0,
            partition: letter.partition,
            offset: letter.offset,
            key,
            value: edited.or(letter.value),
            headers,
            published_at: letter.published_at,
            received_at: crate::clock::process_now(),
        };
        Ok(record.into())
    }
}

/// The dead letter and what is parked behind it, while no batch of its partition can commit.
async fn unsettled(tx: &mut PgConnection, event_id: Uuid) -> Result<Vec<Letter>, SettleError> {
    let letter = store::find(&mut *tx, event_id)
        .await?
        .ok_or(SettleError::Unknown(event_id))?;
    store::lock_partition(tx, &letter.topic, letter.partition).await?;
    // Once more, now that nobody else can settle it.
    let letter = store::find(&mut *tx, event_id)
        .await?
        .ok_or(SettleError::Unknown(event_id))?;
    if !matches!(letter.state, State::Open | State::Parked) {
        return Err(SettleError::Settled(event_id));
    }
    let Some(key) = &letter.key else {
        return Ok(vec![letter]);
    };
    let letters = store::unsettled(tx, &letter.topic, key).await?;
    match letters.first() {
        Some(first) if first.event_id != event_id => {
            Err(SettleError::Parked(event_id, first.event_id))
        }
        _ => Ok(letters),
    }
}

fn failed(error: BatchError) -> SettleError {
    SettleError::Failed(error.into())
}

fn summary(outcome: &Outcome) -> Settled {
    Settled {
        applied: outcome.applied,
        parked: outcome.parked.len() as u64,
        failed: outcome
            .failed
            .iter()
            .map(|(_, id, reject)| (*id, reject.clone()))
            .collect(),
    }
}
