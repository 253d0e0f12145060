//! Whether a run has seen enough to say anything: one that broke little proves little.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use serde::Serialize;
use shared::crash;
use sqlx::Connection;
use uuid::Uuid;

use super::arena::Arena;
use super::fire::Struck;
use super::load::{Call, Load};
use super::plan::Fault;
use super::profile::Minimums;
use super::tally::Tally;

/// How an order can end.
const ENDS: [&str; 6] = [
    "completed",
    "cancelled: CARRIER",
    "cancelled: CUSTOMER",
    "cancelled: DEADLINE",
    "cancelled: FRAUD",
    "cancelled: OUT_OF_STOCK",
];

/// What was counted.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    pub(super) orders: u64,
    pub(super) calls: u64,
    pub(super) calls_outside: u64,
    pub(super) acked_outside: u64,
    pub(super) kills: u64,
    pub(super) kills_in_flight: u64,
    pub(super) hits: BTreeMap<&'static str, u64>,
    pub(super) delivered: u64,
    pub(super) duplicates: u64,
    pub(super) dead_letters: u64,
    pub(super) rebalances_in_flight: u64,
    pub(super) ends: BTreeMap<String, u64>,
    pub(super) late_replies: u64,
    pub(super) early_compensations: u64,
    pub(super) republished: u64,
    pub(super) poison: u64,
    pub(super) last_calls_failed: Vec<String>,
    pub(super) faults: u64,
    pub(super) faults_unseen: Vec<String>,
}

/// What others have counted.
pub(super) struct Told {
    pub(super) tally: Tally,
    pub(super) republished: u64,
    pub(super) poison: u64,
    pub(super) last_calls_failed: Vec<String>,
}

/// One minimum, and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) seen: u64,
    pub(super) at_least: u64,
}

impl Check {
    pub(super) fn ok(&self) -> bool {
        self.seen >= self.at_least
    }
}

impl Found {
    pub(super) async fn gather(
        arena: &Arena,
        load: &Load,
        struck: &[Struck],
        told: Told,
    ) -> anyhow::Result<Self> {
        let windows: Vec<_> = struck
            .iter()
            .filter(|struck| struck.fault.stops_intake())
            .map(|struck| struck.window)
            .collect();
        let calls = load.calls();
        let outside: Vec<_> = calls
            .iter()
            .filter(|call| is_outside(call, &windows))
            .collect();
        let acked_outside = outside.iter().filter(|call| call.acked).count() as u64;
        let (orders, ends) = ends(arena).await?;
        let sum = |of: fn(&Struck) -> u64| struck.iter().map(of).sum();
        Ok(Self {
            orders,
            calls: calls.len() as u64,
            calls_outside: outside.len() as u64,
            acked_outside,
            kills: sum(|struck| struck.kills),
            kills_in_flight: sum(|struck| struck.kills_in_flight),
            hits: hits(struck),
            delivered: told.tally.delivered,
            duplicates: told.tally.duplicates,
            dead_letters: told.tally.dead_letters,
            rebalances_in_flight: sum(|struck| struck.rebalances_in_flight),
            ends,
            late_replies: late_replies(arena).await?,
            early_compensations: early_compensations(arena).await?,
            republished: told.republished,
            poison: told.poison,
            last_calls_failed: told.last_calls_failed,
            faults: struck.len() as u64,
            faults_unseen: struck
                .iter()
                .filter(|struck| !struck.seen)
                .map(|struck| format!("{}: {}: {}", struck.number, struck.fault, struck.evidence))
                .collect(),
        })
    }
}

