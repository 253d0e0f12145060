//! Ours: inventory as a process, from its first commit to its last.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use sqlx::{Connection, PgConnection};

use super::{BATCH_RECORDS_MAX, SERVICE};
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;

/// Far shorter than a round, and rare enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const STANDS_STILL_MAX: Duration = Duration::from_secs(60);

pub(super) async fn run(
    parts: &Parts,
    namespace: &str,
    url: &str,
    events: u32,
) -> anyhow::Result<Measured> {
    let program = parts
        .service(SERVICE, url, namespace)?
        .env("BATCH_RECORDS_MAX", BATCH_RECORDS_MAX.to_string());
    let mut connection = PgConnection::connect(url).await?;
    // It works before it says that it is ready.
    let watched = watch(parts, &mut connection, i64::from(events));
    let ((), mut measured) = tokio::try_join!(parts.start_service(program), watched)?;
    measured
        .details
        .insert("unpublished", unpublished(&mut connection).await?);
    connection.close().await?;
    parts.stop_service(SERVICE).await?;
    Ok(measured)
}

/// The clock runs from the first commit that is seen, and counts what came after it.
async fn watch(
    parts: &Parts,
    connection: &mut PgConnection,
    events: i64,
) -> anyhow::Result<Measured> {
    let mut first = None;
    let mut last = (0, Instant::now());
    loop {
        let done = committed(connection).await?;
        let now = Instant::now();
        if done > last.0 {
            last = (done, now);
            if first.is_none() {
                first = Some((done, now, Cpu::now(parts.dir())?));
            }
        }
        if let Some((before, since, cpu)) = &first
            && done >= events
        {
            return Ok(Measured {
                units: u64::try_from(done - before)?,
                took: now - *since,
                cpu: Cpu::now(parts.dir())?.since(cpu),
                latency: None,
                details: BTreeMap::new(),
                wrong: Vec::new(),
            });
        }
        if now - last.1 > STANDS_STILL_MAX {
            bail!("inventory stands still after {done} of {events} events");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Events whose effects are durable, by the fence. Partitions that were never read say -1.
async fn committed(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce(sum(greatest(next_offset, 0)), 0)::bigint FROM consumer_offsets",
    )
    .fetch_one(connection)
    .await
}

/// What the relay still has before it at the end. It works all the while.
async fn unpublished(connection: &mut PgConnection) -> Result<f64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*)::float8
         FROM outbox
         JOIN outbox_watermark AS watermark USING (shard)
         WHERE outbox.tx_id >= watermark.tx_id",
    )
    .fetch_one(connection)
    .await
}
