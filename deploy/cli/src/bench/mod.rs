//! What Ticketrail does a second, beside what the same machine allows for the same rows.
//!
//! In the order of a run: a stack of its own ([`parts`]), what the machine is like ([`machine`]),
//! rounds of every subject in turn ([`rounds`]), one folder per bench, the figures ([`summary`],
//! [`report`]), which [`targets`] they reach, and a [`page`] of them.
//!
//! - **A figure is a ratio inside one run**: the same broker, the same Postgres, fresh databases
//!   and topics for each round, the subjects in turn.
//! - **A run that its oracle finds wrong has no figure**, and a round during which the disk changed
//!   its pace does not count.
//! - **The product runs as it is**, as a process of its own, relay and all.

mod apply_drain;
mod codec;
mod intake;
mod kafka;
mod machine;
mod monolith;
mod page;
mod parts;
mod relay;
mod report;
mod rounds;
mod rows;
mod saga;
mod scale;
mod summary;
mod targets;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::apply_drain::{ApplyDrain, Disturbance, Disturbed};
use self::codec::CodecBench;
use self::intake::Intake;
use self::monolith::MonolithArgs;
use self::parts::Parts;
use self::relay::Relay;
use self::report::{Report, Summary};
use self::rounds::Plan;
use self::saga::{Meanwhile, Saga, SagaLatency};
use crate::Broken;
use crate::local::Progress;

#[derive(Args)]
pub(crate) struct Bench {
    #[arg(required = true, value_enum)]
    names: Vec<Name>,
    /// About two minutes a bench, instead of what a record needs
    #[arg(long)]
    quick: bool,
    /// Events, records or orders in a round, instead of the bench's own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    n: Option<u32>,
    /// Rounds that count; those in which the disk changed its pace are run again, once each
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Connections that place orders, each waiting for its answer before the next
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    clients: u32,
    #[command(flatten)]
    monolith: MonolithArgs,
    #[arg(long)]
    json: bool,
    /// Where `all` keeps its rounds, `report` finds them, and pages and pictures go
    #[arg(long, default_value = "docs/benchmarks")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// `OrderPlaced` events that wait in Kafka, through inventory
    ApplyDrain,
    /// The same with repeats, records that cannot be read, and a kill half way
    ApplyDrainDup,
    /// The same with nine orders of ten for one article
    HotSku,
    /// The same with an inbox that knows ten million events
    HistoryGrowth,
    /// The same with every order traced
    OtelCost,
    /// The same with two processes that share the work
    TwoInstances,
    /// The same with four
    FourInstances,
    /// Orders placed over HTTP, each answered after its commit
    Intake,
    /// A backlog in the outbox, through the relay
    Relay,
    /// The same with a reader and a writer that do not end
    RelayPinned,
    /// Orders over HTTP, through all services, to their end
    Saga,
    /// From placing to the decision, at half the load that the suite can take
    SagaLatency,
    /// The same while every service but order is restarted, one after the other
    RollingRestart,
    /// The same with inventory away for a minute, and how fast what waited is decided
    Outage,
    /// The same while services, Postgres and Kafka are killed in turn
    CrashRecovery,
    /// The same while old events are replayed and everything is read
    NoisyMix,
    /// Events to bytes and back
    Codec,
    /// An hour of orders, and what it has made slower and larger
    Soak,
    /// The same load on us and on a monolith, with the parties outside slow and away; draws two
    /// pictures
    Monolith,
    /// Every bench but `soak` and `monolith`, and which targets hold
    All,
    /// A page and a picture of what `all` kept
    Report,
}