pub(super) fn check(found: &Found, minimums: &Minimums) -> Vec<Check> {
    let least = |what: &str, seen, at_least| Check {
        what: what.to_owned(),
        seen,
        at_least,
    };
    let mut checks = vec![
        least("orders", found.orders, minimums.orders),
        least(
            "calls acked outside of fault windows, in percent",
            percent(found.acked_outside, found.calls_outside),
            minimums.acked_percent,
        ),
        least("kills", found.kills, minimums.kills),
        least(
            "kills with work in flight, in percent",
            percent(found.kills_in_flight, found.kills),
            minimums.kills_in_flight_percent,
        ),
        least("true duplicates", found.duplicates, minimums.duplicates),
        least(
            "deliveries that were true duplicates, in percent",
            percent(found.duplicates, found.delivered),
            minimums.duplicates_percent,
        ),
        least(
            "partitions taken over with a batch in flight",
            found.rebalances_in_flight,
            minimums.rebalances_in_flight,
        ),
        least(
            "replies after their deadline",
            found.late_replies,
            minimums.late_replies,
        ),
        least(
            "compensations before their action",
            found.early_compensations,
            minimums.early_compensations,
        ),
        least("poison records", found.poison, minimums.poison),
        least(
            "faults seen to strike",
            found.faults - found.faults_unseen.len() as u64,
            found.faults,
        ),
    ];
    checks.extend(
        found.hits.iter().map(|(point, hits)| {
            least(&format!("kills at {point}"), *hits, minimums.hits_per_point)
        }),
    );
    checks.extend(ENDS.iter().map(|end| {
        let seen = found.ends.get(*end).copied().unwrap_or_default();
        least(&format!("orders {end}"), seen, minimums.of_each_end)
    }));
    checks
}

fn percent(part: u64, whole: u64) -> u64 {
    (100 * part).checked_div(whole).unwrap_or_default()
}

fn is_outside(call: &Call, windows: &[(Instant, Instant)]) -> bool {
    windows
        .iter()
        .all(|(begun, over)| call.ended < *begun || call.begun > *over)
}

fn hits(struck: &[Struck]) -> BTreeMap<&'static str, u64> {
    let mut hits: BTreeMap<_, _> = crash::POINTS.map(|point| (point, 0)).into();
    for struck in struck.iter().filter(|struck| struck.seen) {
        if let Fault::Crash { point, .. } = struck.fault {
            *hits.entry(point).or_default() += 1;
        }
    }
    hits
}

async fn ends(arena: &Arena) -> anyhow::Result<(u64, BTreeMap<String, u64>)> {
    let mut connection = arena.member("order")?.connect().await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT CASE state WHEN 'cancelled' THEN 'cancelled: ' || cancel_reason ELSE state END,
                count(*)
         FROM sagas GROUP BY 1",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let ends: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(end, orders)| (end, orders.unsigned_abs()))
        .collect();
    Ok((ends.values().sum(), ends))
}

/// Orders about which something was decided because nothing came, and then it came.
async fn late_replies(arena: &Arena) -> anyhow::Result<u64> {
    let mut connection = arena.member("order")?.connect().await?;
    let orders: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT d.order_id)
         FROM order_timeline AS d
         JOIN order_timeline AS r ON r.order_id = d.order_id AND r.id > d.id
         WHERE d.type = 'Deadline'
           AND (d.what LIKE 'no verdict%' AND r.type LIKE 'Transaction%'
                OR d.what LIKE 'stock could not%' AND r.type LIKE 'Stock%')",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(orders.unsigned_abs())
}

/// Orders whose cancellation shipment saw before the reservation that it was to undo: there are no
/// lists of it, although inventory had reserved its goods.
async fn early_compensations(arena: &Arena) -> anyhow::Result<u64> {
    let mut connection = arena.member("shipment")?.connect().await?;
    let nothing_drafted: Vec<Uuid> = sqlx::query_scalar(
        "SELECT order_id FROM fulfilments AS f
         WHERE cancelled_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM picking_lists AS l WHERE l.order_id = f.order_id)",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let mut connection = arena.member("inventory")?.connect().await?;
    let reserved: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT order_id FROM reservations WHERE order_id = ANY($1)")
            .bind(nothing_drafted)
            .fetch_all(&mut connection)
            .await?;
    connection.close().await?;
    Ok(reserved.into_iter().collect::<HashSet<_>>().len() as u64)
}
