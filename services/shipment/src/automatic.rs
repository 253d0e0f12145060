//! Plays the warehouse's staff: every list takes its next step once it has rested for a while.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::join_all;
use shared::batch::Outgoing;
use sqlx::PgConnection;
use tokio::time::MissedTickBehavior;

use crate::store::{self, Due, Listed};
use crate::warehouse::{Action, Warehouse, Work, fold};

/// As many lists take a step in one transaction, and as many labels are booked at a time.
const LISTS_MAX: usize = 200;
/// Looking more often than this finds nothing new.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(20);
/// Looking less often than this makes short steps of the last one long.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long a list rests in each state.
    pub(crate) step: Duration,
    /// The carrier tells of each delivery twice.
    pub(crate) carrier_repeats: bool,
}

pub(crate) async fn run(warehouse: Warehouse, pace: Pace) -> anyhow::Result<()> {
    // A quarter, so that a step is late by a quarter at most.
    let look_every = (pace.step / 4).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
    let mut look = tokio::time::interval(look_every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stopping = warehouse.rail.stopping().clone();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = look.tick() => {}
        }
        while look_once(&warehouse, pace).await? && !stopping.is_cancelled() {}
    }
}

/// Takes the steps that are due. True when there may be more.
async fn look_once(warehouse: &Warehouse, pace: Pace) -> anyhow::Result<bool> {
    let lease = 2 * warehouse.carrier_timeout;
    let (walked, packed) = warehouse
        .rail
        .transact(move |tx, now| {
            async move {
                let (rested, until) = (now - rest(pace), now + lease);
                let claimed = store::claim_packed(tx, now, rested, until, LISTS_MAX).await?;
                let packed = store::find_lists(&mut *tx, &claimed).await?;
                let (walked, outgoing) = walk(tx, now, pace).await?;
                Ok::<_, sqlx::Error>(((walked, packed), outgoing))
            }
            .boxed()
        })
        .await?;
    let full = [walked, packed.len()].contains(&LISTS_MAX);
    if !packed.is_empty() {
        dispatch(warehouse, packed).await?;
    }
    Ok(full)
}

/// Everything but dispatch.
async fn walk(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    pace: Pace,
) -> Result<(usize, Outgoing), sqlx::Error> {
    let due = store::claim_due(tx, now, now - rest(pace), LISTS_MAX).await?;
    if due.is_empty() {
        return Ok((0, Outgoing::none()));
    }
    let orders = due.iter().map(|due| due.order_id).collect();
    let mut fulfilments = store::load_fulfilments(tx, orders).await?;

    let work: Vec<_> = due.iter().flat_map(|due| next_steps(due, pace)).collect();
    // A list that somebody was faster with is not ready any more, which is what was wanted.
    let (_, outgoing) = fold(&mut fulfilments, &work, now);

    store::save_fulfilments(tx, &fulfilments).await?;

    Ok((due.len(), outgoing))
}

fn next_steps(due: &Due, pace: Pace) -> Vec<Work> {
    let actions = match &*due.state {
        "released" => vec![Action::Pick],
        "picked" => vec![Action::Pack],
        // The carrier's own event, as its endpoint takes it.
        _ if pace.carrier_repeats => vec![Action::Deliver, Action::Deliver],
        _ => vec![Action::Deliver],
    };
    let work = |action| Work {
        order_id: due.order_id,
        list_id: due.list_id,
        action,
    };
    actions.into_iter().map(work).collect()
}

/// Books labels for packed lists, all at a time, and folds what the carrier said.
async fn dispatch(warehouse: &Warehouse, packed: Vec<Listed>) -> anyhow::Result<()> {
    let work = join_all(packed.iter().map(async |listed| Work {
        order_id: listed.order_id,
        list_id: listed.list.id,
        action: warehouse.book(listed).await,
    }))
    .await;
    warehouse.take(work).await?;
    Ok(())
}

fn rest(pace: Pace) -> TimeDelta {
    TimeDelta::from_std(pace.step).expect("the setting is an hour at most")
}
