//! Orders placed over HTTP, each answered after its commit: orders a second, and how many share a
//! flush of the log.
//!
//! The peer writes the very rows that the order service has written with one transaction an order,
//! over many connections; the limit writes them in groups as large as those of the service. Both
//! are plain connections: no HTTP, no tokens, no deciding.

mod oracle;
mod place;
mod request;
mod rewrite;

use std::collections::HashSet;

use uuid::Uuid;

use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use rewrite::Rewrite;

pub(super) use place::{counters, drive, tokens};
pub(super) use request::Counter;

const SERVICE: &str = "order";
const WARM_UP_ORDERS: u32 = 5_000;
/// As many as the peer's database serves best: more of them only wait for each other.
const PEER_CONNECTIONS: usize = 32;
/// As many as the service has lanes.
const LIMIT_CONNECTIONS: usize = 2;

const SUBJECTS: &[Subject] = &[Subject::Ours, Subject::Peer, Subject::Limit];

pub(super) struct Intake {
    orders: u32,
    clients: u32,
    round: Option<Round>,
}

struct Round {
    namespace: String,
    ours: String,
    /// What clients were promised.
    accepted: HashSet<Uuid>,
    orders_per_commit: u32,
    number: u32,
}

impl Intake {
    pub(super) fn new(orders: u32, clients: u32) -> Self {
        Self {
            orders,
            clients,
            round: None,
        }
    }
}

impl Workload for Intake {
    fn about(&self) -> About {
        About {
            name: "intake",
            unit: "orders",
            subjects: SUBJECTS,
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.orders.min(WARM_UP_ORDERS), self.clients)
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        let namespace = format!("intake{number}.");
        parts.fresh_topics(&namespace).await?;
        let ours = parts
            .fresh_database(SERVICE, &database(number, Subject::Ours))
            .await?;
        self.round = Some(Round {
            namespace,
            ours,
            accepted: HashSet::new(),
            orders_per_commit: 1,
            number,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.as_mut().expect("it was prepared");
        let Some(rewrite) = rewrite_of(subject, round.orders_per_commit) else {
            let placed = place::run(
                parts,
                &round.namespace,
                &round.ours,
                self.orders,
                self.clients,
            )
            .await?;
            round.orders_per_commit = placed.orders_per_commit;
            round.accepted = placed.accepted;
            let mut measured = placed.measured;
            measured.wrong = oracle::check(&round.ours, &round.accepted).await?;
            return Ok(measured);
        };
        let url = parts
            .fresh_database(SERVICE, &database(round.number, subject))
            .await?;
        let mut measured = rewrite.run(parts, &round.ours, &url).await?;
        measured.wrong = oracle::check(&url, &round.accepted).await?;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(round) = self.round.take() else {
            return Ok(());
        };
        for subject in SUBJECTS {
            parts
                .drop_database(&database(round.number, *subject))
                .await?;
        }
        parts.drop_topics(&round.namespace).await
    }
}

fn database(round: u32, subject: Subject) -> String {
    format!("intake{round}_{}", subject.name())
}

/// Nothing for ours, which is the original.
fn rewrite_of(subject: Subject, orders_per_commit: u32) -> Option<Rewrite> {
    match subject {
        Subject::Ours | Subject::Clean | Subject::Plain => None,
        Subject::Peer => Some(Rewrite {
            orders_per_transaction: 1,
            connections: PEER_CONNECTIONS,
        }),
        Subject::Limit => Some(Rewrite {
            orders_per_transaction: orders_per_commit,
            connections: LIMIT_CONNECTIONS,
        }),
    }
}
