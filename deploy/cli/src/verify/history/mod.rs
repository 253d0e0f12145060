//! What clients and chaos wrote down, apart from the suite: promises, sightings, injected records
//! and kills. It is the side of the story that a service cannot get wrong.
//!
//! A folder of JSON lines, of which each file may be missing; fields that are not named here are
//! ignored, and **a line that is not what it should be ends the run**, with its place.
//!
//! | file | a line |
//! | --- | --- |
//! | `acks.jsonl` | `order_id`, `customer_id`, `key`, `outcome`: `acked`, `refused` or `maybe` |
//! | `observations.jsonl` | `order_id`, `customer_id`, `status` (null for a 404), `at` |
//! | `poison.jsonl` | `topic`, `partition`, `offset`, `kind`, `value` (base64), `consumers` |
//! | `kills.jsonl` | `service`, `at` |
//!
//! Times are RFC 3339, or milliseconds since 1970.

mod acks;
mod kills;
mod lines;
mod observations;
mod poison;

use std::path::{Path, PathBuf};

use sqlx::PgConnection;

pub(super) use acks::{Answer, Outcome};
pub(super) use lines::Tail;

/// Where the clients' side of the story lies.
#[derive(Debug, Clone)]
pub enum History {
    /// Promises only, and not all of them: nothing follows from an order that is not among them.
    Acks(PathBuf),
    /// Everything that was asked for and done in a run.
    Folder(PathBuf),
}

impl History {
    pub(super) fn acks(&self) -> PathBuf {
        match self {
            Self::Acks(file) => file.clone(),
            Self::Folder(folder) => folder.join("acks.jsonl"),
        }
    }
}

pub(super) async fn load(check: &mut PgConnection, history: &History) -> anyhow::Result<()> {
    match history {
        History::Acks(file) => {
            acks::load(check, file).await?;
            given(check, "acks").await?;
        }
        History::Folder(folder) => {
            anyhow::ensure!(folder.is_dir(), "there is no folder {}", folder.display());
            let file = history.acks();
            if file.exists() {
                acks::load(check, &file).await?;
                given(check, "acks").await?;
                given(check, "every request").await?;
            }
            let file = folder.join("observations.jsonl");
            if file.exists() {
                observations::load(check, &file).await?;
                given(check, "observations").await?;
            }
            let file = folder.join("poison.jsonl");
            if file.exists() {
                poison::load(check, &file).await?;
                given(check, "poison").await?;
            }
            let file = folder.join("kills.jsonl");
            if file.exists() {
                kills::load(check, &file).await?;
                given(check, "kills").await?;
            }
        }
    }
    Ok(())
}

async fn given(check: &mut PgConnection, what: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO hist.given VALUES ($1)")
        .bind(what)
        .execute(check)
        .await?;
    Ok(())
}

/// What an error begins with.
fn place(file: &Path, line: u64) -> String {
    format!("{}:{line}", file.display())
}
