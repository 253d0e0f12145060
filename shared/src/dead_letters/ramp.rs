//! Many dead letters at once: a few first, more as long as that goes well.

use sqlx::PgPool;

use super::body::{Failure, Report};
use super::{Letter, Operator, OutOfTurn, Settle, SettleError};

/// The sizes of the first steps; the last one repeats.
const STEPS: [usize; 6] = [1, 2, 5, 20, 100, 500];

/// Settles them in order, in steps that grow, until more fail in a step than in the one before.
pub(super) async fn settle(
    consumer: &dyn OutOfTurn,
    pool: &PgPool,
    letters: &[Letter],
    settle: &Settle,
    operator: &Operator<'_>,
    report: &mut Report,
) -> Result<(), SettleError> {
    let mut connection = pool.acquire().await?;
    let mut left = letters;
    let mut sizes = STEPS
        .into_iter()
        .chain(std::iter::repeat(STEPS[STEPS.len() - 1]));
    let mut failed_before = (0, 1);
    while !left.is_empty() {
        let size = sizes.next().unwrap_or(1).min(left.len());
        let (step, rest) = left.split_at(size);
        left = rest;
        let mut failed = 0;
        for letter in step {
            let settled = consumer.settle(&mut connection, letter.event_id, settle, operator);
            let settled = match settled.await {
                Ok(settled) => settled,
                // Somebody else was faster, or it was parked meanwhile.
                Err(SettleError::Settled(_) | SettleError::Parked(..)) if letters.len() > 1 => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            report.letters += 1;
            report.applied += settled.applied;
            report.parked += settled.parked;
            if matches!(settle, Settle::Discard) {
                report.discarded += 1;
            }
            failed += usize::from(!settled.failed.is_empty());
            report.failed.extend(
                settled
                    .failed
                    .into_iter()
                    .map(|(event_id, reject)| Failure {
                        event_id,
                        code: reject.code.to_owned(),
                        detail: reject.detail,
                    }),
            );
        }
        report.steps.push((size, failed));
        let (failed_then, size_then) = failed_before;
        if failed * size_then > failed_then * size && !left.is_empty() {
            report.stopped = Some(format!(
                "{failed} of {size} failed, more than before: {} were not tried",
                left.len()
            ));
            return Ok(());
        }
        failed_before = (failed, size);
    }
    Ok(())
}
