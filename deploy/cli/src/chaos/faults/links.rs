//! What befalls the connections between a service and its database.

use std::time::{Duration, Instant};

use anyhow::bail;
use sqlx::Connection;

use super::Seen;
use crate::chaos::arena::Arena;

const CUT_WITHIN: Duration = Duration::from_secs(20);
const AGAIN_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn cut(arena: &Arena, service: &str, cuts: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let before = member.proxy.cuts_done();
    let until = Instant::now() + CUT_WITHIN;
    member.proxy.cut_after_commit(cuts);
    while member.proxy.cuts_done() < before + cuts && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    member.proxy.cut_after_commit(0);
    member.until_ready().await?;
    let done = member.proxy.cuts_done() - before;
    if done == 0 {
        bail!("{service} sent no COMMIT");
    }
    Ok(Seen::by(format!(
        "{done} commits were carried out whose answer never came"
    )))
}

pub(super) async fn slow(
    arena: &Arena,
    service: &str,
    delay_ms: u64,
    seconds: u64,
) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    member.proxy.delay(Duration::from_millis(delay_ms));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut took = round_trip(arena, service).await;
    // Postgres itself may be away in that moment.
    while took.is_err() && Instant::now() < until + AGAIN_WITHIN {
        tokio::time::sleep(LOOK).await;
        took = round_trip(arena, service).await;
    }
    tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
    member.proxy.delay(Duration::ZERO);
    member.until_ready().await?;
    let took = took?;
    if took < Duration::from_millis(2 * delay_ms) {
        bail!("a round trip took {} ms", took.as_millis());
    }
    Ok(Seen::by(format!(
        "a round trip took {} ms",
        took.as_millis()
    )))
}

pub(super) async fn half_open(arena: &Arena, service: &str, seconds: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    member.proxy.hold();
    let silent = tokio::time::timeout(Duration::from_secs(seconds), round_trip(arena, service));
    let silent = silent.await.is_err();
    member.proxy.release();
    member.until_ready().await?;
    if !silent {
        bail!("something came through");
    }
    Ok(Seen::by("a connection got no answer, and was ended"))
}

/// As the service has it: through the proxy, for one statement.
async fn round_trip(arena: &Arena, service: &str) -> anyhow::Result<Duration> {
    let url = &arena.member(service)?.program.env["DATABASE_URL"];
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let since = Instant::now();
    sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
    let took = since.elapsed();
    connection.close().await?;
    Ok(took)
}
