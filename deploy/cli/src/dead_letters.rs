//! Dead letters: look at them, replay them, give them up.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operations::{Operations, Target};
use crate::{Broken, Usage};

#[derive(Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Action {
    /// Show them, grouped by what went wrong
    List {
        /// `open`, `parked`, `replayed` or `discarded`
        #[arg(long)]
        state: Option<String>,
        /// What went wrong, for example `malformed`
        #[arg(long)]
        code: Option<String>,
        #[arg(long)]
        topic: Option<String>,
        /// Show so many by themselves, the oldest first
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one as it came: headers, key, value
    Show { event: Uuid },
    /// Process them again, and what is parked behind them, in order
    Replay {
        #[command(flatten)]
        which: Which,
        /// A file with the bytes to process instead of the letter's own value
        #[arg(long, requires = "event")]
        value: Option<PathBuf>,
    },
    /// Give them up; what is parked behind them follows
    Discard {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
struct Which {
    /// One; without it, every open one that the following leave
    event: Option<Uuid>,
    #[arg(long)]
    code: Option<String>,
    #[arg(long)]
    topic: Option<String>,
    #[arg(long, conflicts_with_all = ["event", "code", "topic"])]
    all: bool,
    /// Why; written down beside who
    #[arg(long)]
    reason: String,
    /// Try everything, keep nothing
    #[arg(long)]
    dry_run: bool,
}

impl DeadLetters {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let operations = self.target.open()?;
        let json = self.target.json;
        match self.action {
            Action::List {
                state,
                code,
                topic,
                limit,
            } => {
                let mut query = format!("/dead-letters?limit={limit}");
                for (name, value) in [("state", state), ("code", code), ("topic", topic)] {
                    if let Some(value) = value {
                        write!(query, "&{name}={value}")?;
                    }
                }
                let listings = operations.get(&query).await?;
                print(&listings, json, list);
                Ok(())
            }
            Action::Show { event } => {
                let found = operations.find(&format!("/dead-letters/{event}")).await?;
                if found.is_empty() {
                    return Err(Usage(format!("no service has a dead letter {event}")).into());
                }
                for (_, letter) in found {
                    println!("{}", pretty(&letter, json)?);
                }
                Ok(())
            }
            Action::Replay { which, value } => {
                let value = value
                    .map(|file| {
                        std::fs::read(&file)
                            .with_context(|| format!("cannot read {}", file.display()))
                    })
                    .transpose()?
                    .map(|bytes| BASE64.encode(bytes));
                settle(&operations, "replay", &which, value, json).await
            }
            Action::Discard { which } => settle(&operations, "discard", &which, None, json).await,
        }
    }
}

async fn settle(
    operations: &Operations,
    action: &str,
    which: &Which,
    value: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    if which.event.is_none() && which.code.is_none() && which.topic.is_none() && !which.all {
        return Err(Usage("say which: an event id, --code, --topic, or --all".to_owned()).into());
    }
    let services: Vec<String> = match which.event {
        // The same event may be a dead letter of several services.
        Some(event) => operations
            .find(&format!("/dead-letters/{event}"))
            .await?
            .into_iter()
            .map(|(service, _)| service)
            .collect(),
        None => operations.services(),
    };
    if services.is_empty() {
        return Err(Usage("no service that is meant has this dead letter".to_owned()).into());
    }
    let body = json!({
        "event_id": which.event, "code": which.code, "topic": which.topic, "all": which.all,
        "reason": which.reason, "dry_run": which.dry_run, "value": value,
    });
    let mut reports = Vec::new();
    for service in services {
        let path = format!("/dead-letters/{action}");
        reports.push(operations.post(&service, &path, &body).await?);
    }
    print(&reports, json, report);
    let stopped = reports
        .iter()
        .any(|report| !report["stopped"].is_null() || report["failed"] != json!([]));
    if stopped {
        return Err(Broken("some failed again; they are open as before".to_owned()).into());
    }
    Ok(())
}

fn print(documents: &[Value], json: bool, readable: fn(&Value) -> String) {
    for document in documents {
        if json {
            println!("{document}");
        } else {
            print!("{}", readable(document));
        }
    }
}

fn pretty(letter: &Value, json: bool) -> anyhow::Result<String> {
    if json {
        return Ok(letter.to_string());
    }
    Ok(serde_json::to_string_pretty(letter)?)
}

fn list(listing: &Value) -> String {
    let mut text = String::new();
    let service = plain(&listing["service"]);
    for group in listing["groups"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "{service:<13} {:>6} {:<10} {:<18} {} {}  since {}",
            plain(&group["letters"]),
            plain(&group["state"]),
            plain(&group["code"]),
            plain(&group["topic"]),
            plain(&group["type"]),
            plain(&group["oldest"]),
        );
    }
    for letter in listing["letters"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "  {} {:<10} {}/{}@{} key {}: {}",
            plain(&letter["event_id"]),
            plain(&letter["state"]),
            plain(&letter["topic"]),
            plain(&letter["partition"]),
            plain(&letter["offset"]),
            plain(&letter["key"]),
            plain(&letter["detail"]),
        );
    }
    text
}

fn report(report: &Value) -> String {
    let mut text = format!(
        "{:<13} {} looked at, {} applied, {} discarded, {} still parked{}\n",
        plain(&report["service"]),
        plain(&report["letters"]),
        plain(&report["applied"]),
        plain(&report["discarded"]),
        plain(&report["parked"]),
        if report["dry_run"] == true {
            "  (a dry run: nothing was kept)"
        } else {
            ""
        },
    );
    for failure in report["failed"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "  {} failed: {}: {}",
            plain(&failure["event_id"]),
            plain(&failure["code"]),
            plain(&failure["detail"]),
        );
    }
    if let Some(why) = report["stopped"].as_str() {
        let _ = writeln!(text, "  stopped: {why}");
    }
    text
}

/// Text without its quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
