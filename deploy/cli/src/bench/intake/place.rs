//! Ours: the order service as a process, and customers who each wait for their answer before they
//! order again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::SERVICE;
use super::request::Customer;
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::{Latency, Measured};
use crate::dev_keys;

/// Nobody answers for these orders, and the saga shall not act on that while the clock runs.
const DEADLINES: [&str; 2] = ["VERDICT_DEADLINE_MS", "STOCK_DEADLINE_MS"];
const DEADLINE_MS: &str = "3600000";

pub(super) struct Placed {
    pub(super) measured: Measured,
    pub(super) accepted: HashSet<Uuid>,
    pub(super) orders_per_commit: u32,
}

pub(super) async fn run(
    parts: &Parts,
    namespace: &str,
    url: &str,
    orders: u32,
    clients: u32,
) -> anyhow::Result<Placed> {
    let mut program = parts.service(SERVICE, url, namespace)?;
    for deadline in DEADLINES {
        program = program.env(deadline, DEADLINE_MS);
    }
    let flushes = parts.flushes().await?;
    parts.start_service(program).await?;
    let (mut measured, accepted) = drive(parts, orders, clients).await?;
    // Postgres counts what a session did when it ends, or a while later.
    parts.stop_service(SERVICE).await?;
    let flushes = parts.flushes().await? - flushes;
    let commits = commits(url).await?;
    let per_commit = f64::from(orders) / commits.max(1) as f64;
    measured.details.insert(
        "orders_per_flush",
        f64::from(orders) / flushes.max(1) as f64,
    );
    measured.details.insert("orders_per_commit", per_commit);
    Ok(Placed {
        measured,
        accepted,
        orders_per_commit: per_commit.round().max(1.0) as u32,
    })
}

async fn drive(
    parts: &Parts,
    orders: u32,
    clients: u32,
) -> anyhow::Result<(Measured, HashSet<Uuid>)> {
    let address = parts.api(SERVICE).context("order has an API")?;
    let mut customers = Vec::new();
    for client in 0..clients {
        let token = dev_keys::token(parts.dir(), &format!("customer-{client}"), "", 3600)?;
        customers.push(Customer::connect(&address, &token).await?);
    }
    let left = Arc::new(AtomicU32::new(orders));
    let cpu = Cpu::now(parts.dir())?;
    let begun = Instant::now();
    let mut shopping = JoinSet::new();
    for customer in customers {
        shopping.spawn(shop(customer, Arc::clone(&left)));
    }
    let mut placed = Vec::with_capacity(orders as usize);
    while let Some(bought) = shopping.join_next().await {
        placed.extend(bought??);
    }
    let took = begun.elapsed();
    let cpu = Cpu::now(parts.dir())?.since(&cpu);
    let (accepted, times): (HashSet<Uuid>, Vec<Duration>) = placed.into_iter().unzip();
    let measured = Measured {
        units: u64::from(orders),
        took,
        cpu,
        latency: Some(Latency::of(times)),
        details: BTreeMap::new(),
        wrong: Vec::new(),
    };
    Ok((measured, accepted))
}

/// Until so many orders are placed by all together.
async fn shop(
    mut customer: Customer,
    left: Arc<AtomicU32>,
) -> anyhow::Result<Vec<(Uuid, Duration)>> {
    let mut placed = Vec::new();
    let take = |left: u32| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let before = Instant::now();
        placed.push((customer.place().await?, before.elapsed()));
    }
    Ok(placed)
}

/// Transactions that placed orders.
async fn commits(url: &str) -> anyhow::Result<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let commits =
        sqlx::query_scalar("SELECT count(DISTINCT tx_id) FROM outbox WHERE type = 'OrderPlaced'")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    Ok(commits)
}
