//! What has to be there before a service may start: topics, schemas, tables. The init step's work,
//! which may be done again at any time.

use anyhow::Context;
use clap::Args;
use rdkafka::ClientConfig;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;

use super::{Service, housekeeping};
use crate::avro::registry::{Registry, subject};
use crate::config::CommonConfig;
use crate::event::{Schema, Topic};
use crate::kafka::admin::{NewTopicSpec, create_topics};
use crate::kafka::{Names, client, dead_letter_topic};
use crate::{avro, db};

/// Producers and consumers deploy apart, and old records are replayed.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// How topics are made.
#[derive(Debug, Clone, Args)]
pub struct TopicConfig {
    /// More partitions let more instances of a service share the work.
    #[arg(long, env = "KAFKA_PARTITIONS", default_value_t = 8)]
    pub partitions: i32,
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 1)]
    pub replication: i32,
}

impl TopicConfig {
    /// A producer's topic.
    pub fn topic(&self, names: &Names, topic: Topic) -> NewTopicSpec {
        NewTopicSpec {
            name: names.topic(topic.0),
            partitions: self.partitions,
            dead_letters: false,
        }
    }

    /// Where a reader of it puts what it cannot process. Dead letters are few.
    pub fn dead_letters(&self, names: &Names, topic: Topic, group: &str) -> NewTopicSpec {
        NewTopicSpec {
            name: names.topic(&dead_letter_topic(topic.0, group)),
            partitions: 1,
            dead_letters: true,
        }
    }

    pub async fn create(
        &self,
        kafka: &ClientConfig,
        topics: &[NewTopicSpec],
    ) -> anyhow::Result<()> {
        create_topics(kafka, topics, self.replication)
            .await
            .with_context(|| format!("Kafka at {}", kafka.get("bootstrap.servers").unwrap_or("?")))
    }
}

/// A schema's subject, text and id.
pub struct Registered {
    subject: String,
    text: &'static str,
    id: u32,
}

pub async fn register(
    registry: &Registry,
    schemas: impl IntoIterator<Item = &Schema>,
) -> anyhow::Result<Vec<Registered>> {
    let mut registered = Vec::new();
    for schema in schemas {
        registered.push(Registered {
            id: registry.register(schema, COMPATIBILITY).await?,
            subject: subject(schema)?,
            text: schema.text,
        });
    }
    Ok(registered)
}

/// The rail's tables and the service's own, and the schema ids it knows without the registry.
pub async fn migrate(
    database_url: &str,
    of_service: impl IntoIterator<Item = &Migrator>,
    registered: &[Registered],
) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(database_url)
        .await?;
    db::migrations(of_service).run(&pool).await?;
    for Registered { subject, text, id } in registered {
        avro::remember(&pool, *id, subject, text).await?;
    }
    // The first event may come before the service's own housekeeping.
    housekeeping::maintain_partitions(&pool).await?;
    pool.close().await;
    Ok(())
}

/// For one service that nobody else knows: the topics it publishes to, where its dead letters go,
/// its schemas, its tables.
pub async fn init(
    service: &Service,
    config: &CommonConfig,
    topics: &TopicConfig,
) -> anyhow::Result<()> {
    let names = Names::new(&config.kafka_namespace);
    let mut specs: Vec<_> = service
        .published_topics()
        .into_iter()
        .map(|topic| topics.topic(&names, topic))
        .collect();
    specs.extend(
        service
            .consumed_topics()
            .into_iter()
            .map(|topic| topics.dead_letters(&names, topic, service.name)),
    );
    topics
        .create(&client::common(config, service.name), &specs)
        .await?;
    let registry = Registry::new(&config.schema_registry_url)?;
    let registered = register(&registry, &service.publishes).await?;
    migrate(
        &config.database_url,
        service.migrations.iter().copied(),
        &registered,
    )
    .await
}
