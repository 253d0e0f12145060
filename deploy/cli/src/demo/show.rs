//! The verb: a stack, the fates, the table, the laws, and nothing left.

use serde::Serialize;

use super::Demo;
use super::play::play;
use super::stage::{Place, Stage};
use super::table::{self, Row};
use crate::local::Progress;
use crate::verify::{self, Report, Source};
use crate::{Broken, up};

/// The last document.
#[derive(Serialize)]
struct Summary {
    summary: bool,
    fates: usize,
    fates_that_differ: usize,
    orders: i64,
    events: i64,
    violations: i64,
    laws_that_checked_nothing: usize,
    ok: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let progress = Progress::to_stderr();
        let place = Place::of(&self)?;
        let shown = tokio::select! {
            shown = self.show_at(&place, &progress) => shown,
            _ = up::interrupted() => {
                // Dropping the stage has ended what was started.
                place.wipe()?;
                anyhow::bail!("interrupted; nothing is left running");
            }
        };
        if shown.is_err() {
            if place.dir.exists() {
                eprintln!("data and logs stay in {}", place.dir.display());
            }
        } else if !self.keep {
            progress.say("demo", "deletes its data");
            place.wipe()?;
        }
        shown
    }

    async fn show_at(&self, place: &Place, progress: &Progress) -> anyhow::Result<()> {
        let stage = place.set(progress).await?;
        let shown = self.show(&stage).await;
        if self.keep {
            stage.keep();
        } else {
            stage.stop().await?;
        }
        shown
    }

    async fn show(&self, stage: &Stage) -> anyhow::Result<()> {
        let (rows, traces): (Vec<Row>, Vec<_>) = play(stage, self.quick).await?.into_iter().unzip();
        if self.json {
            for row in &rows {
                println!("{}", serde_json::to_string(row)?);
            }
        } else {
            table::print(&rows);
            println!();
        }

        let report = verify::verify(&Source::of(&stage.layout), &stage.progress).await?;
        if self.json {
            for law in &report.laws {
                println!("{}", serde_json::to_string(law)?);
            }
            println!("{}", serde_json::to_string(&Summary::of(&rows, &report))?);
        } else {
            report.print();
            if let Some(trace) = traces.first() {
                println!("\nThe first order's {}", trace.tree());
            }
        }
        judge(&rows, &report)
    }
}

impl Summary {
    fn of(rows: &[Row], report: &Report) -> Self {
        let fates_that_differ = rows.iter().filter(|row| !row.ok).count();
        Self {
            summary: true,
            fates: rows.len(),
            fates_that_differ,
            orders: report.orders,
            events: report.events,
            violations: report.violations(),
            laws_that_checked_nothing: report.laws_that_checked_nothing().len(),
            ok: fates_that_differ == 0 && report.ok(),
        }
    }
}

fn judge(rows: &[Row], report: &Report) -> anyhow::Result<()> {
    let differ: Vec<_> = rows
        .iter()
        .filter(|row| !row.ok)
        .map(|row| row.fate)
        .collect();
    let mut found = Vec::new();
    if !differ.is_empty() {
        found.push(format!("other than expected: {}", differ.join(", ")));
    }
    if !report.ok() {
        found.push(format!("broken: {}", report.broken().join(", ")));
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Broken(found.join("; ")).into())
    }
}
