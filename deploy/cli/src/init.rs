//! What has to be there before a service may start: topics, schemas, tables.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rdkafka::ClientConfig;
use shared::avro::registry::{Registry, subject};
use shared::contract::CATALOGUE;
use shared::contract::topic::TOPICS;
use shared::kafka::admin::{NewTopicSpec, create_topics};
use shared::kafka::{Names, dead_letter_topic};
use shared::{avro, outbox};
use sqlx::postgres::PgPoolOptions;

use crate::local::{Layout, Progress};
use crate::{dev_keys, services};

/// Producers and consumers deploy apart, and old records are replayed.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

#[derive(Debug, Clone, Args)]
pub struct Init {
    #[arg(
        long,
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "127.0.0.1:9092"
    )]
    pub kafka_bootstrap_servers: String,
    #[arg(long, env = "KAFKA_NAMESPACE", default_value = "")]
    pub kafka_namespace: String,
    /// More partitions let more instances of a service share the work.
    #[arg(long, env = "KAFKA_PARTITIONS", default_value_t = 8)]
    pub partitions: i32,
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 1)]
    pub replication: i32,
    #[arg(
        long,
        env = "SCHEMA_REGISTRY_URL",
        default_value = "http://127.0.0.1:8081/apis/ccompat/v7"
    )]
    pub schema_registry_url: String,
    #[arg(long, env = "ORDER_DATABASE_URL", hide_env_values = true)]
    pub order_database_url: Option<String>,
    #[arg(long, env = "INVENTORY_DATABASE_URL", hide_env_values = true)]
    pub inventory_database_url: Option<String>,
    #[arg(long, env = "SHIPMENT_DATABASE_URL", hide_env_values = true)]
    pub shipment_database_url: Option<String>,
    #[arg(long, env = "NOTIFICATION_DATABASE_URL", hide_env_values = true)]
    pub notification_database_url: Option<String>,
    #[arg(long, env = "FRAUD_DATABASE_URL", hide_env_values = true)]
    pub fraud_database_url: Option<String>,
    /// Make the development issuer's keys in this folder, if they are not there.
    #[arg(long, env = "TICKETRAIL_DIR")]
    pub dir: Option<PathBuf>,
}

impl Init {
    /// For a stack of this machine.
    pub fn of(layout: &Layout) -> Self {
        let endpoints = layout.endpoints();
        let databases = layout.databases();
        let database = |name: &str| databases.get(name).cloned();
        Self {
            kafka_bootstrap_servers: endpoints.kafka,
            kafka_namespace: String::new(),
            partitions: 8,
            replication: 1,
            schema_registry_url: endpoints.registry,
            order_database_url: database("order"),
            inventory_database_url: database("inventory"),
            shipment_database_url: database("shipment"),
            notification_database_url: database("notification"),
            fraud_database_url: database("fraud"),
            dir: Some(layout.dir.clone()),
        }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        self.apply(&Progress::to_stderr()).await
    }

    pub async fn apply(&self, progress: &Progress) -> anyhow::Result<()> {
        if let Some(dir) = &self.dir {
            dev_keys::ensure(dir)?;
        }
        let (topics, ids) = tokio::try_join!(self.topics(), self.schemas())?;
        progress.say("init", format!("{topics} topics, {} schemas", ids.len()));
        for (name, url) in self.databases() {
            let url = url.with_context(|| {
                format!(
                    "set {}_DATABASE_URL, the database of {name}",
                    name.to_uppercase()
                )
            })?;
            migrate(name, url, &ids)
                .await
                .with_context(|| format!("cannot prepare {name}"))?;
        }
        progress.say("init", "tables of every service are up to date");
        Ok(())
    }

    fn databases(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("order", self.order_database_url.as_ref()),
            ("inventory", self.inventory_database_url.as_ref()),
            ("shipment", self.shipment_database_url.as_ref()),
            ("notification", self.notification_database_url.as_ref()),
            ("fraud", self.fraud_database_url.as_ref()),
        ]
    }

    /// Every topic of the suite with this namespace, dead letters included.
    pub fn topic_specs(&self) -> Vec<NewTopicSpec> {
        let names = Names::new(&self.kafka_namespace);
        let mut specs = Vec::new();
        for (topic, groups) in TOPICS {
            let partitions = self.partitions;
            let name = names.topic(topic.0);
            specs.push(NewTopicSpec {
                name,
                partitions,
                dead_letters: false,
            });
            for group in *groups {
                let name = names.topic(&dead_letter_topic(topic.0, group));
                specs.push(NewTopicSpec {
                    name,
                    partitions: 1,
                    dead_letters: true,
                });
            }
        }
        specs
    }

    async fn topics(&self) -> anyhow::Result<usize> {
        let specs = self.topic_specs();
        create_topics(&self.kafka(), &specs, self.replication)
            .await
            .with_context(|| format!("Kafka at {}", self.kafka_bootstrap_servers))?;
        Ok(specs.len())
    }

    pub fn kafka(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.kafka_bootstrap_servers)
            .set("client.id", "ticketrail-init");
        client
    }

    /// Subject, text and id of every schema.
    async fn schemas(&self) -> anyhow::Result<Vec<(String, &'static str, u32)>> {
        let registry = Registry::new(&self.schema_registry_url)?;
        let mut ids = Vec::new();
        for schema in CATALOGUE {
            let id = registry.register(schema, COMPATIBILITY).await?;
            ids.push((subject(schema)?, schema.text, id));
        }
        Ok(ids)
    }
}

async fn migrate(name: &str, url: &str, ids: &[(String, &'static str, u32)]) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let migrations = services::migrations(name).context("a service has migrations")?;
    migrations.run(&pool).await?;
    for (subject, text, id) in ids {
        avro::remember(&pool, *id, subject, text).await?;
    }
    // The first event may come before the service's own housekeeping.
    outbox::maintain_partitions(&pool, 7, 7, 9).await?;
    pool.close().await;
    Ok(())
}
