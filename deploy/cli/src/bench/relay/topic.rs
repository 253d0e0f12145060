//! How many records a topic has.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::bench::kafka::{ANSWERS_WITHIN, consumer, partitions};

#[derive(Clone)]
pub(super) struct Topic(Arc<Asked>);

struct Asked {
    consumer: BaseConsumer,
    name: String,
    partitions: Vec<i32>,
}

impl Topic {
    pub(super) async fn new(kafka: ClientConfig, name: String) -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(move || {
            let consumer = consumer(&kafka)?;
            Ok(Self(Arc::new(Asked {
                partitions: partitions(&consumer, &name)?,
                consumer,
                name,
            })))
        })
        .await?
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) async fn records(&self) -> anyhow::Result<u64> {
        let Self(asked) = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut records = 0;
            for partition in &asked.partitions {
                let (name, consumer) = (&asked.name, &asked.consumer);
                match consumer.fetch_watermarks(name, *partition, ANSWERS_WITHIN) {
                    Ok((low, high)) => records += u64::try_from(high - low)?,
                    // Nobody leads it yet, so nothing is in it.
                    Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(records)
        })
        .await?
    }
}
