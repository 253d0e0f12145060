//! The clock's door: deadlines that pass, and keys whose promise has ended.
//!
//! Deadlines are rows, so none is lost in a crash, and any instance may act on any of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use shared::batch::{Cause, HandlerError, Outgoing};
use shared::crash;
use shared::event::new_id;
use shared::rail::Rail;
use shared::telemetry::{current_span_context, propagation};
use sqlx::PgConnection;
use tokio::time::MissedTickBehavior;
use tracing::{info, info_span, warn};
use uuid::Uuid;

use crate::domain::progress::{Origin, Progress};
use crate::domain::state::Due;
use crate::domain::timeline::Entry;
use crate::saga::Rules;
use crate::store;
use crate::watch::Watch;

/// Deadlines are seconds and more; half of one late is in time. It asks a small index.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// As many as a batch from Kafka would be at ease with.
const SWEEP_ORDERS_MAX: usize = 500;
/// A key is remembered for longer than anybody retries.
const KEY_KEPT: TimeDelta = TimeDelta::hours(24);
const EXPIRE_EVERY: Duration = Duration::from_secs(10 * 60);

/// Acts on deadlines until the service stops.
pub(crate) async fn keep_deadlines(
    rail: Rail,
    rules: Arc<Rules>,
    watch: Watch,
) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            _ = look.tick() => {}
        }
        while sweep(&rail, &rules, &watch).await? == SWEEP_ORDERS_MAX {}
    }
}

/// Forgets old keys until the service stops.
pub(crate) async fn expire_keys(rail: Rail) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(EXPIRE_EVERY);
    loop {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            _ = look.tick() => {}
        }
        let expired = rail
            .transact(|tx, now| {
                async move {
                    let expired = store::orders::expire_keys(tx, now - KEY_KEPT).await?;
                    Ok::<_, HandlerError>((expired, Outgoing::none()))
                }
                .boxed()
            })
            .await?;
        if expired > 0 {
            info!(
                expired,
                "Forgot {expired} idempotency keys that were older than a day"
            );
        }
    }
}

async fn sweep(rail: &Rail, rules: &Arc<Rules>, watch: &Watch) -> Result<usize, HandlerError> {
    let decided = rail
        .transact(|tx, now| {
            let rules = Arc::clone(rules);
            async move { act_on_due(tx, now, &rules).await }.boxed()
        })
        .await?;
    for (entry, due) in &decided {
        let (order_id, what) = (entry.order_id, &entry.what);
        if *due == Due::Acks {
            warn!(order.id = %order_id, "Order {order_id}: {what}");
        } else {
            info!(order.id = %order_id, "Order {order_id}: {what}");
        }
    }
    watch.changed(decided.iter().map(|(entry, _)| entry.order_id));
    Ok(decided.len())
}

/// Load, decide, save, enqueue.
async fn act_on_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    rules: &Rules,
) -> Result<(Vec<(Entry, Due)>, Outgoing), HandlerError> {
    let limit = i64::try_from(SWEEP_ORDERS_MAX).expect("a sweep is small");
    let (sagas, traces): (Vec<_>, Vec<_>) = store::sagas::load_due(tx, now, limit)
        .await?
        .into_iter()
        .unzip();
    let orders: Vec<_> = sagas
        .iter()
        .zip(traces)
        .filter_map(|(saga, trace)| Some((saga.order_id, saga.deadline?.due, trace)))
        .collect();
    let mut progress = Progress::new(sagas, now);

    let mut outgoing = Outgoing::none();
    for (order_id, due, traceparent) in &orders {
        crash::point("saga.claimed");
        let cause = cause(*order_id, *due, traceparent.as_deref());
        let Ok(events) = progress.advance(*order_id, Origin::cause("Deadline", &cause), |saga| {
            Ok::<_, Infallible>(saga.fall_due(now, rules))
        });
        outgoing.add(&cause, events.unwrap_or_default());
    }

    store::save(tx, &progress).await?;

    let dues = orders.iter().map(|(_, due, _)| *due);
    let decided = progress.entries().iter().cloned().zip(dues).collect();
    Ok((decided, outgoing))
}

/// A span in the order's own trace, so that the trace shows why something happened by itself.
fn cause(order_id: Uuid, due: Due, traceparent: Option<&str>) -> Cause {
    let stored = Cause::stored(new_id(), order_id, traceparent);
    if !stored.span.is_valid() {
        return stored;
    }
    let span = info_span!(
        "deadline",
        otel.name = format!("deadline {}", due.as_str()),
        order.id = %order_id,
    );
    propagation::continue_trace(&span, &stored.span);
    let context = span.in_scope(current_span_context);
    if context.is_valid() {
        Cause {
            span: context,
            ..stored
        }
    } else {
        stored
    }
}
