//! `OrderPlaced` events that wait in Kafka, through inventory: events a second.
//!
//! - The peer is the textbook's inventory, 16 messages in flight. It is given fewer events.
//! - The plain layout is the textbook's tables, written set-based by a plain connection.
//! - The limit is what speed comparisons call `L_pg`: the very rows that inventory has written,
//!   written set-based into a fresh database by a plain connection, in transactions of the same
//!   size, without Kafka, Avro, loading and deciding.

mod batches;
mod disturbed;
mod drain;
mod limit;
mod oracle;
mod orders;
mod plain;
mod preload;

use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use drain::How;
use oracle::Expected;
use preload::Load;

pub(super) use disturbed::{Disturbance, Disturbed};
pub(super) use orders::{Mix, Orders};

const SERVICE: &str = "inventory";
/// The service's own default, so that both write transactions of the same size.
const BATCH_RECORDS_MAX: u32 = 2000;
/// Enough for every compiler and cache on the way.
const WARM_UP_EVENTS: u32 = 40_000;
/// Some ten seconds.
const PEER_EVENTS: u32 = 20_000;

pub(super) struct ApplyDrain {
    events: u32,
    round: Option<Round>,
}

const SUBJECTS: &[Subject] = &[Subject::Ours, Subject::Peer, Subject::Plain, Subject::Limit];

/// What belongs to one round alone.
struct Round {
    number: u32,
    expected: Expected,
    peer_expected: Expected,
    ours: String,
    peer: String,
    plain: String,
    limit: String,
}

impl Round {
    fn database(number: u32, subject: Subject) -> String {
        format!("drain{number}_{}", subject.name())
    }

    fn namespace(number: u32, subject: Subject) -> String {
        format!("drain{number}.{}.", subject.name())
    }
}

impl ApplyDrain {
    pub(super) fn new(events: u32) -> Self {
        Self {
            events,
            round: None,
        }
    }

    fn peer_events(&self) -> u32 {
        self.events.min(PEER_EVENTS)
    }
}

impl Workload for ApplyDrain {
    fn about(&self) -> About {
        About {
            name: "apply-drain",
            unit: "events",
            subjects: SUBJECTS,
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.events.min(WARM_UP_EVENTS))
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        let database = |subject| Round::database(number, subject);
        let ours = parts
            .fresh_database(SERVICE, &database(Subject::Ours))
            .await?;
        let limit = parts
            .fresh_database(SERVICE, &database(Subject::Limit))
            .await?;
        let peer = parts
            .empty_database(SERVICE, &database(Subject::Peer))
            .await?;
        let plain = parts
            .empty_database(SERVICE, &database(Subject::Plain))
            .await?;
        orders::seed_stock(&ours).await?;
        orders::seed_stock(&limit).await?;
        orders::seed_plain_stock(&peer).await?;
        orders::seed_plain_stock(&plain).await?;
        let fill = async |subject, events| {
            let namespace = Round::namespace(number, subject);
            parts.fresh_topics(&namespace).await?;
            let load = Load {
                events,
                mix: Mix::Uniform,
                traced: false,
            };
            preload::run(parts, &namespace, &ours, load).await
        };
        let expected = fill(Subject::Ours, self.events).await?;
        let peer_expected = fill(Subject::Peer, self.peer_events()).await?;
        self.round = Some(Round {
            number,
            expected,
            peer_expected,
            ours,
            peer,
            plain,
            limit,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.as_ref().expect("it was prepared");
        let namespace = Round::namespace(round.number, subject);
        let (mut measured, wrong);
        match subject {
            Subject::Ours | Subject::Clean => {
                let how = How {
                    rests: true,
                    ..How::default()
                };
                let wal_bytes = parts.wal_bytes().await?;
                let drained = drain::ours(parts, &namespace, &round.ours, self.events, how);
                measured = drained.await?;
                let wal_bytes = (parts.wal_bytes().await? - wal_bytes) as f64;
                let row_bytes = limit::row_bytes(&round.ours).await?;
                measured
                    .details
                    .insert("wal_to_rows", wal_bytes / row_bytes);
                wrong = oracle::check(&round.ours, &round.expected).await?;
            }
            Subject::Peer => {
                measured = drain::peer(parts, &namespace, &round.peer, self.peer_events()).await?;
                wrong = oracle::check_plain(&round.peer, &round.peer_expected).await?;
            }
            Subject::Plain => {
                measured = plain::run(parts, &round.ours, &round.plain).await?;
                wrong = oracle::check_plain(&round.plain, &round.expected).await?;
            }
            Subject::Limit => {
                measured = limit::run(parts, &round.ours, &round.limit).await?;
                wrong = oracle::check(&round.limit, &round.expected).await?;
            }
        }
        measured.wrong = wrong;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(Round { number, .. }) = self.round.take() else {
            return Ok(());
        };
        for subject in SUBJECTS {
            parts
                .drop_database(&Round::database(number, *subject))
                .await?;
        }
        for subject in [Subject::Ours, Subject::Peer] {
            parts
                .drop_topics(&Round::namespace(number, subject))
                .await?;
        }
        Ok(())
    }
}
