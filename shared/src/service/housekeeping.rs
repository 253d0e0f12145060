//! What has to be done now and then: tables' parts made and dropped, and waiting work counted.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics;
use crate::{dead_letters, outbox};

/// A missed day stops nothing. Each day is one more place for the relay to look.
const PARTITION_DAYS_AHEAD: i32 = 2;
/// What the outbox can publish again.
const OUTBOX_DAYS: i32 = 7;
/// Longer than the topics keep records (7 days), so nothing that can return acts twice.
pub(super) const INBOX_DAYS: i32 = 9;
/// How long it can be seen what became of a dead letter.
const SETTLED_LETTERS_DAYS: i32 = 90;
const MAINTAIN_EVERY: Duration = Duration::from_secs(3600);
const OBSERVE_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn maintain_partitions(pool: &PgPool) -> Result<(), sqlx::Error> {
    outbox::maintain_partitions(pool, PARTITION_DAYS_AHEAD, OUTBOX_DAYS, INBOX_DAYS).await
}

pub(super) async fn keep_house(
    service: &'static str,
    pool: PgPool,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut maintain = tokio::time::interval(MAINTAIN_EVERY);
    let mut observe = tokio::time::interval(OBSERVE_EVERY);
    loop {
        tokio::select! {
            _ = maintain.tick() => {
                if let Err(error) = maintain_partitions(&pool).await {
                    tracing::warn!(error = %error, "Partitions were not maintained: {error}");
                }
                let forgotten = dead_letters::store::forget(&pool, SETTLED_LETTERS_DAYS).await;
                if let Err(error) = forgotten {
                    tracing::warn!(error = %error, "Old dead letters were not removed: {error}");
                }
            }
            _ = observe.tick() => {
                if let Ok(pending) = outbox::pending(&pool).await {
                    let age = pending.oldest.map_or(0.0, |oldest| {
                        (crate::clock::process_now() - oldest).as_seconds_f64()
                    });
                    metrics::outbox(service, pending.rows, age.max(0.0));
                }
                if let Ok((open, parked)) = dead_letters::store::waiting(&pool).await {
                    metrics::dead_letters_waiting(service, open, parked);
                }
            }
            () = stopping.cancelled() => return Ok(()),
        }
    }
}
