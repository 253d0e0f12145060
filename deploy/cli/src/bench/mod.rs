//! What Ticketrail does a second, beside what the same machine allows for the same rows.
//!
//! In the order of a run: a stack of its own ([`parts`]), what the machine is like ([`machine`]),
//! rounds of every subject in turn ([`rounds`]), one folder per bench, and the figures
//! ([`summary`], [`report`]).
//!
//! - **A figure is a ratio inside one run**: the same broker, the same Postgres, fresh databases
//!   and topics for each round, the subjects in turn.
//! - **A run that its oracle finds wrong has no figure**, and a round during which the disk changed
//!   its pace does not count.
//! - **The product runs as it is**, as a process of its own, relay and all.

mod apply_drain;
mod intake;
mod machine;
mod monolith;
mod parts;
mod report;
mod rounds;
mod rows;
mod summary;

use clap::{Args, ValueEnum};

use self::apply_drain::ApplyDrain;
use self::intake::Intake;
use self::monolith::MonolithArgs;
use self::parts::Parts;
use self::report::Report;
use self::rounds::Plan;
use crate::Broken;
use crate::local::Progress;

#[derive(Args)]
pub(crate) struct Bench {
    #[arg(required = true, value_enum)]
    names: Vec<Name>,
    /// Events or orders in a round. Default: 1000000 events, 50000 orders
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    n: Option<u32>,
    /// Rounds that count; those in which the disk changed its pace are run again, once each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Connections that place orders, each waiting for its answer before the next
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    clients: u32,
    #[command(flatten)]
    monolith: MonolithArgs,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// `OrderPlaced` events that wait in Kafka, through inventory
    ApplyDrain,
    /// Orders placed over HTTP, each answered after its commit
    Intake,
    /// The same load on a monolith, with the parties outside slow and away; draws two pictures
    Monolith,
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        tokio::select! {
            measured = self.measure() => measured,
            // Dropping the run ends what it has started.
            _ = crate::up::interrupted() => anyhow::bail!("interrupted; nothing is left running"),
        }
    }

    async fn measure(&self) -> anyhow::Result<()> {
        let progress = Progress::to_stderr();
        if cfg!(debug_assertions) {
            progress.say("bench", "this is a debug build: its figures say little");
        }
        if self.names.contains(&Name::Monolith) {
            monolith::run(&self.monolith, self.json, &progress).await?;
        }
        let in_rounds: Vec<_> = self
            .names
            .iter()
            .filter(|name| **name != Name::Monolith)
            .collect();
        if in_rounds.is_empty() {
            return Ok(());
        }
        let parts = Parts::start(&progress).await?;
        let report = Report::new(self.json);
        let mut void = Vec::new();
        for name in in_rounds {
            let plan = Plan {
                rounds: self.rounds,
                report: &report,
                progress: &progress,
            };
            let summary = match name {
                Name::ApplyDrain => {
                    let events = self.n.unwrap_or(1_000_000);
                    plan.run(&parts, ApplyDrain::new(events)).await?
                }
                Name::Intake => {
                    let orders = self.n.unwrap_or(50_000);
                    plan.run(&parts, Intake::new(orders, self.clients)).await?
                }
                Name::Monolith => unreachable!("it has had its turn"),
            };
            report.summary(&summary)?;
            void.extend(summary.void());
        }
        parts.end().await?;
        if void.is_empty() {
            Ok(())
        } else {
            Err(Broken(void.join("; ")).into())
        }
    }
}
