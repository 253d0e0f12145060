//! What the samples come to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::load::Sample;
use super::{Run, stage::Shop};
use crate::bench::rounds::Latency;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Normal,
    SlowGateway,
    DeadMail,
}

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Normal, Self::SlowGateway, Self::DeadMail];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "all well",
            Self::SlowGateway => "gateway slow",
            Self::DeadMail => "mail server dead",
        })
    }
}

/// One phase of one system.
#[derive(Debug, Serialize)]
pub(super) struct PhaseFigure {
    bench: &'static str,
    subject: &'static str,
    #[serde(skip)]
    pub(super) system: String,
    pub(super) phase: String,
    pub(super) orders: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) lost: usize,
}

pub(super) fn of(runs: &[Run], phase_s: u64) -> Vec<PhaseFigure> {
    let mut figures = Vec::new();
    for run in runs {
        for (number, phase) in (0..).zip(Phase::ALL) {
            let samples = between(&run.samples, number * phase_s, (number + 1) * phase_s);
            let latency = Latency::of(samples.iter().map(|sample| sample.took).collect());
            figures.push(PhaseFigure {
                bench: "monolith",
                subject: run.shop.subject(),
                system: run.shop.to_string(),
                phase: phase.to_string(),
                orders: samples.len(),
                p50_ms: latency.p50_ms,
                p99_ms: latency.p99_ms,
                lost: lost(&samples),
            });
        }
    }
    figures
}

pub(super) fn summary(runs: &[Run], figures: &[PhaseFigure], valid: bool) -> Value {
    let of = |shop: Shop| {
        let run = runs.iter().find(|run| run.shop == shop);
        let lost = figures
            .iter()
            .filter(|figure| figure.subject == shop.subject());
        let lost: usize = lost.map(|figure| figure.lost).sum();
        run.map(|run| {
            json!({
                "lost": lost,
                "mails_lost": run.settled.mails_lost,
                "alone_answered_ms": run.alone.answered_ms,
                "alone_confirmed_ms": run.alone.confirmed_ms,
                "processes": run.footprint.processes,
                "rss_bytes": run.footprint.rss_bytes,
            })
        })
    };
    json!({
        "summary": true,
        "bench": "monolith",
        "ours": of(Shop::Ticketrail),
        "peer": of(Shop::Monolith),
        "valid": valid,
    })
}

/// Samples that were due from one second on and before another.
pub(super) fn between(samples: &[Sample], from_s: u64, until_s: u64) -> Vec<Sample> {
    let span = Duration::from_secs(from_s)..Duration::from_secs(until_s);
    samples
        .iter()
        .filter(|sample| span.contains(&sample.due))
        .cloned()
        .collect()
}

pub(super) fn lost(samples: &[Sample]) -> usize {
    samples
        .iter()
        .filter(|sample| sample.order_id.is_none())
        .count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Sample, between, lost};

    #[test]
    fn a_sample_belongs_to_the_second_in_which_it_was_due() {
        let sample = |due_ms, accepted: bool| Sample {
            due: Duration::from_millis(due_ms),
            took: Duration::from_millis(7),
            order_id: accepted.then(|| "id".to_owned()),
        };
        let samples = [
            sample(0, true),
            sample(999, false),
            sample(1000, false),
            sample(1500, true),
        ];

        assert_eq!(between(&samples, 0, 1).len(), 2);
        assert_eq!(lost(&between(&samples, 0, 1)), 1);
        assert_eq!(lost(&between(&samples, 1, 2)), 1);
        assert_eq!(lost(&samples), 2);
    }
}
