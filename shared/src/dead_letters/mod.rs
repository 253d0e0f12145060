//! What could not be processed: kept as it came, replayed or discarded by an operator.
//!
//! - **A dead letter holds back what came later for its aggregate**: applied on a missing step,
//!   that would do harm. It is parked here, in order, while all other keys go on.
//! - **Replaying is processing**: the same handler, the same transaction, and what was parked
//!   follows in order. It does not go through Kafka, so nothing else can come in between.
//! - **Settled once**: who replays or discards what somebody else has, changes nothing.

mod body;
pub(crate) mod operations;
mod ramp;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::kafka::headers::Packed;

/// As it stands in the database.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    pub(crate) event_id: Uuid,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) event_type: String,
    pub(crate) state: State,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) headers: Packed,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) edited_value: Option<Vec<u8>>,
    pub(crate) published_at: DateTime<Utc>,
    pub(crate) failed_at: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) settled_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody has to look at it.
    Open,
    /// Waits for an open one.
    Parked,
    Replayed,
    Discarded,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Parked, Self::Replayed, Self::Discarded];

    pub(crate) fn number(self) -> i16 {
        match self {
            Self::Open => 0,
            Self::Parked => 1,
            Self::Replayed => 2,
            Self::Discarded => 3,
        }
    }

    pub(crate) fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }
}

/// What an operator wants done with an open dead letter.
#[derive(Debug, Clone)]
pub(crate) enum Settle {
    /// Process it, with this value instead of its own if one is given.
    Replay { value: Option<Vec<u8>> },
    /// Give it up.
    Discard,
}

impl Settle {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "replay",
            Self::Discard => "discard",
        }
    }
}

/// Who wants something done out of turn, and why.
pub(crate) struct Operator<'a> {
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    /// Try everything, keep nothing.
    pub(crate) dry_run: bool,
}

/// A service's consumer, as operators use it.
pub(crate) trait OutOfTurn: Send + Sync {
    fn settle<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        event_id: Uuid,
        settle: &'a Settle,
        operator: &'a Operator<'a>,
    ) -> BoxFuture<'a, Result<Settled, SettleError>>;

    fn replay<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        window: &'a Window,
        operator: &'a Operator<'a>,
    ) -> BoxFuture<'a, anyhow::Result<Replayed>>;
}

/// A part of a topic, by the time at which its records were published.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) topic: String,
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {} to {}", self.topic, self.from, self.to)
    }
}

/// What reading it once more came to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Replayed {
    /// Records the service listens to.
    pub(crate) records: u64,
    /// Records it does not listen to.
    pub(crate) skipped: u64,
    /// Were processed before, and had no effect now.
    pub(crate) duplicates: u64,
    /// Had been missed, and had their effect now.
    pub(crate) applied: u64,
    pub(crate) dead_letters: u64,
    pub(crate) parked: u64,
}

impl std::fmt::Display for Replayed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} records: {} known, {} applied, {} dead-lettered, {} parked",
            self.records, self.duplicates, self.applied, self.dead_letters, self.parked
        )
    }
}

/// What settling one came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    /// Processed now: the dead letter itself, and what was parked behind it.
    pub(crate) applied: u64,
    /// Still parked, behind what failed again.
    pub(crate) parked: u64,
    /// What failed again, and why.
    pub(crate) failed: Vec<(Uuid, crate::batch::Reject)>,
}

impl std::fmt::Display for Settled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} applied, {} parked", self.applied, self.parked)?;
        for (event_id, reject) in &self.failed {
            write!(f, ", {event_id} failed: {reject}")?;
        }
        Ok(())
    }
}

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error("there is no dead letter {0}")]
    Unknown(Uuid),
    #[error("{0} is settled already")]
    Settled(Uuid),
    #[error("{0} is parked behind {1}: settle that one, and this one follows")]
    Parked(Uuid, Uuid),
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl From<sqlx::Error> for SettleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}
