//! The settings that order adds.

use chrono::TimeDelta;
use clap::Args;

use crate::saga::Rules;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// How long fraud may take before policy decides without a verdict.
    #[arg(long, env = "VERDICT_DEADLINE_MS", default_value_t = 30_000)]
    pub verdict_deadline_ms: u32,
    /// Without a verdict, orders up to this amount go on, and dearer ones wait.
    #[arg(long, env = "VERDICT_POLICY_AMOUNT_MINOR", default_value_t = 20_000)]
    pub verdict_policy_amount_minor: i64,
    /// How long a reviewer may take, or a verdict that is overdue. Default: a day.
    #[arg(long, env = "HOLD_DEADLINE_MS", default_value_t = 24 * 60 * 60 * 1000)]
    pub hold_deadline_ms: u32,
    /// How long inventory may be silent before the order is cancelled.
    #[arg(long, env = "STOCK_DEADLINE_MS", default_value_t = 60_000)]
    pub stock_deadline_ms: u32,
    /// How long a confirmed order may wait for its first parcel to leave. Default: 14 days.
    #[arg(long, env = "DISPATCH_DEADLINE_MS", default_value_t = 14 * 24 * 60 * 60 * 1000)]
    pub dispatch_deadline_ms: u32,
    /// How long participants may take to acknowledge a cancellation before it shows as overdue.
    #[arg(long, env = "ACK_DEADLINE_MS", default_value_t = 30_000)]
    pub ack_deadline_ms: u32,
    /// Where people look at traces; timelines link to it.
    #[arg(long, env = "JAEGER_UI_URL", default_value = "http://127.0.0.1:16686")]
    pub jaeger_ui_url: String,
}

impl Config {
    pub(crate) fn rules(&self) -> Rules {
        let after = |ms: u32| TimeDelta::milliseconds(i64::from(ms));
        Rules {
            verdict_deadline: after(self.verdict_deadline_ms),
            verdict_policy_amount_minor: self.verdict_policy_amount_minor,
            hold_deadline: after(self.hold_deadline_ms),
            stock_deadline: after(self.stock_deadline_ms),
            dispatch_deadline: after(self.dispatch_deadline_ms),
            ack_deadline: after(self.ack_deadline_ms),
        }
    }
}
