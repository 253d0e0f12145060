//! Carries the plan out, and writes down what was done, and when it was seen to strike.

use std::time::{Duration, Instant};

use anyhow::bail;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde::Serialize;
use shared::clock::process_now;

use super::arena::Arena;
use super::faults::{self, Seen};
use super::plan::{Fault, Planned};
use crate::services;

/// Longer than any fault with all that it waits for; one that takes longer has gone wrong.
const OVER_WITHIN: Duration = Duration::from_secs(180);

/// What else is wrong at that moment may keep a fault from being seen.
const TRIES: u32 = 3;

/// One line of the fault log.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Struck {
    pub(super) number: usize,
    pub(super) planned_ms: u64,
    #[serde(flatten)]
    pub(super) fault: Fault,
    pub(super) began_at: DateTime<Utc>,
    pub(super) took_ms: u64,
    /// By what it was seen to strike, or why it was not.
    pub(super) evidence: String,
    pub(super) seen: bool,
    pub(super) kills: u64,
    pub(super) kills_in_flight: u64,
    pub(super) rebalances_in_flight: u64,
    pub(super) delivered_again: u64,
    #[serde(skip)]
    pub(super) window: (Instant, Instant),
}

/// Everything in time, unless its target is still busy with what struck it before.
pub(super) async fn fire(arena: &Arena, plan: &[Planned]) -> Vec<Struck> {
    let begun = tokio::time::Instant::now();
    let striking = plan.iter().enumerate().map(async |(number, planned)| {
        tokio::time::sleep_until(begun + Duration::from_millis(planned.at_ms)).await;
        strike(arena, number + 1, planned.clone()).await
    });
    join_all(striking).await
}

async fn strike_once(arena: &Arena, fault: &Fault) -> anyhow::Result<Seen> {
    let striking = tokio::time::timeout(OVER_WITHIN, faults::strike(arena, fault));
    striking
        .await
        .unwrap_or_else(|_| bail!("not over after {} s", OVER_WITHIN.as_secs()))
}

async fn strike(arena: &Arena, number: usize, planned: Planned) -> Struck {
    let Planned { at_ms, fault } = planned;
    let targets = match &fault {
        Fault::Roll => services::NAMES.to_vec(),
        fault => vec![fault.target()],
    };
    let turn = arena.turn(&targets).await;
    let (began_at, since) = (process_now(), Instant::now());
    let mut struck = strike_once(arena, &fault).await;
    for _ in 1..TRIES {
        let Err(error) = &struck else {
            break;
        };
        let what = format!("{number}: {fault}: tried again, for it was not seen: {error:#}");
        arena.progress.say("fault", what);
        struck = strike_once(arena, &fault).await;
    }
    drop(turn);
    let took = since.elapsed();
    let (seen, what) = match struck {
        Ok(seen) => (true, seen),
        Err(error) => {
            let evidence = format!("{error:#}");
            (
                false,
                Seen {
                    evidence,
                    ..Seen::default()
                },
            )
        }
    };
    let mark = if seen { "" } else { "NOT SEEN: " };
    arena.progress.say(
        "fault",
        format!(
            "{number}: {fault}: {mark}{} ({:.1} s)",
            what.evidence,
            took.as_secs_f32()
        ),
    );
    Struck {
        number,
        planned_ms: at_ms,
        fault,
        began_at,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        evidence: what.evidence,
        seen,
        kills: what.kills,
        kills_in_flight: what.kills_in_flight,
        rebalances_in_flight: what.rebalances_in_flight,
        delivered_again: what.delivered_again,
        window: (since, Instant::now()),
    }
}
