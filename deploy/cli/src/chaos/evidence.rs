//! What a run found, for people, for programs, and to keep.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use super::fire::Struck;
use super::plan::Planned;
use super::profile::{Profile, Size};
use super::vacuity::{Check, Found};
use super::versions::Versions;
use crate::verify::Report;

pub(super) struct Outcome {
    pub(super) profile: Profile,
    pub(super) seed: u64,
    /// Another time under fire than the profile's.
    pub(super) minutes: Option<u64>,
    pub(super) versions: Versions,
    pub(super) size: Size,
    pub(super) plan: Vec<Planned>,
    pub(super) struck: Vec<Struck>,
    pub(super) found: Found,
    pub(super) checks: Vec<Check>,
    pub(super) report: Report,
    /// What the laws said that were asked every second all the while.
    pub(super) live: Report,
    pub(super) ended_after: Duration,
    /// Orders that had not ended by then.
    pub(super) left: i64,
    pub(super) acks_sha256: String,
    /// Services that ended without having been killed.
    pub(super) unexpected: Vec<String>,
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    profile: Profile,
    seed: u64,
    versions: &'a Versions,
    orders: i64,
    events: i64,
    found: &'a Found,
    checks: &'a [Check],
    violations: i64,
    ended_after_ms: u128,
    orders_left: i64,
    unexpected_ends: &'a [String],
    acks_sha256: &'a str,
    bound_percent: f64,
    valid: bool,
    ok: bool,
}

impl Outcome {
    pub(super) fn ok(&self) -> bool {
        self.verdict().is_ok()
    }

    /// What is broken, or why it says nothing.
    pub(super) fn verdict(&self) -> Result<(), String> {
        let mut why = Vec::new();
        if !self.report.ok() {
            why.push(format!("broken: {}", self.report.broken().join(", ")));
        }
        if !self.live.ok() {
            let broken = self.live.broken().join(", ");
            why.push(format!("broken while it went on: {broken}"));
        }
        if self.left > 0 {
            why.push(format!("{} orders have not ended", self.left));
        }
        let died: Vec<_> = self
            .unexpected
            .iter()
            .filter(|end| end.contains("signal"))
            .collect();
        if !died.is_empty() {
            why.push(format!("processes died that nobody killed: {died:?}"));
        }
        let failed = &self.found.last_calls_failed;
        if !failed.is_empty() {
            why.push(format!(
                "calls failed after all was healed: {}",
                failed.join("; ")
            ));
        }
        let unmet = self.unmet();
        if !unmet.is_empty() {
            why.push(format!(
                "invalid, for too little was seen of: {}",
                unmet.join("; ")
            ));
        }
        if why.is_empty() {
            Ok(())
        } else {
            Err(why.join(". "))
        }
    }

    fn unmet(&self) -> Vec<String> {
        let unmet = self.checks.iter().filter(|check| !check.ok());
        unmet
            .map(|check| format!("{} ({} of {})", check.what, check.seen, check.at_least))
            .collect()
    }

    /// No failure in n independent rounds bounds the rate of failures at about 3/n, with 95 %
    /// confidence.
    fn bound_percent(&self) -> f64 {
        let kills = u32::try_from(self.found.kills.max(1)).unwrap_or(u32::MAX);
        300.0 / f64::from(kills)
    }

