//! What was run, and on what: without it, a figure is of nothing.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context;
use sqlx::{Connection, PgConnection};

use crate::local::{Layout, kafka};

pub(super) type Versions = BTreeMap<&'static str, String>;

pub(super) async fn of(layout: &Layout) -> anyhow::Result<Versions> {
    let mut postgres = PgConnection::connect(&layout.endpoints().postgres)
        .await
        .context("cannot connect to Postgres")?;
    let postgres_version = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&mut postgres)
        .await?;
    postgres.close().await?;
    let (_, client) = rdkafka::util::get_rdkafka_version();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(BTreeMap::from([
        ("ticketrail", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", commit()),
        ("postgres", postgres_version),
        ("kafka", kafka::VERSION.to_owned()),
        ("librdkafka", client),
        ("machine", format!("{cores} cores, Linux {}", kernel.trim())),
    ]))
}

/// Of the clone that this was started in.
fn commit() -> String {
    let asked = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output();
    let told = asked.ok().filter(|answer| answer.status.success());
    told.map_or_else(
        || "unknown".to_owned(),
        |answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned(),
    )
}
