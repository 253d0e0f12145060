//! Every subject in turn, round after round, and what the rounds come to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parts::Parts;
use super::report::{Figure, Report, Subject, Summary};
use super::summary::count_valid;
use super::{machine, summary};
use crate::local::Progress;

/// A round during which F moved by more than this share has compared two different disks.
const F_MOVES_MAX: f64 = 0.25;
/// Where a cache takes the flushes, they last no longer than a busy core makes them wait.
const F_MOVES_MIN_MS: f64 = 0.1;

/// One bench.
pub(super) trait Workload {
    fn about(&self) -> About;

    /// Units of a round that warms caches and compilers up, and is thrown away.
    fn warm_up(&self) -> Self;

    /// Fresh databases and topics, and all that is not to be measured.
    async fn prepare(&mut self, parts: &Parts, round: u32) -> anyhow::Result<()>;

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured>;

    /// Leaves nothing that a later round would feel.
    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()>;
}

#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) name: &'static str,
    /// What one unit is.
    pub(super) unit: &'static str,
    /// In the order of a round. Ours comes first, because others write its rows once more.
    pub(super) subjects: &'static [Subject],
}

/// What one subject did.
pub(super) struct Measured {
    pub(super) units: u64,
    pub(super) took: Duration,
    pub(super) cpu: machine::Cpu,
    pub(super) latency: Option<Latency>,
    pub(super) details: BTreeMap<&'static str, f64>,
    /// What the oracle says against it.
    pub(super) wrong: Vec<String>,
}

impl Measured {
    /// With nothing to add, and nothing against it.
    pub(super) fn new(units: u64, took: Duration, cpu: machine::Cpu) -> Self {
        Self {
            units,
            took,
            cpu,
            latency: None,
            details: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }
}

pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Latency {
    /// Of all requests; at least one.
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let position = ((times.len() - 1) as f64 * share).round() as usize;
            times[position].as_secs_f64() * 1e3
        };
        Self {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}

pub(super) struct Plan<'a> {
    pub(super) rounds: u32,
    pub(super) report: &'a Report,
    pub(super) progress: &'a Progress,
}

impl Plan<'_> {
    pub(super) async fn run<W: Workload>(
        &self,
        parts: &Parts,
        mut workload: W,
    ) -> anyhow::Result<Summary> {
        let about = workload.about();
        self.progress.say(about.name, "warming up");
        let mut warm_up = workload.warm_up();
        warm_up.prepare(parts, 0).await?;
        for subject in about.subjects {
            warm_up.measure(parts, *subject).await?;
        }
        warm_up.clear(parts).await?;

        let load_before = machine::load();
        let mut rounds: Vec<Vec<Figure>> = Vec::new();
        let mut wrong = Vec::new();
        while wrong.is_empty()
            && count_valid(&rounds) < self.rounds as usize
            && rounds.len() < 2 * self.rounds as usize
        {
            let round = u32::try_from(rounds.len()).expect("there are few rounds") + 1;
            self.progress.say(about.name, format!("round {round}"));
            workload.prepare(parts, round).await?;
            let (figures, found) = self.round(parts, &mut workload, round).await?;
            workload.clear(parts).await?;
            rounds.push(figures);
            wrong = found;
        }
        Ok(summary::of(
            about,
            &rounds,
            wrong,
            [load_before, machine::load()],
        ))
    }

    async fn round<W: Workload>(
        &self,
        parts: &Parts,
        workload: &mut W,
        round: u32,
    ) -> anyhow::Result<(Vec<Figure>, Vec<String>)> {
        let k_ms = machine::hop_ms(&parts.kafka()).await?;
        let mut f_ms = machine::flush_ms(parts.dir())?;
        let mut figures = Vec::new();
        let mut wrong = Vec::new();
        for subject in workload.about().subjects {
            // Or the first subject would pay for the full pages after it, and the next would not.
            parts.checkpoint().await?;
            let measured = workload.measure(parts, *subject).await?;
            let f_after_ms = machine::flush_ms(parts.dir())?;
            let figure = figure(
                workload.about().name,
                *subject,
                round,
                &measured,
                [f_ms, f_after_ms],
                k_ms,
            );
            self.report.figure(&figure)?;
            wrong.extend(measured.wrong);
            figures.push(figure);
            f_ms = f_after_ms;
        }
        Ok((figures, wrong))
    }
}

fn figure(
    bench: &'static str,
    subject: Subject,
    round: u32,
    measured: &Measured,
    [f_ms, f_after_ms]: [f64; 2],
    k_ms: f64,
) -> Figure {
    let units = measured.units as f64;
    let mut why = Vec::new();
    let moved_ms = (f_after_ms - f_ms).abs();
    if moved_ms > F_MOVES_MIN_MS && moved_ms > f_ms * F_MOVES_MAX {
        why.push(format!(
            "a flush took {f_ms:.2} ms before and {f_after_ms:.2} ms after"
        ));
    }
    why.extend(measured.wrong.iter().cloned());
    let right = measured.wrong.is_empty();
    Figure {
        bench,
        subject,
        round,
        per_s: right.then(|| units / measured.took.as_secs_f64()),
        p50_ms: measured.latency.as_ref().map(|latency| latency.p50_ms),
        p99_ms: measured.latency.as_ref().map(|latency| latency.p99_ms),
        cpu_us_per_unit: right.then(|| measured.cpu.total().as_secs_f64() * 1e6 / units),
        cpu_us: measured.cpu.per_unit(units),
        f_ms,
        f_after_ms,
        k_ms,
        valid: why.is_empty(),
        why: (!why.is_empty()).then(|| why.join("; ")),
        details: measured.details.clone(),
    }
}
