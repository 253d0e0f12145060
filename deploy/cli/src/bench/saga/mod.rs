//! Whole orders: placed over HTTP, through all five services, to their end, parcel and mails
//! included: orders a second.
//!
//! The limit is the same machine with nothing to decide: the very rows that the services have
//! inserted, written set-based by plain connections, while the very records go through bare
//! producers and consumers. It answers no HTTP, and decodes nothing.

mod latency;
mod ours;
mod records;
mod rewrite;

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

pub(super) use latency::SagaLatency;

use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use crate::local::Progress;
use crate::services;

const WARM_UP_ORDERS: u32 = 1_000;
const SUBJECTS: &[Subject] = &[Subject::Ours, Subject::Limit];

pub(super) struct Saga {
    orders: u32,
    clients: u32,
    progress: Progress,
    round: Option<Round>,
}

struct Round {
    number: u32,
    databases: BTreeMap<String, String>,
    accepted: HashSet<Uuid>,
}

impl Saga {
    pub(super) fn new(orders: u32, clients: u32, progress: &Progress) -> Self {
        Self {
            orders,
            clients,
            progress: progress.clone(),
            round: None,
        }
    }
}

impl Workload for Saga {
    fn about(&self) -> About {
        About {
            name: "saga",
            unit: "orders",
            subjects: SUBJECTS,
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(
            self.orders.min(WARM_UP_ORDERS),
            self.clients,
            &self.progress,
        )
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        for subject in SUBJECTS {
            parts.fresh_topics(&namespace(number, *subject)).await?;
        }
        self.round = Some(Round {
            number,
            databases: fresh_databases(parts, number, Subject::Ours).await?,
            accepted: HashSet::new(),
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.as_mut().expect("it was prepared");
        let from = namespace(round.number, Subject::Ours);
        if subject == Subject::Limit {
            let to = namespace(round.number, subject);
            let fresh = fresh_databases(parts, round.number, subject).await?;
            return rewrite::run(parts, &round.databases, &fresh, [&from, &to], self.orders).await;
        }
        let stage = ours::Stage {
            parts,
            namespace: &from,
            databases: &round.databases,
        };
        let (mut measured, accepted) = stage.run(self.orders, self.clients).await?;
        round.accepted = accepted;
        measured.wrong = stage.judge(&round.accepted, &self.progress).await?;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(Round { number, .. }) = self.round.take() else {
            return Ok(());
        };
        for subject in SUBJECTS {
            parts.drop_topics(&namespace(number, *subject)).await?;
            for service in services::NAMES {
                parts
                    .drop_database(&database(number, *subject, service))
                    .await?;
            }
        }
        Ok(())
    }
}

fn namespace(round: u32, subject: Subject) -> String {
    format!("saga{round}.{}.", subject.name())
}

fn database(round: u32, subject: Subject, service: &str) -> String {
    format!("saga{round}_{}_{service}", subject.name())
}

/// By service.
async fn fresh_databases(
    parts: &Parts,
    round: u32,
    subject: Subject,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut databases = BTreeMap::new();
    for service in services::NAMES {
        let name = database(round, subject, service);
        let url = parts.fresh_database(service, &name).await?;
        databases.insert(service.to_owned(), url);
    }
    Ok(databases)
}
