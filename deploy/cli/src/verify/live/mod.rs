//! The laws that hold at every moment, asked every second while the suite runs and is broken.
//!
//! Each is about one database, and is asked in one repeatable-read transaction. **What a look costs
//! does not grow with the history**: what is only ever appended is read once, from where the look
//! before ended; what is remembered is bounded; and the one question that needs a whole table is
//! asked as seldom as its share of the time stays small (see [`books`]). What falls out of these
//! bounds is found at rest, by [`super::verify`].
//!
//! A database that does not answer is no violation: it is asked again a second later.

mod books;
mod events;
mod fences;
mod findings;
mod intake;
mod look;
mod parcels;
mod recent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Report, Source, copy};
use crate::local::Progress;
use findings::Findings;
use look::Look;

const EVERY: Duration = Duration::from_secs(1);

/// A watch that was set.
pub struct Watch {
    stop: CancellationToken,
    watching: JoinHandle<anyhow::Result<Report>>,
}

impl Watch {
    /// Returns after the first look; what was there before is none of the watch's business. With a
    /// history among the source's, promises are read as they are written down.
    pub async fn start(source: &Source, progress: &Progress) -> anyhow::Result<Self> {
        let findings = Arc::new(Findings::default());
        let mut looks = copy::SERVICES
            .iter()
            .map(|(service, _)| Look::new(source, service, &findings))
            .collect::<anyhow::Result<Vec<_>>>()?;
        look(&mut looks).await?;
        let stop = CancellationToken::new();
        let watching = watch(looks, findings, stop.clone(), progress.clone());
        Ok(Self {
            stop,
            watching: tokio::spawn(watching),
        })
    }

    /// Looks once more, and tells what was found in all looks.
    pub async fn stop(self) -> anyhow::Result<Report> {
        self.stop.cancel();
        self.watching.await.context("the watch has panicked")?
    }
}

async fn watch(
    mut looks: Vec<Look>,
    findings: Arc<Findings>,
    stop: CancellationToken,
    progress: Progress,
) -> anyhow::Result<Report> {
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    loop {
        let last = tokio::select! {
            () = stop.cancelled() => true,
            _ = tick.tick() => false,
        };
        let begun = Instant::now();
        look(&mut looks).await?;
        slowest = slowest.max(begun.elapsed());
        rounds += 1;
        if last {
            break;
        }
    }
    let blind: u64 = looks.iter().map(Look::blind).sum();
    progress.say(
        "verify",
        format!(
            "looked {rounds} times, for at most {} ms; {blind} times a database did not answer",
            slowest.as_millis()
        ),
    );
    Ok(findings.report())
}

async fn look(looks: &mut [Look]) -> anyhow::Result<()> {
    try_join_all(looks.iter_mut().map(Look::take)).await?;
    Ok(())
}
