//! Why a batch does not commit, and what it then waits for.

use super::surge::Surge;
use crate::batch::HandlerError;

/// Why a batch did not commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// Another consumer has taken a partition over.
    #[error("a partition of this batch belongs to another consumer now")]
    Fenced,
    #[error("waiting for a schema: {0:#}")]
    Registry(anyhow::Error),
    #[error("the handler panicked: {0}")]
    Panicked(String),
    /// More is invalid than can be by chance: rather stop than fill the dead letters.
    #[error(transparent)]
    Surge(#[from] Surge),
    #[error(transparent)]
    Handler(#[from] HandlerError),
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Handler(error.into())
    }
}

impl BatchError {
    /// Time will mend it: the whole batch comes again, in order, and counts no attempt.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Fenced | Self::Panicked(_) => false,
            Self::Registry(_) | Self::Surge(_) => true,
            Self::Handler(HandlerError::Database(error)) => crate::db::is_transient(error),
            Self::Handler(HandlerError::Other(_)) => false,
        }
    }

    /// By which a dead letter is grouped that it is the reason for.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "handler-panicked",
            _ => "handler-failed",
        }
    }

    /// What the service is not ready for while this lasts.
    pub(crate) fn obstacle(&self) -> &'static str {
        match self {
            Self::Surge(_) => DEAD_LETTERS,
            Self::Registry(_) => SCHEMA_REGISTRY,
            _ => DATABASE,
        }
    }
}

const DATABASE: &str = "consumer-database";
const DEAD_LETTERS: &str = "dead-letters";
const SCHEMA_REGISTRY: &str = "schema-registry";
/// What may keep a batch waiting.
pub(crate) const OBSTACLES: [&str; 3] = [DATABASE, DEAD_LETTERS, SCHEMA_REGISTRY];
