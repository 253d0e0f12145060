//! What has to be there before a service may start: topics, schemas, tables.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rdkafka::ClientConfig;
use shared::avro::registry::Registry;
use shared::contract::CATALOGUE;
use shared::contract::topic::TOPICS;
use shared::kafka::Names;
use shared::kafka::admin::NewTopicSpec;
use shared::service::patiently;
use shared::service::setup::{self, TopicConfig};

use crate::local::{Layout, Progress};
use crate::{dev_keys, services};

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
    #[command(flatten)]
    pub topics: TopicConfig,
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
            topics: TopicConfig {
                partitions: 8,
                replication: 1,
            },
            schema_registry_url: endpoints.registry,
            order_database_url: database("order"),
            inventory_database_url: database("inventory"),
            shipment_database_url: database("shipment"),
            notification_database_url: database("notification"),
            fraud_database_url: database("fraud"),
            dir: Some(layout.dir.clone()),
        }
    }

    /// With patience: a restart of everything starts this step before the parts are there.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let progress = Progress::to_stderr();
        let waiting = |error: &anyhow::Error| progress.say("init", format!("waits: {error:#}"));
        patiently(async || self.apply(&progress).await, waiting).await
    }

    pub async fn apply(&self, progress: &Progress) -> anyhow::Result<()> {
        if let Some(dir) = &self.dir {
            dev_keys::ensure(dir)?;
        }
        let registry = Registry::new(&self.schema_registry_url)?;
        let (kafka, specs) = (self.kafka(), self.topic_specs());
        let ((), registered) = tokio::try_join!(
            self.topics.create(&kafka, &specs),
            setup::register(&registry, CATALOGUE)
        )?;
        let (topics, schemas) = (specs.len(), registered.len());
        progress.say("init", format!("{topics} topics, {schemas} schemas"));
        for (name, url) in self.databases() {
            let url = url.with_context(|| {
                format!(
                    "set {}_DATABASE_URL, the database of {name}",
                    name.to_uppercase()
                )
            })?;
            setup::migrate(url, services::migrations(name), &registered)
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
            specs.push(self.topics.topic(&names, *topic));
            let of_group = |group: &&str| self.topics.dead_letters(&names, *topic, group);
            specs.extend(groups.iter().map(of_group));
        }
        specs
    }

    pub fn kafka(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.kafka_bootstrap_servers)
            .set("client.id", "ticketrail-init");
        client
    }
}
