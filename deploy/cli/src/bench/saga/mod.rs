//! Whole orders: placed over HTTP, through all five services, to their end, parcel and mails
//! included: orders a second.
//!
//! The limit is the same machine with nothing to decide: the very rows that the services have
//! inserted, written set-based by plain connections, while the very records go through bare
//! producers and consumers. It answers no HTTP, and decodes nothing.

mod latency;
mod open_loop;
mod ours;
mod records;
mod rewrite;
mod world;

pub(super) use latency::{Meanwhile, SagaLatency};

use self::ours::Stage;
use self::world::World;
use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use crate::local::Progress;

const WARM_UP_ORDERS: u32 = 1_000;

/// What customers do.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) orders: u32,
    /// Connections that place orders.
    pub(super) clients: u32,
    pub(super) progress: Progress,
}

impl Load {
    fn warm_up(&self) -> Self {
        Self {
            orders: self.orders.min(WARM_UP_ORDERS),
            ..self.clone()
        }
    }
}

pub(super) struct Saga {
    load: Load,
    round: Option<Round>,
}

struct Round {
    ours: World,
    limit: World,
}

impl Saga {
    pub(super) fn new(load: Load) -> Self {
        Self { load, round: None }
    }
}

impl Workload for Saga {
    fn about(&self) -> About {
        About {
            name: "saga",
            unit: "orders",
            subjects: &[Subject::Ours, Subject::Limit],
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.load.warm_up())
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        self.round = Some(Round {
            ours: World::fresh(parts, number, Subject::Ours).await?,
            limit: World::fresh(parts, number, Subject::Limit).await?,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let Round { ours, limit } = self.round.as_ref().expect("it was prepared");
        if subject == Subject::Limit {
            return rewrite::run(parts, ours, limit, self.load.orders).await;
        }
        let stage = Stage { parts, world: ours };
        let (mut measured, accepted) = stage.run(&self.load).await?;
        measured.wrong = stage.judge(&accepted, &self.load.progress).await?;
        stage.stop().await?;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        if let Some(Round { ours, limit }) = self.round.take() {
            ours.clear(parts).await?;
            limit.clear(parts).await?;
        }
        Ok(())
    }
}
