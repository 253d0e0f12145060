//! The verb: a stack of its own, load, faults, heal, the laws, and nothing left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use shared::crash;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::arena::Arena;
use super::evidence::Outcome;
use super::history::History;
use super::load::Load;
use super::plan::{Planned, plan};
use super::poisoner::Poisoner;
use super::republisher::republish;
use super::tally::Tallies;
use super::vacuity::{self, Found, Told};
use super::{Chaos, fire, heal, staff, versions};
use crate::local::{Layout, Progress, ports};
use crate::verify::live::Watch;
use crate::verify::{self, Source};
use crate::{Broken, Usage, up};

/// Orders that are placed after the heal: new ones must do as well as ever.
const ORDERS_IN_PEACE: u64 = 100;

pub(super) async fn run(chaos: &Chaos) -> anyhow::Result<()> {
    if !crash::COMPILED_IN {
        return Err(Usage(format!(
            "this program has no crash points in it; run `cargo run --features crash-points -- \
             chaos --profile {} --seed {}`",
            chaos.profile.name(),
            chaos.seed
        ))
        .into());
    }
    let progress = Progress::to_stderr();
    let temporary =
        || std::env::temp_dir().join(format!("ticketrail-chaos-{}", std::process::id()));
    let dir = std::path::absolute(chaos.dir.clone().unwrap_or_else(temporary))?;
    if std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let dir = dir.display();
        return Err(Usage(format!(
            "{dir} is not empty: this judges what it did itself"
        ))
        .into());
    }
    let outcome = tokio::select! {
        outcome = chaos.run_in(&dir, &progress) => outcome,
        // Dropping the arena ends what was started.
        _ = up::interrupted() => Err(anyhow::anyhow!("interrupted; nothing is left running")),
    };
    let good = outcome.as_ref().is_ok_and(Outcome::ok);
    if good && chaos.dir.is_none() {
        Layout::new(&dir, 0)?.wipe()?;
        std::fs::remove_dir_all(&dir)
            .with_context(|| format!("cannot delete {}", dir.display()))?;
    } else {
        eprintln!("data, logs and history stay in {}", dir.display());
    }
    outcome?.verdict().map_err(|why| Broken(why).into())
}

impl Chaos {
    async fn run_in(&self, dir: &Path, progress: &Progress) -> anyhow::Result<Outcome> {
        let size = self.profile.size(self.minutes);
        let plan = plan(self.seed, &size);
        progress.say(
            "chaos",
            format!(
                "seed {}: {} faults in {}",
                self.seed,
                plan.len(),
                dir.display()
            ),
        );
        let layout = Layout::new(dir, ports::find_free_offset()?)?;
        let arena = Arena::build(&layout, self.previous_binary.clone(), progress).await?;
        let found = self.play(&arena, &plan).await;
        arena.close().await?;
        let outcome = found?;
        if self.json {
            outcome.print_json()?;
        } else {
            outcome.print();
        }
        if let Some(folder) = &self.evidence {
            outcome.write(folder)?;
        }
        Ok(outcome)
    }

    async fn play(&self, arena: &Arena, plan: &[Planned]) -> anyhow::Result<Outcome> {
        let (size, layout) = (self.profile.size(self.minutes), &arena.layout);
        let versions = versions::of(layout).await?;
        let history = History::begin(&history_dir(arena.dir()))?;
        let mut source = Source::of(layout);
        source.history = Some(verify::History::Folder(history.dir().to_owned()));
        let watch = Watch::start(&source, &arena.progress).await?;
        let load = Load::new(self.seed, layout, &history, &arena.progress)?;
        let tallies = Arc::new(Tallies::default());
        let stop = CancellationToken::new();
        // Also on an error, or the thread that copies records would go on and the program with it.
        let _stop = stop.clone().drop_guard();

        let mut others = JoinSet::new();
        others.spawn({
            let (layout, stop) = (layout.clone(), stop.clone());
            async move { staff::review(&layout, &stop).await }
        });
        others.spawn({
            let (layout, stop) = (layout.clone(), stop.clone());
            async move { staff::restock(&layout, &stop).await }
        });
        others.spawn(Arc::clone(&tallies).count(layout.clone(), stop.clone()));
        let poisoner = Poisoner::new(layout, arena.kafka(), &history).await?;
        arena.let_in(&poisoner);
        others.spawn(Arc::clone(&poisoner).run(
            self.seed,
            size.poison,
            size.under_fire,
            stop.clone(),
        ));
        let copies = tokio::spawn(republish(
            arena.kafka(),
            self.seed,
            size.republished,
            Arc::clone(&poisoner),
            stop.clone(),
        ));
        let customers = tokio::spawn(Arc::clone(&load).run(size.orders_per_s, stop.clone()));

        let struck = fire::fire(arena, plan).await;
        arena.progress.say("chaos", "heals");
        for member in arena.members() {
            member.until_ready().await?;
        }
        tokio::time::sleep(Duration::from_secs(
            ORDERS_IN_PEACE.div_ceil(size.orders_per_s),
        ))
        .await;
        let healed = Instant::now();
        stop.cancel();
        customers.await??;
        while let Some(ended) = others.join_next().await {
            ended??;
        }
        let republished = copies.await??;
        let last_calls = heal::last_calls(arena).await?;
        let (ended_after, left) = heal::until_ended(arena).await?;
        arena.progress.say(
            "chaos",
            format!(
                "{left} orders are left after {:.1} s",
                ended_after.as_secs_f32()
            ),
        );

        source.settle = heal::ENDED_WITHIN.saturating_sub(healed.elapsed());
        let (sent_after, mails) = heal::until_sent(arena).await?;
        let sent_after = sent_after.as_secs_f32();
        arena.progress.say(
            "chaos",
            format!("{mails} mails are left after {sent_after:.1} s more"),
        );
        let live = watch.stop().await?;
        let kills = arena.kills.lock().expect("no holder panics").clone();
        history.killed(&kills)?;
        let report = verify::verify(&source, &arena.progress).await?;
        let told = Told {
            tally: tallies.total(),
            republished,
            poison: poisoner.count(),
            last_calls_failed: last_calls,
        };
        let found = Found::gather(arena, &load, &struck, told).await?;
        Ok(Outcome {
            profile: self.profile,
            seed: self.seed,
            minutes: self.minutes,
            versions,
            size,
            checks: vacuity::check(&found, &self.profile.minimums(self.minutes)),
            found,
            plan: plan.to_vec(),
            struck,
            report,
            live,
            ended_after,
            left,
            acks_sha256: history.digest()?,
            unexpected: arena
                .members()
                .flat_map(|member| member.unexpected())
                .collect(),
        })
    }
}

fn history_dir(dir: &Path) -> PathBuf {
    dir.join("history")
}
