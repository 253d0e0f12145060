//! A stack of the run's own, which ends with it and leaves nothing behind.

use std::path::Path;

use anyhow::Context;
use rdkafka::ClientConfig;
use shared::kafka::admin::{create_topics, delete_topics};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::init::Init;
use crate::local::program::Program;
use crate::local::{self, Layout, Part, Progress, Tuning, databases, ports};
use crate::services;

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
    pub(super) async fn start(progress: &Progress) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("ticketrail-bench-{}", std::process::id()));
        let mut layout = Layout::new(dir, ports::find_free_offset()?)?;
        layout.tuning = Tuning::Bench;
        let wipe = Wipe(layout.clone());
        let wanted = [Part::Postgres, Part::Kafka, Part::Registry];
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
        let template = format!("ticketrail_{service}");
        self.drop_database(name).await?;
        self.administer(format!(
            "CREATE DATABASE {name} TEMPLATE {template} OWNER {template}"
        ))
        .await?;
        let url = databases::url(self.layout().ports().postgres, &template);
        Ok(url.replace(&format!("/{template}?"), &format!("/{name}?")))
    }

    pub(super) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        self.administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
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
        let mut program = services::program(self.layout(), name, true)?
            .env("DATABASE_URL", database_url)
            .env("KAFKA_NAMESPACE", namespace);
        program.env.remove("OTEL_EXPORTER_OTLP_ENDPOINT");
        Ok(program)
    }

    pub(super) async fn start_service(&self, program: Program) -> anyhow::Result<()> {
        Ok(self.stack.spawn(program).await?)
    }

    pub(super) async fn stop_service(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.stack.stop(name).await?)
    }
}
