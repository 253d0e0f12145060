//! What is to be reached, and what was.

use std::fmt;

use super::report::Summary;

struct Target {
    what: &'static str,
    bench: &'static str,
    /// Of the bench's ratios or figures.
    figure: &'static str,
    enough: f64,
    aim: f64,
    less_is_better: bool,
}

impl Target {
    const fn more(
        what: &'static str,
        (bench, figure): (&'static str, &'static str),
        enough: f64,
        aim: f64,
    ) -> Self {
        Self {
            what,
            bench,
            figure,
            enough,
            aim,
            less_is_better: false,
        }
    }

    const fn less(
        what: &'static str,
        of: (&'static str, &'static str),
        enough: f64,
        aim: f64,
    ) -> Self {
        Self {
            less_is_better: true,
            ..Self::more(what, of, enough, aim)
        }
    }
}

const TARGETS: &[Target] = &[
    Target::more(
        "events applied, beside the same rows written by a plain connection",
        ("apply-drain", "ours_to_limit"),
        0.70,
        0.85,
    ),
    Target::more(
        "events applied, beside the plain layout written by a plain connection",
        ("apply-drain", "ours_to_plain"),
        1.0,
        1.6,
    ),
    Target::more(
        "events applied, beside the textbook with 16 in flight",
        ("apply-drain", "ours_to_peer"),
        10.0,
        25.0,
    ),
    Target::more(
        "with repeats, bad records and a kill, beside without",
        ("apply-drain-dup", "ours_to_clean"),
        0.6,
        0.8,
    ),
    Target::more(
        "nine orders of ten for one article, beside all articles alike",
        ("hot-sku", "ours_to_clean"),
        0.7,
        0.95,
    ),
    Target::more(
        "with a long history in the inbox, beside none",
        ("history-growth", "ours_to_clean"),
        0.90,
        0.98,
    ),
    Target::more(
        "with every order traced, beside tracing off",
        ("otel-cost", "ours_to_clean"),
        0.90,
        0.98,
    ),
    Target::more(
        "orders that share a flush",
        ("intake", "orders_per_flush"),
        10.0,
        50.0,
    ),
    Target::more(
        "orders taken over HTTP, beside one transaction each on 32 connections",
        ("intake", "ours_to_peer"),
        2.0,
        5.0,
    ),
    Target::more(
        "records relayed, beside a bare producer",
        ("relay", "ours_to_limit"),
        0.5,
        0.8,
    ),
    Target::more(
        "records relayed beside an old reader and an open writer, beside without",
        ("relay-pinned", "ours_to_clean"),
        0.9,
        0.98,
    ),
    Target::less(
        "bytes of write-ahead log for each byte of a row that inventory writes",
        ("apply-drain", "wal_to_rows"),
        1.3,
        1.1,
    ),
    Target::less(
        "MB of memory that inventory keeps after a full load",
        ("apply-drain", "rss_mb"),
        40.0,
        15.0,
    ),
    Target::less(
        "percent of a core that inventory takes when idle",
        ("apply-drain", "idle_cpu_percent"),
        1.0,
        0.2,
    ),
    Target::more(
        "whole orders, beside the same rows and records with nothing to decide",
        ("saga", "ours_to_limit"),
        0.40,
        0.65,
    ),
    Target::less(
        "99th percentile from placing to the decision at half load, beside 3 flushes and 2 hops",
        ("saga-latency", "p99_to_floor"),
        6.0,
        3.0,
    ),
    Target::less(
        "ms in which nobody's order is decided while services are restarted at half load",
        ("rolling-restart", "longest_stall_ms"),
        1_000.0,
        100.0,
    ),
    Target::more(
        "orders decided after an outage, beside those that come",
        ("outage", "drain_to_steady"),
        2.0,
        5.0,
    ),
    Target::more(
        "events applied by two processes, beside one",
        ("two-instances", "ours_to_clean"),
        1.0,
        1.0,
    ),
    Target::more(
        "events applied by four processes, beside one",
        ("four-instances", "ours_to_clean"),
        1.0,
        1.0,
    ),
    Target::less(
        "dead rows that the relay leaves",
        ("relay", "dead_rows"),
        0.0,
        0.0,
    ),
];

/// One target, beside what was measured.
pub(super) struct Reached {
    target: &'static Target,
    value: f64,
}

/// In the order of the targets; those whose bench has no valid figure are left out.
pub(super) fn reached(summaries: &[Summary]) -> Vec<Reached> {
    let reached = TARGETS.iter().filter_map(|target| {
        let summary = summaries
            .iter()
            .find(|summary| summary.bench == target.bench && summary.valid)?;
        let value = summary.ratios.get(target.figure);
        let value = value.or_else(|| summary.figures.get(target.figure));
        Some(Reached {
            target,
            value: *value?,
        })
    });
    reached.collect()
}

impl Reached {
    fn meets(&self, bound: f64) -> bool {
        if self.target.less_is_better {
            self.value <= bound
        } else {
            self.value >= bound
        }
    }

    pub(super) fn verdict(&self) -> &'static str {
        if self.meets(self.target.aim) {
            "aim reached"
        } else if self.meets(self.target.enough) {
            "holds"
        } else {
            "MISSED"
        }
    }

    /// Measure, reached, enough, aim, verdict.
    pub(super) fn cells(&self) -> [String; 5] {
        let Target {
            what, enough, aim, ..
        } = self.target;
        [
            (*what).to_owned(),
            number(self.value),
            number(*enough),
            number(*aim),
            self.verdict().to_owned(),
        ]
    }
}

fn number(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [what, value, enough, aim, verdict] = self.cells();
        write!(
            f,
            "{what:<72} {value:>6}  enough {enough:>4}  aim {aim:>4}  {verdict}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Reached, TARGETS};

    #[track_caller]
    fn check(what: &str, value: f64, verdict: &str) {
        let target = TARGETS
            .iter()
            .find(|target| target.what.starts_with(what))
            .expect("there is one");
        assert_eq!(Reached { target, value }.verdict(), verdict, "{value}");
    }

    #[test]
    fn more_is_better_unless_less_is() {
        check("orders that share a flush", 9.9, "MISSED");
        check("orders that share a flush", 10.0, "holds");
        check("orders that share a flush", 50.0, "aim reached");
        check("dead rows", 0.0, "aim reached");
        check("dead rows", 1.0, "MISSED");
    }
}
