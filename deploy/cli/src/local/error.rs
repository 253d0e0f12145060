//! What can go wrong around a stack, as sentences for the person who typed the command.

use std::fmt::Display;
use std::path::PathBuf;

use super::ports::Claim;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what} is missing: {how}")]
    Missing { what: String, how: String },

    #[error("{}", taken(.0))]
    PortsTaken(Vec<Claim>),

    #[error(
        "port offset {0} moves a port beyond 65535: take one of at most {max}",
        max = super::ports::OFFSET_MAX
    )]
    PortOffset(u16),

    #[error("a stack is already running in {0}: `ticketrail down` stops it")]
    AlreadyRunning(PathBuf),

    #[error("no stack is written down in {0}: `ticketrail up` starts one")]
    NotRunning(PathBuf),

    #[error("{part} is no part of this stack")]
    UnknownPart { part: String },

    #[error("{doing} failed; the end of {log}:\n{tail}")]
    Tool {
        doing: String,
        log: PathBuf,
        tail: String,
    },

    #[error("{part} {why}; the end of {log}:\n{tail}")]
    Unhealthy {
        part: String,
        why: String,
        log: PathBuf,
        tail: String,
    },

    #[error("{doing}: {cause}")]
    Other { doing: String, cause: String },
}

impl Error {
    /// The exit code that the command line promises: 2 for wrong usage, 3 for the surroundings.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::PortOffset(_) | Self::UnknownPart { .. } => 2,
            Self::Missing { .. }
            | Self::PortsTaken(_)
            | Self::AlreadyRunning(_)
            | Self::NotRunning(_)
            | Self::Tool { .. }
            | Self::Unhealthy { .. }
            | Self::Other { .. } => 3,
        }
    }

    pub(crate) fn missing(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self::Missing {
            what: what.into(),
            how: how.into(),
        }
    }
}

/// Says what was being done when something failed, as `context` does elsewhere.
pub(crate) trait Doing<T> {
    fn doing(self, doing: impl Into<String>) -> Result<T>;
}

impl<T, E: Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl Into<String>) -> Result<T> {
        self.map_err(|cause| Error::Other {
            doing: doing.into(),
            cause: cause.to_string(),
        })
    }
}

fn taken(claims: &[Claim]) -> String {
    let each: Vec<String> = claims
        .iter()
        .map(|claim| format!("port {} ({})", claim.port, claim.wanted_by))
        .collect();
    let verb = if each.len() == 1 { "is" } else { "are" };
    format!(
        "{} {verb} taken by another program: stop it, or move the whole stack with --port-offset",
        each.join(", ")
    )
}
