//! The outside bureau: cards that need its answer are decided when the answer is in.
//!
//! Awaited answers are rows with a due time, so they outlive the process and stop no batch.

use std::time::Duration;

use shared::batch::{Cause, HandlerError, Outgoing};
use shared::rail::Rail;

use crate::domain::review::Case;
use crate::domain::{self, Policy};
use crate::store;

/// What a verdict may be later than the bureau's answer.
const POLL: Duration = Duration::from_millis(500);
/// Keeps one transaction short; a backlog takes several.
const ANSWERS_MAX: i64 = 200;

pub(crate) async fn take_answers(rail: Rail, policy: Policy) -> anyhow::Result<()> {
    loop {
        while take_some(&rail, policy).await? {}
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Whether there may be more.
async fn take_some(rail: &Rail, policy: Policy) -> Result<bool, HandlerError> {
    rail.transact(move |tx, now| {
        Box::pin(async move {
            let due = store::claim_due(tx, now, ANSWERS_MAX).await?;
            if due.is_empty() {
                return Ok((false, Outgoing::none()));
            }
            let mut cases = store::load_cases(&mut *tx, &due).await?;

            let mut outgoing = Outgoing::none();
            for Case {
                judgement,
                transaction,
                ..
            } in &mut cases
            {
                let Some(origin) = judgement.verdict.origin() else {
                    continue;
                };
                let cause = Cause::stored(
                    origin.event_id,
                    judgement.order_id,
                    origin.traceparent.as_deref(),
                );
                let amount_minor = transaction.amount_minor;
                let events =
                    domain::answer(judgement, &transaction.card, amount_minor, policy, now);
                outgoing.add(&cause, events);
            }

            let changed: Vec<_> = cases.iter().map(|case| &case.judgement).collect();
            store::save_judgements(tx, &changed).await?;
            Ok((i64::try_from(due.len()) == Ok(ANSWERS_MAX), outgoing))
        })
    })
    .await
}