    fn summary(&self) -> Summary<'_> {
        Summary {
            summary: true,
            profile: self.profile,
            seed: self.seed,
            versions: &self.versions,
            orders: self.report.orders,
            events: self.report.events,
            found: &self.found,
            checks: &self.checks,
            violations: self.report.violations() + self.live.violations(),
            ended_after_ms: self.ended_after.as_millis(),
            orders_left: self.left,
            unexpected_ends: &self.unexpected,
            acks_sha256: &self.acks_sha256,
            bound_percent: self.bound_percent(),
            valid: self.unmet().is_empty(),
            ok: self.ok(),
        }
    }

    /// One document per fault and law, and a summary.
    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        for struck in &self.struck {
            println!("{}", serde_json::to_string(struck)?);
        }
        for law in self.report.laws.iter().chain(&self.live.laws) {
            println!("{}", serde_json::to_string(law)?);
        }
        println!("{}", serde_json::to_string(&self.summary())?);
        Ok(())
    }

    pub(super) fn print(&self) {
        self.report.print();
        println!("\nEvery second while it went on:");
        self.live.print();
        println!("\n{:>10} {:>10}", "seen", "at least");
        for check in &self.checks {
            let mark = if check.ok() { "" } else { "   TOO FEW" };
            println!(
                "{:>10} {:>10}  {}{mark}",
                check.seen, check.at_least, check.what
            );
        }
        for unexpected in &self.unexpected {
            println!("{unexpected}");
        }
        println!("\n{}", self.sentence());
    }

    fn sentence(&self) -> String {
        let verdict = match self.verdict() {
            Ok(()) => format!(
                "no promise was broken, which bounds the rate of such failures at {:.2} % a kill \
                 (95 %)",
                self.bound_percent()
            ),
            Err(why) => why,
        };
        format!(
            "{} of seed {}: {} orders, {} faults, {} kills: {verdict}",
            self.profile.name(),
            self.seed,
            self.found.orders,
            self.found.faults,
            self.found.kills,
        )
    }

    /// A page to read, and everything as one document.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let doing = || format!("cannot write the evidence into {}", folder.display());
        std::fs::create_dir_all(folder).with_context(doing)?;
        let name = format!("chaos-{}-seed-{}", self.profile.name(), self.seed);
        let document = json!({
            "summary": self.summary(),
            "size": self.size,
            "plan": self.plan,
            "faults": self.struck,
            "laws": self.report.laws,
            "laws_all_the_while": self.live.laws,
        });
        std::fs::write(
            folder.join(format!("{name}.json")),
            serde_json::to_string_pretty(&document)? + "\n",
        )
        .with_context(doing)?;
        std::fs::write(folder.join(format!("{name}.md")), self.page()?).with_context(doing)
    }

    fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        let versions: Vec<_> = self
            .versions
            .iter()
            .map(|(what, version)| format!("{what} {version}"))
            .collect();
        let minutes = self
            .minutes
            .map_or_else(String::new, |minutes| format!(" --minutes {minutes}"));
        writeln!(
            page,
            "# Chaos: {}, seed {}\n",
            self.profile.name(),
            self.seed
        )?;
        writeln!(page, "{}.\n", self.sentence())?;
        writeln!(
            page,
            "{}. SHA-256 of the acknowledgements: `{}`. All orders had ended {:.1} s after the \
             load. Once more: `cargo run --features crash-points -- chaos --profile {} --seed \
             {}{}`.\n",
            versions.join(", "),
            self.acks_sha256,
            self.ended_after.as_secs_f32(),
            self.profile.name(),
            self.seed,
            minutes,
        )?;
        writeln!(page, "## Laws\n\n{}", table(&self.report)?)?;
        writeln!(
            page,
            "Every second while it went on:\n\n{}",
            table(&self.live)?
        )?;
        writeln!(
            page,
            "## What was seen\n\n| seen | at least | |\n| --: | --: | --- |"
        )?;
        for check in &self.checks {
            writeln!(
                page,
                "| {} | {} | {} |",
                check.seen, check.at_least, check.what
            )?;
        }
        writeln!(
            page,
            "\n## Faults\n\n| | at | fault | seen by |\n| --: | --- | --- | --- |"
        )?;
        for struck in &self.struck {
            writeln!(
                page,
                "| {} | {} | {} | {} |",
                struck.number,
                struck.began_at.format("%H:%M:%S%.3f"),
                struck.fault,
                struck.evidence.replace(['\n', '|'], " "),
            )?;
        }
        Ok(page)
    }
}

fn table(report: &Report) -> Result<String, std::fmt::Error> {
    let mut table = String::from("| law | checked | violations | |\n| --- | --: | --: | --- |\n");
    for law in &report.laws {
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            law.law, law.checked, law.violations, law.title
        )?;
    }
    Ok(table)
}
