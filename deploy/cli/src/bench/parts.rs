//! A stack of the run's own, which ends with it and leaves nothing behind.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use rdkafka::ClientConfig;
use serde_json::json;
use shared::clock::process_now;
use shared::kafka::admin::{create_topics, delete_topics};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::client::Client;
use crate::init::Init;
use crate::local::program::{Kind, Program};
use crate::local::{self, Health, Layout, Part, Progress, Tuning, databases, ports};
use crate::services;
use crate::verify::Source;

const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
const LONGER_THAN_ANY_RUN: TimeDelta = TimeDelta::hours(12);

pub(super) struct Parts {
    stack: local::Stack,
    // Dropped after the stack, whose data it deletes.
    wipe: Wipe,
}

struct Wipe(Layout);

impl Drop for Wipe {
    fn drop(&mut self) {
        // Nobody is left to be told; it lies in the system's temporary folder. The keys are in it,
        // too, which other stacks keep.
        drop(self.0.wipe());
        drop(std::fs::remove_dir_all(&self.0.dir));
    }
}

impl Parts {
    /// With Jaeger, which takes long to build the first time, where somebody sends traces.
    pub(super) async fn start(with_jaeger: bool, progress: &Progress) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("ticketrail-bench-{}", std::process::id()));
        let mut layout = Layout::new(dir, ports::find_free_offset()?)?;
        layout.tuning = Tuning::Bench;
        let wipe = Wipe(layout.clone());
        let mut wanted = vec![Part::Postgres, Part::Kafka, Part::Registry, Part::Mail];
        if with_jaeger {
            wanted.push(Part::Jaeger);
        }
        let stack = local::start(&layout, &wanted, progress).await?;
        Init::of(&layout).apply(progress).await?;
        Ok(Self { stack, wipe })
    }

    pub(super) async fn end(self) -> anyhow::Result<()> {
        Ok(self.stack.shutdown().await?)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.layout().dir
    }

    fn layout(&self) -> &Layout {
        &self.wipe.0
    }

    pub(super) fn kafka(&self) -> ClientConfig {
        Init::of(self.layout()).kafka()
    }

    pub(super) fn registry(&self) -> String {
        self.layout().endpoints().registry
    }

    /// Of a service's API.
    pub(super) fn api(&self, service: &str) -> Option<String> {
        let ports = self.layout().ports().service(service)?;
        Some(format!("127.0.0.1:{}", ports.api))
    }

    /// A copy of a service's tables as they are before the first event, with the same owner.
    pub(super) async fn fresh_database(&self, service: &str, name: &str) -> anyhow::Result<String> {
        self.copy_database(service, &owner(service), name).await
    }

    /// One without tables, of the same owner as a service's.
    pub(super) async fn empty_database(&self, service: &str, name: &str) -> anyhow::Result<String> {
        self.create_database(service, name, "").await
    }

    /// A copy of any of the databases of this run, which nobody may be using.
    pub(super) async fn copy_database(
        &self,
        service: &str,
        from: &str,
        name: &str,
    ) -> anyhow::Result<String> {
        let how = format!("TEMPLATE {from} STRATEGY FILE_COPY");
        self.create_database(service, name, &how).await
    }

    async fn create_database(
        &self,
        service: &str,
        name: &str,
        how: &str,
    ) -> anyhow::Result<String> {
        let owner = owner(service);
        self.drop_database(name).await?;
        self.administer(format!("CREATE DATABASE {name} OWNER {owner} {how}"))
            .await?;
        let url = databases::url(self.layout().ports().postgres, &owner);
        Ok(url.replace(&format!("/{owner}?"), &format!("/{name}?")))
    }

    pub(super) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        self.administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
    }

    pub(super) async fn has_database(&self, name: &str) -> anyhow::Result<bool> {
        let mut admin = self.admin().await?;
        let found = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
        Ok(sqlx::query_scalar(found)
            .bind(name)
            .fetch_one(&mut admin)
            .await?)
    }

    pub(super) async fn checkpoint(&self) -> anyhow::Result<()> {
        self.administer("CHECKPOINT".to_owned()).await
    }

    /// How often Postgres has flushed its log since it was started.
    pub(super) async fn flushes(&self) -> anyhow::Result<i64> {
        let mut admin = self.admin().await?;
        Ok(sqlx::query_scalar("SELECT wal_sync FROM pg_stat_wal")
            .fetch_one(&mut admin)
            .await?)
    }

    /// How many transactions have been committed, as far as those who committed them have told:
    /// they do so within a second.
    pub(super) async fn commits(&self) -> anyhow::Result<i64> {
        let mut admin = self.admin().await?;
        let committed = "SELECT sum(xact_commit)::bigint FROM pg_stat_database";
        Ok(sqlx::query_scalar(committed).fetch_one(&mut admin).await?)
    }

    /// How much Postgres has written to its log since it was made.
    pub(super) async fn wal_bytes(&self) -> anyhow::Result<i64> {
        let mut admin = self.admin().await?;
        let written = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        Ok(sqlx::query_scalar(written).fetch_one(&mut admin).await?)
    }

    /// What `verify` looks at.
    pub(super) fn source(&self) -> Source {
        Source::of(self.layout())
    }

    async fn admin(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.layout().endpoints().postgres)
            .await
            .context("cannot connect to Postgres")
    }

    /// The statements are made of names of ours.
    async fn administer(&self, statement: String) -> anyhow::Result<()> {
        let mut admin = self.admin().await?;
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut admin)
            .await?;
        Ok(admin.close().await?)
    }

    pub(super) async fn fresh_topics(&self, namespace: &str) -> anyhow::Result<()> {
        create_topics(&self.kafka(), &self.init(namespace).topic_specs(), 1).await
    }

    pub(super) async fn drop_topics(&self, namespace: &str) -> anyhow::Result<()> {
        let topics = self.init(namespace).topic_specs();
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        delete_topics(&self.kafka(), &names).await
    }

    fn init(&self, namespace: &str) -> Init {
        Init {
            kafka_namespace: namespace.to_owned(),
            ..Init::of(self.layout())
        }
    }

    /// A service of this program, with a database and topics of its own and without traces.
    pub(super) fn service(
        &self,
        name: &str,
        database_url: &str,
        namespace: &str,
    ) -> anyhow::Result<Program> {
        let mut program = self.traced_service(name, database_url, namespace)?;
        program.env.remove("OTEL_EXPORTER_OTLP_ENDPOINT");
        Ok(program)
    }

    /// The same with traces, for which Jaeger has to be there.
    pub(super) fn traced_service(
        &self,
        name: &str,
        database_url: &str,
        namespace: &str,
    ) -> anyhow::Result<Program> {
        Ok(services::program(self.layout(), name, true)?
            .env("DATABASE_URL", database_url)
            .env("KAFKA_NAMESPACE", namespace))
    }

    /// The same program once more, at the place of a service that does not run.
    pub(super) fn beside(&self, program: &Program, place: &str) -> anyhow::Result<Program> {
        let ports = self.layout().ports().service(place);
        let ports = ports.with_context(|| format!("{place} has no place"))?;
        let name = format!("{}-at-{place}", program.name);
        Ok(services::another(self.layout(), program, name, ports))
    }

    /// The textbook's inventory, in the place of ours.
    pub(super) fn textbook(&self, database_url: &str, namespace: &str) -> Program {
        let ports = self.layout().ports();
        let inventory = ports.service("inventory").expect("it is one of the five");
        let address = format!("127.0.0.1:{}", inventory.api);
        let health = Health::Http(format!("http://{address}/health"));
        let log = self.layout().log("textbook");
        Program::new("textbook", Kind::Service, &self.layout().ticketrail, log)
            .args(["peer", "textbook", "--addr", &address])
            .args(["--database-url", database_url])
            .args([
                "--kafka-bootstrap-servers",
                &self.layout().endpoints().kafka,
            ])
            .args(["--schema-registry-url", &self.registry()])
            .args(["--kafka-namespace", namespace])
            .healthy(health, HEALTHY_WITHIN)
            .address(address)
    }

    pub(super) async fn start_service(&self, program: Program) -> anyhow::Result<()> {
        Ok(self.stack.spawn(program).await?)
    }

    /// What a process keeps in memory now.
    pub(super) async fn memory_mb(&self, name: &str) -> anyhow::Result<f64> {
        let status = self.stack.status().await?;
        let process = status.iter().find(|part| part.name == name);
        Ok(process.map_or(0.0, |process| process.rss_bytes as f64 / 1e6))
    }

    /// With a signal that it cannot catch. Parts are named like services.
    pub(super) async fn kill_service(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.stack.kill(name).await?)
    }

    pub(super) async fn restart_service(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.stack.restart(name).await?)
    }

    /// All of a topic once more to a service that runs.
    pub(super) async fn replay(&self, service: &str, topic: &str) -> anyhow::Result<()> {
        let ports = self.layout().ports().service(service);
        let ports = ports.with_context(|| format!("{service} has no place"))?;
        let client = Client::new(self.dir(), "bench", "operations")?;
        let now = process_now();
        let body = json!({
            "topic": topic, "from": now - LONGER_THAN_ANY_RUN, "to": now,
            "reason": "bench", "dry_run": false,
        });
        let url = format!("{}/replay", ports.operations());
        client.post(&url, &body).await?.ok()?;
        Ok(())
    }

    pub(super) async fn stop_service(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.stack.stop(name).await?)
    }
}

/// An order whose answers are late is to be decided late, and not cancelled.
pub(super) fn patient(program: Program) -> Program {
    ["VERDICT_DEADLINE_MS", "STOCK_DEADLINE_MS"]
        .into_iter()
        .fold(program, |program, deadline| {
            program.env(deadline, LONGER_THAN_ANY_RUN.num_milliseconds().to_string())
        })
}

/// The role that a service has, and the database that it has otherwise.
fn owner(service: &str) -> String {
    format!("ticketrail_{service}")
}
