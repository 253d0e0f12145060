//! Figures, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Where the lines are kept, in the folder that is named for them.
pub(super) const ROUNDS: &str = "rounds.jsonl";

/// Who was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Subject {
    Ours,
    /// The same work as most programs do it.
    Peer,
    /// Ours, with nothing that disturbs it.
    Clean,
    /// The same effects in the rows that most programs would write, by a plain connection.
    Plain,
    /// The same rows, written by a plain connection that does nothing else.
    Limit,
}

impl Subject {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Clean => "clean",
            Self::Plain => "plain",
            Self::Limit => "limit",
        }
    }
}

/// One subject in one round.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    pub(super) bench: &'static str,
    pub(super) subject: Subject,
    pub(super) round: u32,
    /// Nothing where the oracle found the run wrong.
    pub(super) per_s: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Of all processes: the service, the broker, the database, the client.
    pub(super) cpu_us_per_unit: Option<f64>,
    /// The same by process.
    pub(super) cpu_us: BTreeMap<String, f64>,
    /// Of one durable flush, before and after.
    pub(super) f_ms: f64,
    pub(super) f_after_ms: f64,
    /// From produce to fetch of a bare client.
    pub(super) k_ms: f64,
    pub(super) valid: bool,
    pub(super) why: Option<String>,
    #[serde(flatten)]
    pub(super) details: BTreeMap<&'static str, f64>,
}

/// A bench after its last round.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) summary: bool,
    pub(super) bench: String,
    /// What one unit is.
    pub(super) unit: String,
    /// Medians over the valid rounds: what ours does for each one that the other does.
    pub(super) ratios: BTreeMap<String, f64>,
    /// The least and the greatest of each ratio.
    pub(super) spread: BTreeMap<String, [f64; 2]>,
    /// Medians of what ours told beside its speed.
    pub(super) figures: BTreeMap<String, f64>,
    /// Medians of a second's units.
    pub(super) per_s: BTreeMap<String, f64>,
    pub(super) rounds: usize,
    pub(super) rounds_valid: usize,
    pub(super) cores: usize,
    /// How many processes wanted a core when it began and ended, ours included.
    pub(super) load: [f64; 2],
    pub(super) build: String,
    pub(super) valid: bool,
    /// What the oracle found wrong.
    pub(super) wrong: Vec<String>,
}

impl Summary {
    /// What makes the whole a broken promise.
    pub(super) fn void(&self) -> Vec<String> {
        let bench = &self.bench;
        self.wrong
            .iter()
            .map(|wrong| format!("{bench} is void: {wrong}"))
            .collect()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.name();
        write!(f, "{:<12} round {:<3} {subject:<6}", self.bench, self.round)?;
        match self.per_s {
            Some(per_s) => write!(f, " {per_s:>8.0}/s")?,
            None => write!(f, " {:>10}", "void")?,
        }
        if let Some(us) = self.cpu_us_per_unit {
            let spent = self.cpu_us.iter().filter(|(_, us)| **us >= 0.1);
            let by_process: Vec<_> = spent.map(|(name, us)| format!("{name} {us:.1}")).collect();
            write!(f, "  cpu {us:.1} µs ({})", by_process.join(", "))?;
        }
        if let Some((p50_ms, p99_ms)) = self.p50_ms.zip(self.p99_ms) {
            write!(f, "  p50 {p50_ms:.1} ms  p99 {p99_ms:.1} ms")?;
        }
        write!(f, "  F {:.2} ms  K {:.2} ms", self.f_ms, self.k_ms)?;
        for (name, value) in &self.details {
            write!(f, "  {} {value:.1}", name.replace('_', " "))?;
        }
        match &self.why {
            Some(why) => write!(f, "  NOT VALID: {why}"),
            None => Ok(()),
        }
    }
}

pub(super) struct Report {
    json: bool,
    /// The same lines as JSON, to be kept.
    kept: Option<Mutex<File>>,
}

impl Report {
    /// Keeps every line in the folder, if there is one.
    pub(super) fn new(json: bool, keep_in: Option<&Path>) -> anyhow::Result<Self> {
        let kept = keep_in.map(|folder| {
            std::fs::create_dir_all(folder)?;
            File::create(folder.join(ROUNDS))
        });
        let kept = kept.transpose().with_context(|| {
            let folder = keep_in.unwrap_or(Path::new("")).display();
            format!("cannot keep the rounds in {folder}")
        })?;
        Ok(Self {
            json,
            kept: kept.map(Mutex::new),
        })
    }

    /// Whether it was told as JSON, and nothing is left to be said.
    fn told(&self, document: &impl Serialize) -> anyhow::Result<bool> {
        let line = serde_json::to_string(document)?;
        if let Some(kept) = &self.kept {
            writeln!(kept.lock().expect("no holder panics"), "{line}")?;
        }
        if self.json {
            println!("{line}");
        }
        Ok(self.json)
    }

    pub(super) fn figure(&self, figure: &Figure) -> anyhow::Result<()> {
        if !self.told(figure)? {
            println!("{figure}");
        }
        Ok(())
    }

    pub(super) fn summary(&self, summary: &Summary) -> anyhow::Result<()> {
        if self.told(summary)? {
            return Ok(());
        }
        let Summary {
            bench,
            unit,
            rounds,
            rounds_valid,
            cores,
            load,
            ..
        } = summary;
        println!(
            "{bench}: {rounds_valid} of {rounds} rounds count, {cores} cores, load {load:.1?}"
        );
        for (subject, per_s) in &summary.per_s {
            println!("  {subject:<6} {per_s:.0} {unit}/s");
        }
        for (ratio, median) in &summary.ratios {
            let [least, greatest] = summary.spread[ratio];
            println!(
                "  {} {median:.2} ({least:.2} to {greatest:.2})",
                ratio.replace('_', " ")
            );
        }
        Ok(())
    }
}
