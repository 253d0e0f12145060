//! Which partitions are ours by their fence rows, and from where on.

use std::collections::HashMap;

use anyhow::bail;

use super::Worker;
use crate::consumer::assignments::Partition;
use crate::consumer::frame::BatchError;
use crate::consumer::registry::EventHandler;
use crate::consumer::store::{self, Fence, Progress, Suspects};

pub(super) struct Owned {
    pub(super) token: u64,
    pub(super) epoch: i64,
    /// Everything below had its effect before us, or was put aside.
    pub(super) fence: i64,
    /// Records that the owner before us did not get through.
    pub(super) suspects: Option<Suspects>,
    /// Whether we committed a batch of it, so that the next ones may be decoded ahead.
    pub(super) trusted: bool,
}

impl<H: EventHandler> Worker<H> {
    /// Makes the fence ours for partitions that are new. The inner error is one to wait for.
    pub(super) async fn take_over(
        &mut self,
        begins: &HashMap<Partition, i64>,
        ends: &HashMap<Partition, i64>,
        tokens: &HashMap<Partition, u64>,
    ) -> anyhow::Result<Result<(), BatchError>> {
        for partition in ends.keys() {
            let token = tokens[partition];
            if self
                .owned
                .get(partition)
                .is_some_and(|owned| owned.token == token)
            {
                continue;
            }
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return Ok(Err(error.into())),
            };
            let to = ends[partition];
            let fence = match store::take_over(connection, partition.0, partition.1, to).await {
                Ok(fence) => fence,
                Err(error) => return Ok(Err(error.into())),
            };
            self.owned.insert(
                *partition,
                Owned {
                    token,
                    epoch: fence.epoch,
                    fence: fence.next_offset.unwrap_or(0),
                    suspects: fence.suspects,
                    trusted: false,
                },
            );
            let first = begins.get(partition).copied();
            // After a seek the first record is what Kafka has there.
            let sought = self.handle.was_sought(partition, token);
            if !sought && self.check_position(partition, first, &fence)? {
                self.forgive([*partition]).await;
            }
        }
        Ok(Ok(()))
    }

    /// Kafka may begin below the fence: the inbox drops what is known. It must not begin above.
    /// True when the batch's records of this partition are to be polled again, from further back.
    fn check_position(
        &self,
        partition: &Partition,
        first: Option<i64>,
        fence: &Fence,
    ) -> anyhow::Result<bool> {
        let expected = fence.next_offset.unwrap_or(0);
        if first.is_none_or(|first| first <= expected) {
            return Ok(false);
        }
        let low = self.handle.low_watermark(partition)?;
        if fence.next_offset.is_some() && low > expected {
            let why = format!(
                "{}/{} begins at {low}, but only what is below {expected} has been processed: \
                 records are gone; reconcile, then set consumer_offsets.next_offset",
                partition.0, partition.1
            );
            self.health.not_ready("consumer-position", why.as_str());
            bail!(why);
        }
        if first > Some(low) {
            tracing::info!(
                "Going back to {}/{}@{}",
                partition.0,
                partition.1,
                expected.max(low)
            );
            self.handle.seek(*partition, expected.max(low));
            return Ok(true);
        }
        Ok(false)
    }

    pub(super) fn progress(&self, ends: &HashMap<Partition, i64>) -> Vec<Progress> {
        let mut progress: Vec<_> = ends
            .iter()
            .map(|((topic, partition), next_offset)| Progress {
                topic,
                partition: *partition,
                epoch: self
                    .owned
                    .get(&(*topic, *partition))
                    .map_or(-1, |owned| owned.epoch),
                next_offset: *next_offset,
            })
            .collect();
        // Rows are locked in this order, so that two owners wait for each other and never deadlock.
        progress.sort_by(|a, b| (a.topic, a.partition).cmp(&(b.topic, b.partition)));
        progress
    }

    /// The fence says which partitions are not ours any more; Kafka will say so, too.
    pub(super) async fn give_up_lost(&mut self, progress: &[Progress]) {
        for progress in progress {
            let partition = (progress.topic, progress.partition);
            let ours = match self.connect().await {
                Ok(connection) => store::is_ours(connection, progress).await.unwrap_or(true),
                Err(_) => true,
            };
            if !ours {
                tracing::warn!(
                    "{}/{} belongs to another consumer now",
                    partition.0,
                    partition.1
                );
                self.owned.remove(&partition);
                self.handle.forget(&partition);
            }
        }
    }
}
