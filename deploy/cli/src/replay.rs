//! A part of a topic once more to one service, beside what it reads by itself.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;
use shared::clock::process_now;

use crate::operations::Target;

#[derive(Args)]
pub(crate) struct Replay {
    /// For example `order.events`.
    #[arg(long)]
    topic: String,
    /// Records published from then on, for example `2026-11-26T10:00:00Z`.
    #[arg(long)]
    from: DateTime<Utc>,
    /// Up to then; without it, up to now.
    #[arg(long)]
    to: Option<DateTime<Utc>>,
    /// Why; written down beside who.
    #[arg(long)]
    reason: String,
    /// Say what would be applied, and keep nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: Target,
}

impl Replay {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let service = self.target.only()?.to_owned();
        let body = json!({
            "topic": self.topic, "from": self.from, "to": self.to.unwrap_or_else(process_now),
            "reason": self.reason, "dry_run": self.dry_run,
        });
        let operations = self.target.open()?;
        let replayed = operations.post(&service, "/replay", &body).await?;
        if self.target.json {
            println!("{replayed}");
            return Ok(());
        }
        println!(
            "{service}: {} records, {} of no interest; {} known, {} applied, {} dead-lettered, \
             {} parked{}",
            replayed["records"],
            replayed["skipped"],
            replayed["duplicates"],
            replayed["applied"],
            replayed["dead_letters"],
            replayed["parked"],
            if self.dry_run {
                "  (a dry run: nothing was kept)"
            } else {
                ""
            },
        );
        Ok(())
    }
}
