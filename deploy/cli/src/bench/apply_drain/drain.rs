//! Ours and the peer: inventory as a process, from its first commit to its last.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;

use super::{BATCH_RECORDS_MAX, SERVICE};
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::watch::{UNPUBLISHED, Watch};
use crate::local::program::Program;

/// What was published last is acknowledged, and offsets are committed.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);
const IDLE_FOR: Duration = Duration::from_secs(5);

/// How to look what a process has done.
struct Look {
    every: Duration,
    /// Events whose effects are durable.
    committed: &'static str,
    /// What the relay still has before it at the end. It works all the while.
    unpublished: &'static str,
}

const OURS: Look = Look {
    every: Duration::from_millis(10),
    // By the fence. Partitions that were never read say -1.
    committed: "SELECT coalesce(sum(greatest(next_offset, 0)), 0)::bigint FROM consumer_offsets",
    unpublished: UNPUBLISHED,
};

const PEER: Look = Look {
    every: Duration::from_millis(200),
    committed: "SELECT count(*) FROM processed_events",
    unpublished: "SELECT count(*)::float8 FROM outbox WHERE published_at IS NULL",
};

/// Services that do not run here, and whose places other instances take.
const PLACES: [&str; 3] = ["fraud", "shipment", "notification"];

#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// It is killed half way and started again, while the clock runs.
    pub(super) killed: bool,
    /// It sends its spans to Jaeger.
    pub(super) traced: bool,
    /// What it keeps when it is done is looked at, which takes a while.
    pub(super) rests: bool,
    /// So many processes share the work; four at most.
    pub(super) instances: usize,
}

impl Default for How {
    fn default() -> Self {
        Self {
            killed: false,
            traced: false,
            rests: false,
            instances: 1,
        }
    }
}

pub(super) async fn ours(
    parts: &Parts,
    namespace: &str,
    url: &str,
    records: u32,
    how: How,
) -> anyhow::Result<Measured> {
    let program = if how.traced {
        parts.traced_service(SERVICE, url, namespace)?
    } else {
        parts.service(SERVICE, url, namespace)?
    };
    let program = program.env("BATCH_RECORDS_MAX", BATCH_RECORDS_MAX.to_string());
    run(parts, program, url, &OURS, records, how).await
}

pub(super) async fn peer(
    parts: &Parts,
    namespace: &str,
    url: &str,
    events: u32,
) -> anyhow::Result<Measured> {
    let program = parts.textbook(url, namespace);
    run(parts, program, url, &PEER, events, How::default()).await
}

async fn run(
    parts: &Parts,
    program: Program,
    url: &str,
    look: &Look,
    records: u32,
    how: How,
) -> anyhow::Result<Measured> {
    let name = program.name.clone();
    let mut connection = PgConnection::connect(url).await?;
    let watch = Watch {
        parts,
        who: "inventory",
        every: look.every,
        records: u64::from(records),
    };
    let mut programs = vec![program];
    for place in PLACES.iter().take(how.instances - 1) {
        programs.push(parts.beside(&programs[0], place)?);
    }
    let names: Vec<String> = programs.iter().map(|each| each.name.clone()).collect();
    let started = Notify::new();
    let (mut kills, mut seen) = (how.killed, 0);
    let committed = async || {
        if kills && seen >= watch.records / 2 {
            kills = false;
            // A start that is still awaited would fail with it.
            started.notified().await;
            parts.kill_service(&name).await?;
            parts.restart_service(&name).await?;
        }
        let committed: i64 = sqlx::query_scalar(look.committed)
            .fetch_one(&mut connection)
            .await?;
        seen = u64::try_from(committed)?;
        Ok(seen)
    };
    // It works before it says that it is ready.
    let watched = watch.until_done(committed);
    let starting = async {
        try_join_all(programs.into_iter().map(|each| parts.start_service(each))).await?;
        started.notify_one();
        anyhow::Ok(())
    };
    let ((), mut measured) = tokio::try_join!(starting, watched)?;
    let unpublished: f64 = sqlx::query_scalar(look.unpublished)
        .fetch_one(&mut connection)
        .await?;
    measured.details.insert("unpublished", unpublished);
    connection.close().await?;
    if how.rests {
        let (memory, idle) = footprint(parts, &name).await?;
        measured.details.insert("rss_mb", memory);
        measured.details.insert("idle_cpu_percent", idle);
    }
    for name in &names {
        parts.stop_service(name).await?;
    }
    Ok(measured)
}

/// What a process keeps when it has nothing left to do: memory in MB, and percent of a core.
async fn footprint(parts: &Parts, name: &str) -> anyhow::Result<(f64, f64)> {
    tokio::time::sleep(SETTLES_WITHIN).await;
    let (begun, before) = (Instant::now(), Cpu::now(parts.dir())?);
    tokio::time::sleep(IDLE_FOR).await;
    let spent = Cpu::now(parts.dir())?.since(&before).of(name);
    let percent = 100.0 * spent.as_secs_f64() / begun.elapsed().as_secs_f64();
    Ok((parts.memory_mb(name).await?, percent))
}
