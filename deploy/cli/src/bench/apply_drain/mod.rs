//! `OrderPlaced` events that wait in Kafka, through inventory: events a second.
//!
//! The limit is what speed comparisons call `L_pg`: the very rows that inventory has written,
//! written set-based into a fresh database by a plain connection, in transactions of the same size,
//! without Kafka, Avro, loading and deciding.

mod drain;
mod limit;
mod oracle;
mod orders;
mod preload;

use super::parts::Parts;
use super::report::Subject;
use super::rounds::{Measured, Workload};
use oracle::Expected;

const SERVICE: &str = "inventory";
/// The service's own default, so that both write transactions of the same size.
const BATCH_RECORDS_MAX: u32 = 2000;
/// Enough for every compiler and cache on the way.
const WARM_UP_EVENTS: u32 = 40_000;

pub(super) struct ApplyDrain {
    events: u32,
    round: Option<Round>,
}

/// What belongs to one round alone.
struct Round {
    namespace: String,
    ours: Database,
    limit: Database,
    expected: Expected,
}

struct Database {
    name: String,
    url: String,
}

impl ApplyDrain {
    pub(super) fn new(events: u32) -> Self {
        Self {
            events,
            round: None,
        }
    }
}

impl Workload for ApplyDrain {
    const NAME: &'static str = "apply-drain";
    const UNIT: &'static str = "events";
    const SUBJECTS: &'static [Subject] = &[Subject::Ours, Subject::Limit];

    fn warm_up(&self) -> Self {
        Self::new(self.events.min(WARM_UP_EVENTS))
    }

    async fn prepare(&mut self, parts: &Parts, round: u32) -> anyhow::Result<()> {
        let namespace = format!("drain{round}.");
        let ours = Database::fresh(parts, format!("drain{round}_ours")).await?;
        let limit = Database::fresh(parts, format!("drain{round}_limit")).await?;
        orders::seed_stock(&ours.url).await?;
        orders::seed_stock(&limit.url).await?;
        parts.fresh_topics(&namespace).await?;
        let expected = preload::run(parts, &namespace, &ours.url, self.events).await?;
        self.round = Some(Round {
            namespace,
            ours,
            limit,
            expected,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let Round {
            namespace,
            ours,
            limit,
            expected,
        } = self.round.as_ref().expect("it was prepared");
        let (mut measured, database) = match subject {
            Subject::Limit => (limit::run(parts, &ours.url, &limit.url).await?, limit),
            Subject::Ours | Subject::Peer => (
                drain::run(parts, namespace, &ours.url, self.events).await?,
                ours,
            ),
        };
        measured.wrong = oracle::check(&database.url, expected).await?;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(round) = self.round.take() else {
            return Ok(());
        };
        parts.drop_database(&round.ours.name).await?;
        parts.drop_database(&round.limit.name).await?;
        parts.drop_topics(&round.namespace).await
    }
}

impl Database {
    async fn fresh(parts: &Parts, name: String) -> anyhow::Result<Self> {
        let url = parts.fresh_database(SERVICE, &name).await?;
        Ok(Self { name, url })
    }
}
