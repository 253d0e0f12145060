//! Ours: five services as processes, and customers who each wait for their answer before they
//! order again.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::bail;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Load;
use super::world::World;
use crate::bench::intake::drive;
use crate::bench::machine::Cpu;
use crate::bench::parts::{Parts, patient};
use crate::bench::rounds::Measured;
use crate::local::Progress;
use crate::services;
use crate::verify::{self, Source};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const STANDS_STILL_MAX: Duration = Duration::from_secs(60);
/// A warehouse that works by itself takes no time of people.
const WAREHOUSE_STEP_MS: &str = "50";

/// Orders that are not decided yet, and those that have not ended.
const UNDECIDED: &str = "SELECT count(*) FROM sagas WHERE state = 'pending'";
const UNENDED: &str = "SELECT count(*) FROM sagas WHERE state NOT IN ('completed', 'cancelled')";
const UNSENT: &str = "SELECT count(*) FROM notifications WHERE state = 'pending'";

pub(super) struct Stage<'a> {
    pub(super) parts: &'a Parts,
    pub(super) world: &'a World,
}

impl Stage<'_> {
    pub(super) async fn run(&self, load: &Load) -> anyhow::Result<(Measured, HashSet<Uuid>)> {
        self.start().await?;
        let flushes = self.parts.flushes().await?;
        let wal = self.parts.wal_bytes().await?;
        let commits = self.parts.commits().await?;
        let begun = Instant::now();
        let cpu = Cpu::now(self.parts.dir())?;
        let (placed, accepted) = drive(self.parts, load.orders, load.clients).await?;
        self.until_none("order", UNDECIDED).await?;
        let decided = begun.elapsed();
        self.until_ended().await?;
        let took = begun.elapsed();
        let cpu = Cpu::now(self.parts.dir())?.since(&cpu);
        let orders = f64::from(load.orders);
        let flushes = (self.parts.flushes().await? - flushes).max(1) as f64;
        let wal = (self.parts.wal_bytes().await? - wal) as f64;
        let commits = (self.parts.commits().await? - commits) as f64;
        let details = BTreeMap::from([
            ("decided_per_s", orders / decided.as_secs_f64()),
            ("flushes_per_order", flushes / orders),
            ("wal_bytes_per_order", wal / orders),
            ("transactions_per_order", commits / orders),
            ("events_per_order", self.events().await? / orders),
        ]);
        let measured = Measured {
            latency: placed.latency,
            details,
            ..Measured::new(accepted.len() as u64, took, cpu)
        };
        Ok((measured, accepted))
    }

    /// Of all services together.
    pub(super) async fn memory_mb(&self) -> anyhow::Result<f64> {
        let mut memory_mb = 0.0;
        for service in services::NAMES {
            memory_mb += self.parts.memory_mb(service).await?;
        }
        Ok(memory_mb)
    }

    /// Of all services together.
    async fn events(&self) -> anyhow::Result<f64> {
        let mut events = 0.0;
        for url in self.world.databases.values() {
            let mut connection = PgConnection::connect(url).await?;
            let of_service: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
            events += of_service as f64;
        }
        Ok(events)
    }

    pub(super) async fn start(&self) -> anyhow::Result<()> {
        for service in services::NAMES {
            self.start_one(service).await?;
        }
        Ok(())
    }

    /// Returns when it is ready.
    pub(super) async fn start_one(&self, service: &str) -> anyhow::Result<()> {
        let World {
            databases,
            namespace,
            ..
        } = self.world;
        let program = self
            .parts
            .service(service, &databases[service], namespace)?
            .env("WAREHOUSE_STEP_MS", WAREHOUSE_STEP_MS);
        self.parts.start_service(patient(program)).await
    }

    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        for service in services::NAMES {
            self.parts.stop_service(service).await?;
        }
        Ok(())
    }

    /// Every order, and every mail about one.
    pub(super) async fn until_ended(&self) -> anyhow::Result<()> {
        self.until_none("order", UNENDED).await?;
        self.until_none("notification", UNSENT).await
    }

    async fn until_none(&self, service: &str, question: &'static str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.world.databases[service]).await?;
        let mut last = (i64::MAX, Instant::now());
        loop {
            let left: i64 = sqlx::query_scalar(question)
                .fetch_one(&mut connection)
                .await?;
            if left == 0 {
                return Ok(connection.close().await?);
            }
            if left != last.0 {
                last = (left, Instant::now());
            }
            if last.1.elapsed() > STANDS_STILL_MAX {
                bail!("{service} stands still with {left} left: {question}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// All laws, and that just the accepted orders are there. The services go on meanwhile: who
    /// hears of the last mails has still to do so.
    pub(super) async fn judge(
        &self,
        accepted: &HashSet<Uuid>,
        progress: &Progress,
    ) -> anyhow::Result<Vec<String>> {
        let source = Source {
            namespace: self.world.namespace.clone(),
            databases: self.world.databases.clone(),
            jaeger: None,
            ..self.parts.source()
        };
        let report = verify::verify(&source, progress).await?;
        let mut wrong: Vec<String> = report
            .broken()
            .iter()
            .map(|law| format!("law {law} is broken"))
            .collect();
        let mut connection = PgConnection::connect(&self.world.databases["order"]).await?;
        let known: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM orders")
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        if known.len() != accepted.len() || !known.iter().all(|id| accepted.contains(id)) {
            let (known, accepted) = (known.len(), accepted.len());
            wrong.push(format!("{known} orders for {accepted} accepted ones"));
        }
        Ok(wrong)
    }
}
