//! S9: what a group told Kafka, beside what its database has seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgConnection;

use super::findings::Findings;
use crate::verify::Source;
use crate::verify::topics::{Group, Topics};

/// A broker that is being killed is asked again in the next look.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Fences {
    service: &'static str,
    group: Arc<Group>,
    /// Those that the look before found in the database.
    partitions: Vec<(String, i32)>,
}

/// Topic, partition and the offset that was committed for it.
pub(super) type Asked = (String, i32, i64);

impl Fences {
    pub(super) fn new(source: &Source, service: &'static str) -> anyhow::Result<Self> {
        Ok(Self {
            service,
            group: Arc::new(Topics::of(source).group(service)?),
            partitions: Vec::new(),
        })
    }

    /// Nothing, where Kafka does not answer.
    pub(super) async fn ask(&self) -> anyhow::Result<Vec<Asked>> {
        if self.partitions.is_empty() {
            return Ok(Vec::new());
        }
        let (group, partitions) = (self.group.clone(), self.partitions.clone());
        let asking = move || group.committed(&partitions, ANSWERS_WITHIN);
        let asked = tokio::task::spawn_blocking(asking)
            .await
            .context("the question to Kafka has panicked")?;
        Ok(asked.unwrap_or_default())
    }

    pub(super) async fn check(
        &mut self,
        database: &mut PgConnection,
        asked: &[Asked],
        findings: &Findings,
    ) -> sqlx::Result<()> {
        let fences: Vec<(String, i32, i64)> =
            sqlx::query_as("SELECT topic, partition, next_offset FROM consumer_offsets")
                .fetch_all(database)
                .await?;
        let fences: HashMap<_, _> = fences
            .into_iter()
            .map(|(topic, partition, next_offset)| ((topic, partition), next_offset))
            .collect();
        for (topic, partition, committed) in asked {
            let fence = fences.get(&(topic.clone(), *partition)).copied();
            let fence = fence.unwrap_or_default().max(0);
            if *committed > fence {
                findings.violated(
                    "S9",
                    format!(
                        "{} committed {committed} of {topic}/{partition}, and its fence is at \
                         {fence}",
                        self.service
                    ),
                );
            }
        }
        findings.checked("S9", asked.len());
        self.partitions = fences.into_keys().collect();
        Ok(())
    }
}
