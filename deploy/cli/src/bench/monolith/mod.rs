//! The same load on Ticketrail and on a monolith that does one order as one synchronous chain.
//!
//! In the order of a run: a [`stage`] with both on it, one order alone, the open-loop [`load`] in
//! three phases, what it came to ([`figures`]), and two pictures ([`plot`]).
//!
//! - **Requests are sent when they are due**, whatever became of those before, and their time
//!   counts from then.
//! - **An order is lost when its customer has heard of no success within five seconds.**
//! - The slow party outside is the payment gateway for the monolith, and the scoring of payments
//!   for Ticketrail, which takes as long and has nobody who waits for it.

mod alone;
mod figures;
mod load;
mod plot;
mod settle;
mod stage;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use self::figures::{Phase, PhaseFigure};
use self::load::{Load, Sample};
use self::settle::{Footprint, Settled};
use self::stage::{Shop, Stage};
use crate::Broken;
use crate::local::Progress;

#[derive(Debug, Clone, Args)]
pub(super) struct MonolithArgs {
    /// `monolith`: orders a second
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
    /// `monolith`: how long each of the three phases lasts
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    phase_s: u64,
}

/// One subject's run.
struct Run {
    shop: Shop,
    samples: Vec<Sample>,
    alone: alone::Alone,
    settled: Settled,
    footprint: Footprint,
}

/// The pictures go into `out`.
pub(super) async fn run(
    args: &MonolithArgs,
    out: &Path,
    json: bool,
    progress: &Progress,
) -> anyhow::Result<()> {
    let stage = Stage::start(progress).await?;
    let mut runs = Vec::new();
    for shop in [Shop::Monolith, Shop::Ticketrail] {
        progress.say("monolith", format!("{shop}: one order alone"));
        let alone = alone::measure(&stage, shop).await?;
        progress.say("monolith", format!("{shop}: {} orders a second", args.rate));
        let samples = measure(args, &stage, shop, progress).await?;
        progress.say("monolith", format!("{shop}: waits until all is settled"));
        let settled = settle::settle(&stage, shop, &samples).await?;
        let footprint = stage.footprint(shop).await?;
        runs.push(Run {
            shop,
            samples,
            alone,
            settled,
            footprint,
        });
    }
    stage.end().await?;

    let wrong: Vec<&str> = runs
        .iter()
        .filter_map(|run| run.settled.missing.as_deref())
        .collect();
    let figures = figures::of(&runs, args.phase_s);
    report(&runs, &figures, json, wrong.is_empty())?;
    let pictures = plot::draw(&runs, args.phase_s, out)?;
    progress.say("monolith", format!("drew {}", pictures.join(" and ")));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Broken(wrong.join("; ")).into())
    }
}

async fn measure(
    args: &MonolithArgs,
    stage: &Stage,
    shop: Shop,
    progress: &Progress,
) -> anyhow::Result<Vec<Sample>> {
    let seconds = Phase::ALL.len() as u64 * args.phase_s;
    let load = Load {
        rate: args.rate,
        orders: args.rate * u32::try_from(seconds)?,
    };
    let requests = stage.requests(shop, load.orders)?;
    let disturbing = async {
        for phase in Phase::ALL {
            progress.say("monolith", format!("{shop}: {phase}"));
            stage.enter(shop, phase).await?;
            tokio::time::sleep(Duration::from_secs(args.phase_s)).await;
        }
        anyhow::Ok(())
    };
    let (samples, disturbed) = tokio::join!(load.run(requests), disturbing);
    disturbed?;
    stage.enter(shop, Phase::Normal).await?;
    samples
}

fn report(runs: &[Run], figures: &[PhaseFigure], json: bool, valid: bool) -> anyhow::Result<()> {
    if json {
        for figure in figures {
            println!("{}", serde_json::to_string(figure)?);
        }
        println!("{}", figures::summary(runs, figures, valid));
        return Ok(());
    }
    println!(
        "{:12} {:16} {:>7} {:>9} {:>9} {:>6}",
        "", "phase", "orders", "p50", "p99", "lost"
    );
    for figure in figures {
        println!(
            "{:12} {:16} {:>7} {:>6.0} ms {:>6.0} ms {:>6}",
            figure.system, figure.phase, figure.orders, figure.p50_ms, figure.p99_ms, figure.lost
        );
    }
    for run in runs {
        println!("{}", run.describe());
    }
    Ok(())
}

impl Run {
    fn describe(&self) -> String {
        format!(
            "{}: one order alone {:.0} ms to the answer, {:.0} ms until it is confirmed; {} mails \
             lost; {} processes, {} MB",
            self.shop,
            self.alone.answered_ms,
            self.alone.confirmed_ms,
            self.settled.mails_lost,
            self.footprint.processes,
            self.footprint.rss_bytes / 1_000_000
        )
    }
}
