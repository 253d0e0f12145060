//! Three books beside each other: each outbox, its topic, and what each consumer processed.
//!
//! The laws S1 and I10 in figures, for an operator who has lost something: a broker's disk, a
//! consumer's database. What an outbox still has can be published again, and every consumer drops
//! what it knows.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use super::database::CheckDatabase;
use super::{Source, copy, gather, laws};
use crate::local::Progress;
use crate::{Broken, Stack, client};

/// A relay looks for an operator's wish every two seconds, and first finishes what it is at.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Reconcile {
    #[arg(long)]
    json: bool,
    /// Have every outbox published again from then on, for example `2026-11-26T10:00:00Z`
    #[arg(long)]
    republish_since: Option<DateTime<Utc>>,
    /// Wait at most so many seconds for consumers and outboxes to come to rest
    #[arg(long, default_value_t = Source::SETTLE.as_secs())]
    settle: u64,
    #[command(flatten)]
    stack: Stack,
}

/// One book against another.
#[derive(Debug, Serialize, sqlx::FromRow)]
struct Line {
    /// Who published to the topic.
    producer: String,
    topic: String,
    /// Whose book it is compared with: the topic's own, or a consumer's.
    reader: String,
    published: i64,
    found: i64,
    missing: i64,
    /// The first few, with type and key.
    examples: Vec<String>,
}

#[derive(Serialize)]
struct Summary {
    summary: bool,
    missing: i64,
    republished: bool,
    ok: bool,
}

impl Reconcile {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut source = Source::of(&client::layout(&self.stack)?);
        source.settle = Duration::from_secs(self.settle);
        let progress = Progress::to_stderr();
        if let Some(since) = self.republish_since {
            republish(&source, since, &progress).await?;
        }
        let lines = compare(&source, &progress).await?;
        let missing = lines.iter().map(|line| line.missing).sum();
        if self.json {
            for line in &lines {
                println!("{}", serde_json::to_string(line)?);
            }
            let summary = Summary {
                summary: true,
                missing,
                republished: self.republish_since.is_some(),
                ok: missing == 0,
            };
            println!("{}", serde_json::to_string(&summary)?);
        } else {
            print(&lines);
        }
        if missing == 0 {
            return Ok(());
        }
        Err(Broken(format!(
            "{missing} events are missing; `ticketrail reconcile --republish-since TIME` publishes \
             what the outboxes still have, and every consumer drops what it knows"
        ))
        .into())
    }
}

fn print(lines: &[Line]) {
    for line in lines {
        println!(
            "{:<13} {:<20} {:<13} {:>9} published {:>9} found {:>6} missing",
            line.producer, line.topic, line.reader, line.published, line.found, line.missing
        );
        for example in &line.examples {
            println!("  {example}");
        }
    }
}

async fn compare(source: &Source, progress: &Progress) -> anyhow::Result<Vec<Line>> {
    let database = CheckDatabase::create(&source.admin, source.check_database()).await?;
    let lines = async {
        let mut check = database.connect().await?;
        gather(source, &mut check, progress).await?;
        laws::prepare(&mut check).await?;
        let lines = ask(&mut check).await?;
        check.close().await?;
        anyhow::Ok(lines)
    }
    .await;
    database
        .drop()
        .await
        .context("cannot remove the check database")?;
    lines
}

/// What is above a watermark is on its way, and what is older than topics remember is in no book.
async fn ask(check: &mut PgConnection) -> anyhow::Result<Vec<Line>> {
    let lines = sqlx::query_as(
        "WITH published AS (
             SELECT e.service, e.topic, e.type, e.event_id, e.key
             FROM chk.events AS e
             JOIN chk.watermarks AS w ON w.service = e.service AND w.shard = e.shard
             WHERE e.tx_id < w.tx_id AND e.created_at > (SELECT kept_since FROM chk.clock)),
         compared AS (
             SELECT p.service, p.topic, 'the topic' AS reader, p.type, p.event_id, p.key,
                    t.event_id IS NOT NULL AS found
             FROM published AS p LEFT JOIN topic.events AS t ON t.event_id = p.event_id
             UNION ALL
             SELECT p.service, p.topic, s.service, p.type, p.event_id, p.key,
                    d.event_id IS NOT NULL
             FROM published AS p
             JOIN chk.subscriptions AS s ON s.topic = p.topic AND s.type = p.type
             LEFT JOIN chk.processed AS d
                  ON d.service = s.service AND d.event_id = p.event_id)
         SELECT service AS producer, topic, reader, count(*) AS published,
                count(*) FILTER (WHERE found) AS found,
                count(*) FILTER (WHERE NOT found) AS missing,
                coalesce((array_agg(format('%s %s of %s', type, event_id, key))
                          FILTER (WHERE NOT found))[1:5], '{}') AS examples
         FROM compared
         GROUP BY service, topic, reader
         ORDER BY service, topic, reader <> 'the topic', reader",
    )
    .fetch_all(check)
    .await?;
    Ok(lines)
}

/// Tells each relay from where on; it says when it has begun.
async fn republish(
    source: &Source,
    since: DateTime<Utc>,
    progress: &Progress,
) -> anyhow::Result<()> {
    for (service, _) in copy::SERVICES {
        let mut connection = copy::connect(source, service).await?;
        let wanted = sqlx::query(
            "UPDATE outbox_watermark AS w SET republish_from = first.tx_id
             FROM (SELECT shard, min(tx_id::text::numeric)::text::xid8 AS tx_id FROM outbox
                   WHERE created_at >= $1 GROUP BY shard) AS first
             WHERE first.shard = w.shard",
        )
        .bind(since)
        .execute(&mut connection)
        .await?;
        if wanted.rows_affected() > 0 {
            until_taken(service, &mut connection).await?;
            progress.say(
                "reconcile",
                format!("{service} publishes again since {since}"),
            );
        }
        connection.close().await?;
    }
    Ok(())
}

async fn until_taken(service: &str, connection: &mut PgConnection) -> anyhow::Result<()> {
    let until = Instant::now() + TAKEN_WITHIN;
    loop {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM outbox_watermark WHERE republish_from IS NOT NULL)",
        )
        .fetch_one(&mut *connection)
        .await?;
        if !waits {
            return Ok(());
        }
        if Instant::now() >= until {
            bail!(
                "no relay of {service} has begun within {} s: is the service up? Its wish is \
                 written down, and followed when it starts",
                TAKEN_WITHIN.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