/// What `all` runs, in this order.
const ALL: [Name; 17] = [
    Name::ApplyDrain,
    Name::ApplyDrainDup,
    Name::HotSku,
    Name::HistoryGrowth,
    Name::OtelCost,
    Name::TwoInstances,
    Name::FourInstances,
    Name::Intake,
    Name::Relay,
    Name::RelayPinned,
    Name::Saga,
    Name::SagaLatency,
    Name::RollingRestart,
    Name::Outage,
    Name::CrashRecovery,
    Name::NoisyMix,
    Name::Codec,
];

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
        let mut in_rounds = Vec::new();
        let mut keeps = false;
        for name in &self.names {
            match name {
                Name::Monolith => {
                    monolith::run(&self.monolith, &self.out, self.json, &progress).await?;
                }
                Name::Report => page::write(&self.out)?,
                Name::All => {
                    in_rounds.extend(ALL);
                    keeps = true;
                }
                name => in_rounds.push(*name),
            }
        }
        if in_rounds.is_empty() {
            return Ok(());
        }
        let report = Report::new(self.json, keeps.then_some(self.out.as_path()))?;
        let parts = Parts::start(in_rounds.contains(&Name::OtelCost), &progress).await?;
        let mut summaries = Vec::new();
        for name in in_rounds {
            let summary = self.bench(name, &parts, &report, &progress).await?;
            report.summary(&summary)?;
            summaries.push(summary);
        }
        parts.end().await?;
        if keeps && !self.json {
            println!();
            for reached in targets::reached(&summaries) {
                println!("{reached}");
            }
        }
        let void: Vec<_> = summaries.iter().flat_map(Summary::void).collect();
        if void.is_empty() {
            Ok(())
        } else {
            Err(Broken(void.join("; ")).into())
        }
    }

    async fn bench(
        &self,
        name: Name,
        parts: &Parts,
        report: &Report,
        progress: &Progress,
    ) -> anyhow::Result<Summary> {
        let plan = Plan {
            rounds: self.rounds.unwrap_or(if self.quick { 2 } else { 3 }),
            report,
            progress,
        };
        let size = |full, quick| self.n.unwrap_or(if self.quick { quick } else { full });
        let records = size(500_000, 300_000);
        let disturbed = |by| Disturbed::new(by, records);
        let load = saga::Load {
            orders: size(10_000, 5_000),
            clients: self.clients,
            progress: progress.clone(),
        };
        let saga = async |meanwhile| {
            plan.run(parts, SagaLatency::new(load.clone(), meanwhile))
                .await
        };
        match name {
            Name::ApplyDrain => plan.run(parts, ApplyDrain::new(records)).await,
            Name::ApplyDrainDup => plan.run(parts, disturbed(Disturbance::Repeats)).await,
            Name::HotSku => plan.run(parts, disturbed(Disturbance::HotSku)).await,
            Name::HistoryGrowth => {
                let events = if self.quick { 1_000_000 } else { 10_000_000 };
                let history = Disturbance::History { events };
                plan.run(parts, disturbed(history)).await
            }
            Name::OtelCost => plan.run(parts, disturbed(Disturbance::Traces)).await,
            Name::TwoInstances => plan.run(parts, disturbed(Disturbance::TwoInstances)).await,
            Name::FourInstances => plan.run(parts, disturbed(Disturbance::FourInstances)).await,
            Name::Intake => {
                let orders = size(30_000, 20_000);
                plan.run(parts, Intake::new(orders, self.clients)).await
            }
            Name::Relay => plan.run(parts, Relay::new(records)).await,
            Name::RelayPinned => plan.run(parts, Relay::pinned(records)).await,
            Name::Saga => plan.run(parts, Saga::new(load.clone())).await,
            Name::SagaLatency => saga(Meanwhile::Nothing).await,
            Name::RollingRestart => saga(Meanwhile::Restarts).await,
            Name::Outage => {
                let away = Duration::from_secs(if self.quick { 15 } else { 60 });
                saga(Meanwhile::Outage(away)).await
            }
            Name::CrashRecovery => saga(Meanwhile::Kills).await,
            Name::NoisyMix => saga(Meanwhile::Noise(Duration::from_secs(20))).await,
            Name::Soak => {
                let lasts = Duration::from_secs(if self.quick { 120 } else { 3600 });
                let soak = SagaLatency::new(load, Meanwhile::Soak(lasts));
                Plan { rounds: 1, ..plan }.run(parts, soak).await
            }
            Name::Codec => {
                let events = size(1_000_000, 500_000);
                plan.run(parts, CodecBench::new(events)).await
            }
            Name::Monolith | Name::All | Name::Report => {
                unreachable!("it is no bench in rounds")
            }
        }
    }
}
