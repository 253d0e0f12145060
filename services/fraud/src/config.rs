//! Settings that only fraud has.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use crate::domain::Policy;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// From this score on a reviewer decides. 1 switches it off: no score reaches it.
    #[arg(long, env = "FRAUD_HOLD_SCORE", default_value_t = 0.6)]
    pub fraud_hold_score: f64,
    /// From this score on the transaction is blocked. 1 switches it off.
    #[arg(long, env = "FRAUD_BLOCK_SCORE", default_value_t = 0.9)]
    pub fraud_block_score: f64,
    /// What one scoring takes at least: makes the model as slow as a real one may be.
    #[arg(long, env = "SCORING_DELAY_MS", default_value_t = 0)]
    pub scoring_delay_ms: u32,
    /// How long the bureau takes to answer about a card that needs its answer (`tok_slow_…`).
    #[arg(long, env = "LATE_VERDICT_MS", default_value_t = 45_000)]
    pub late_verdict_ms: u32,
}

impl Config {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            hold: self.fraud_hold_score,
            block: self.fraud_block_score,
            bureau_takes: TimeDelta::milliseconds(self.late_verdict_ms.into()),
        }
    }

    pub(crate) fn scoring_delay(&self) -> Duration {
        Duration::from_millis(self.scoring_delay_ms.into())
    }
}
