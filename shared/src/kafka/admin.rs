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
const DEAD_LETTER_BYTES_MAX: &str = "2097152";

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

/// Refuses topics that would forget events, and says which are missing.
pub async fn check_topics(config: &ClientConfig, topics: &[String]) -> anyhow::Result<()> {
    let resources: Vec<_> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let described = client(config)?
        .describe_configs(&resources, &options())
        .await?;
    for (topic, described) in topics.iter().zip(described) {
        let missing = |detail: String| TopicMissing {
            topic: topic.clone(),
            detail,
        };
        let described = described.map_err(|code| missing(code.to_string()))?;
        let policy = described
            .entries
            .iter()
            .find(|entry| entry.name == "cleanup.policy")
            .and_then(|entry| entry.value.clone())
            .ok_or_else(|| missing("it has no settings".to_owned()))?;
        anyhow::ensure!(
            policy == "delete",
            "the topic {topic} has cleanup.policy={policy}; a compacted topic forgets events"
        );
    }
    Ok(())
}
