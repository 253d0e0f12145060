//! Ours: the order service as a process, and customers who each wait for their answer before they
//! order again.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use shared::event::new_id;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::SERVICE;
use super::request::Counter;
use crate::bench::machine::Cpu;
use crate::bench::parts::{Parts, patient};
use crate::bench::rounds::{Latency, Measured};
use crate::dev_keys;

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
    let program = parts.service(SERVICE, url, namespace)?;
    let flushes = parts.flushes().await?;
    // Nobody answers for these orders.
    parts.start_service(patient(program)).await?;
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

/// `orders` over HTTP, from so many clients at once. What the service promised is returned, too.
pub(in crate::bench) async fn drive(
    parts: &Parts,
    orders: u32,
    clients: u32,
) -> anyhow::Result<(Measured, HashSet<Uuid>)> {
    let counters = counters(parts, clients).await?;
    let tokens = Arc::new(Mutex::new(tokens(parts, orders)?));
    let cpu = Cpu::now(parts.dir())?;
    let begun = Instant::now();
    let mut shopping = JoinSet::new();
    for counter in counters {
        shopping.spawn(shop(counter, Arc::clone(&tokens)));
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

/// Connections to order on.
pub(in crate::bench) async fn counters(
    parts: &Parts,
    clients: u32,
) -> anyhow::Result<Vec<Counter>> {
    let address = parts.api(SERVICE).context("order has an API")?;
    let mut counters = Vec::new();
    for _ in 0..clients {
        counters.push(Counter::connect(&address).await?);
    }
    Ok(counters)
}

/// Of as many customers as there are orders: one who ordered a thousand times within a minute would
/// be looked at by people.
pub(in crate::bench) fn tokens(parts: &Parts, orders: u32) -> anyhow::Result<Vec<String>> {
    let token = |_| dev_keys::token(parts.dir(), &format!("customer-{}", new_id()), "", 3600);
    (0..orders).map(token).collect()
}

/// Until every customer has ordered.
async fn shop(
    mut counter: Counter,
    tokens: Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<Vec<(Uuid, Duration)>> {
    let mut placed = Vec::new();
    let next = || tokens.lock().expect("no holder panics").pop();
    while let Some(token) = next() {
        let before = Instant::now();
        placed.push((counter.place(&token).await?, before.elapsed()));
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
