//! Topics: made by the init step, checked by every service at start.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Topics keep a week; `processed_events` keeps longer, so nothing that can return acts twice.
const RETENTION_MS: &str = "604800000";
/// A dead letter is its original with headers added.
pub const DEAD_LETTER_BYTES_MAX: &str = "2097152";

#[derive(Debug, Clone)]
pub struct NewTopicSpec {
    pub name: String,
    pub partitions: i32,
    pub dead_letters: bool,
}

fn client(config: &ClientConfig) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    config.create().context("cannot make a Kafka admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT))
}

/// Creates what is missing and leaves what is there.
pub async fn create_topics(
    config: &ClientConfig,
    topics: &[NewTopicSpec],
    replication: i32,
) -> anyhow::Result<()> {
    let new: Vec<_> = topics
        .iter()
        .map(|topic| {
            let new = NewTopic::new(
                &topic.name,
                topic.partitions,
                TopicReplication::Fixed(replication),
            )
            .set("cleanup.policy", "delete")
            .set("retention.ms", RETENTION_MS);
            if topic.dead_letters {
                new.set("max.message.bytes", DEAD_LETTER_BYTES_MAX)
            } else {
                new
            }
        })
        .collect();
    for result in client(config)?.create_topics(&new, &options()).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("cannot create the topic {topic}: {code}"),
        }
    }
    Ok(())
}

pub async fn delete_topics(config: &ClientConfig, topics: &[&str]) -> anyhow::Result<()> {
    client(config)?.delete_topics(topics, &options()).await?;
    Ok(())
}

/// A topic is not there, or not yet: creation takes a moment to reach every broker.
#[derive(Debug, thiserror::Error)]
#[error("the topic {topic} is missing ({detail}); run `ticketrail init`")]
pub struct TopicMissing {
    topic: String,
    detail: String,
}

/// What a topic does with its records.
#[derive(Debug, Clone)]
pub struct TopicSettings {
    pub name: String,
    pub cleanup_policy: String,
    /// Negative: for ever.
    pub retention_ms: i64,
    /// Copies of the partition that has fewest.
    pub replication: usize,
    pub in_sync_min: i64,
    pub unclean_election: bool,
}

/// How topics are set, or which is missing.
pub async fn describe_topics(
    config: &ClientConfig,
    topics: &[String],
) -> anyhow::Result<Vec<TopicSettings>> {
    let resources: Vec<_> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let client = client(config)?;
    let described = client.describe_configs(&resources, &options()).await?;
    let metadata =
        tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, TIMEOUT))
            .await
            .context("the Kafka client panicked")??;
    let mut settings = Vec::new();
    for (topic, described) in topics.iter().zip(described) {
        let missing = |detail: String| TopicMissing {
            topic: topic.clone(),
            detail,
        };
        let described = described.map_err(|code| missing(code.to_string()))?;
        let setting = |name: &str| {
            let entry = described.entries.iter().find(|entry| entry.name == name);
            let value = entry.and_then(|entry| entry.value.clone());
            value.ok_or_else(|| missing(format!("it has no {name}")))
        };
        let partitions = metadata
            .topics()
            .iter()
            .find(|known| known.name() == topic)
            .ok_or_else(|| missing("it has no partitions yet".to_owned()))?
            .partitions();
        let replication = partitions
            .iter()
            .map(|partition| partition.replicas().len());
        settings.push(TopicSettings {
            name: topic.clone(),
            cleanup_policy: setting("cleanup.policy")?,
            retention_ms: setting("retention.ms")?.parse()?,
            replication: replication.min().unwrap_or_default(),
            in_sync_min: setting("min.insync.replicas")?.parse()?,
            unclean_election: setting("unclean.leader.election.enable")?.parse()?,
        });
    }
    Ok(settings)
}
