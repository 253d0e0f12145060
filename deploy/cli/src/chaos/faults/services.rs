//! What befalls a service's own process.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use rustix::process::Signal;
use shared::crash;
use sqlx::Connection;
use uuid::Uuid;

use super::Seen;
use crate::chaos::arena::{Arena, armed};
use crate::chaos::crew::{Keeping, Member};

/// Also over an outage of Kafka or Postgres that falls into the same time.
const POINT_WITHIN: Duration = Duration::from_secs(60);
/// Between two kills of a service something must get done, or a healthy record would look like
/// one that kills.
const PROGRESS_WITHIN: Duration = Duration::from_secs(10);
/// Also where Postgres, the registry or the mail server is away for a while, more than once.
const UNMARKED_WITHIN: Duration = Duration::from_secs(180);
/// A service that takes suspect records one at a time has no mark between two of them either.
const UNMARKED_LOOKS: u32 = 10;
const UNREADY_WITHIN: Duration = Duration::from_secs(5);
const SEEN_WITHIN: Duration = Duration::from_secs(15);
const SETTLED_FOR: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);

/// What a consumer logs whose batch was fenced off.
const TAKEN_OVER: &str = "belongs to another consumer now";

const CAREFUL_POINT: &str = "consumer.attempt-recorded";
const FIRST_BATCH_POINT: &str = "consumer.decoded";

/// What one logs that got partitions.
const ASSIGNED: &str = "Assigned [";
const BATCH_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn crash(
    arena: &Arena,
    service: &str,
    point: &str,
    pass: u64,
) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let before = member.position().await.unwrap_or_default();
    member.next(armed(&member.program, point, pass));
    if point == "consumer.revoked" {
        return revoked(arena, member, point, before).await;
    }
    if point == CAREFUL_POINT {
        return careful(member, point, before).await;
    }
    let killed = member.kill().await?;
    let died = member.dies_at(point, POINT_WITHIN).await;
    if died.is_err() {
        // It must not run on armed.
        member.terminate().await?;
    }
    works_again(member, before).await?;
    let at_point = point != "relay.watermark-moved";
    Ok(Seen {
        kills: 2,
        kills_in_flight: u64::from(killed.in_flight) + u64::from(at_point),
        ..Seen::by(format!("{}, then {}", killed.evidence, died?))
    })
}

/// Only who finds that its predecessor died of its first batch comes past this point.
async fn careful(member: &Member, point: &str, before: i64) -> anyhow::Result<Seen> {
    member.next(armed(&member.program, FIRST_BATCH_POINT, 1));
    let starts = member.starts();
    let killed = member.kill().await?;
    member.until_started(starts + 1).await?;
    member.next(armed(&member.program, point, 1));
    let died = async {
        let first = member.dies_at(FIRST_BATCH_POINT, POINT_WITHIN).await?;
        let then = member.dies_at(point, POINT_WITHIN).await?;
        anyhow::Ok(format!("{first}, then {then}"))
    }
    .await;
    if died.is_err() {
        member.next(member.program.clone());
        member.terminate().await?;
    }
    works_again(member, before).await?;
    Ok(Seen {
        kills: 3,
        kills_in_flight: u64::from(killed.in_flight) + 2,
        ..Seen::by(format!("{}, then {}", killed.evidence, died?))
    })
}

/// A second instance claims its share of the partitions. The armed one is started in an orderly
/// way: after a kill the dead would count as a member still, and nothing be taken from the living.
async fn revoked(arena: &Arena, member: &Member, point: &str, before: i64) -> anyhow::Result<Seen> {
    member.terminate().await?;
    member.until_ready().await?;
    settle(member).await?;
    let (twin, keeping) = arena.twin(&member.name).await?;
    let died = member.dies_at(point, POINT_WITHIN).await;
    if died.is_err() {
        member.terminate().await?;
    }
    end(&twin, keeping).await?;
    works_again(member, before).await?;
    Ok(Seen {
        kills: 1,
        ..Seen::by(died?)
    })
}

pub(super) async fn kill(arena: &Arena, service: &str) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let before = member.position().await.unwrap_or_default();
    let killed = member.kill().await?;
    works_again(member, before).await?;
    Ok(Seen {
        kills: 1,
        kills_in_flight: u64::from(killed.in_flight),
        ..Seen::by(killed.evidence)
    })
}

pub(super) async fn pause(arena: &Arena, service: &str, seconds: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let before = member.position().await.unwrap_or_default();
    let log = member.log_length();
    let paused = Paused::begin(member).await?;
    let silent = member.until_unready(UNREADY_WITHIN).await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    paused.end();
    works_again(member, before).await?;
    silent?;
    Ok(Seen {
        rebalances_in_flight: member.says_since(log, TAKEN_OVER)?,
        ..Seen::by("gave no answer, and does again")
    })
}

/// The second instance has taken everything over when the first one wakes up in the middle of a
/// batch.
pub(super) async fn zombie(arena: &Arena, service: &str, seconds: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let before = member.position().await.unwrap_or_default();
    let log = member.log_length();
    let (twin, keeping) = arena.twin(service).await?;
    let struck = async {
        twin.until_ready().await?;
        settle(&twin).await?;
        let peer = twin.log_length();
        member.until_in_a_batch(BATCH_WITHIN).await;
        let paused = Paused::begin(member).await?;
        let in_flight = member.proxy.batches() > 0;
        let taken = until(Duration::from_secs(seconds) + SEEN_WITHIN, async || {
            Ok(twin.says_since(peer, ASSIGNED)? > 0)
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        paused.end();
        taken.context("nobody took its partitions over")?;
        anyhow::Ok(in_flight)
    }
    .await;
    end(&twin, keeping).await?;
    works_again(member, before).await?;
    let in_flight = struck?;
    let fenced = member.says_since(log, TAKEN_OVER)?;
    let what = if in_flight { "a batch" } else { "nothing" };
    Ok(Seen {
        rebalances_in_flight: fenced.max(u64::from(in_flight)),
        ..Seen::by(format!(
            "its peer was assigned its partitions while it had {what} in hand; {fenced} were \
             fenced off"
        ))
    })
}

pub(super) async fn twin(arena: &Arena, service: &str, seconds: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let log = member.log_length();
    let before = member.position().await.unwrap_or_default();
    let (twin, keeping) = arena.twin(service).await?;
    let struck = async {
        twin.until_ready().await?;
        let both = until(SEEN_WITHIN, async || Ok(relays(&twin, service).await? == 2)).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        both.context("there were never two relays")
    }
    .await;
    end(&twin, keeping).await?;
    works_again(member, before).await?;
    struck?;
    Ok(Seen {
        rebalances_in_flight: member.says_since(log, TAKEN_OVER)?,
        ..Seen::by("two relays were connected")
    })
}

pub(super) async fn skew(
    arena: &Arena,
    service: &str,
    by_s: i64,
    seconds: u64,
) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let wrong = member
        .program
        .clone()
        .env(crash::SKEW_VARIABLE, by_s.to_string());
    member.next(wrong);
    member.terminate().await?;
    let seen = async {
        member.until_ready().await?;
        until(SEEN_WITHIN, async || {
            let wrong = ids_ahead_s(member).await?;
            Ok(wrong.is_some_and(|wrong| (wrong - by_s).abs() < 60))
        })
        .await
        .context("its ids do not show it")?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        anyhow::Ok(())
    }
    .await;
    member.terminate().await?;
    member.until_ready().await?;
    seen?;
    Ok(Seen::by(format!("its newest ids were {by_s} s ahead")))
}

/// Every other one runs the previous binary for a while, where there is one.
pub(super) async fn roll(arena: &Arena) -> anyhow::Result<Seen> {
    let mut stopped = Vec::new();
    for (number, member) in arena.members().enumerate() {
        let mut then = "";
        if let Some(previous) = arena.previous_binary.as_ref().filter(|_| number % 2 == 0) {
            let mut program = member.program.clone();
            program.program.clone_from(previous);
            member.next(program);
            then = ", for a while of the previous program";
        }
        let status = member.terminate().await?;
        member.until_ready().await?;
        stopped.push(format!("{} {status}{then}", member.name));
    }
    if arena.previous_binary.is_some() {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for member in arena.members() {
            member.terminate().await?;
            member.until_ready().await?;
        }
    }
    Ok(Seen::by(stopped.join(", ")))
}

/// Ready, further than before, and through with everything that it had when it died.
async fn works_again(member: &Member, before: i64) -> anyhow::Result<()> {
    member.until_ready().await?;
    let now = member.position().await.unwrap_or(before);
    member.until_moved(now, PROGRESS_WITHIN).await?;
    let mut looks = 0;
    until(UNMARKED_WITHIN, async || {
        let unmarked = marked(member).await? == 0;
        looks = if unmarked { looks + 1 } else { 0 };
        Ok(looks == UNMARKED_LOOKS)
    })
    .await
    .context("it does not get through what it had when it died")
}

/// Partitions whose last owner died before it had committed anything.
async fn marked(member: &Member) -> anyhow::Result<i64> {
    member
        .number("SELECT count(*) FROM consumer_offsets WHERE attempted_to IS NOT NULL")
        .await
}

/// A second instance leaves in order.
async fn end(twin: &Member, keeping: Keeping) -> anyhow::Result<()> {
    twin.hold();
    let ended = twin.terminate().await;
    keeping.end().await;
    ended.map(drop)
}

/// Whatever happens, it is let go again.
struct Paused(crate::local::process::ProcessId);

impl Paused {
    async fn begin(member: &Member) -> anyhow::Result<Self> {
        Ok(Self(member.signal(Signal::STOP).await?))
    }

    fn end(self) {}
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// Waits until everybody has the partitions that are theirs for now.
async fn settle(member: &Member) -> anyhow::Result<()> {
    let until = Instant::now() + SEEN_WITHIN;
    let mut before = epochs(member).await?;
    loop {
        tokio::time::sleep(SETTLED_FOR).await;
        let now = epochs(member).await?;
        if now == before || Instant::now() > until {
            return Ok(());
        }
        before = now;
    }
}

/// It rises whenever a partition gets another owner.
async fn epochs(member: &Member) -> anyhow::Result<i64> {
    member
        .number("SELECT coalesce(sum(epoch), 0)::bigint FROM consumer_offsets")
        .await
}

async fn relays(member: &Member, service: &str) -> anyhow::Result<i64> {
    let mut connection = member.connect().await?;
    let relays = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1
         AND datname = current_database()",
    )
    .bind(format!("{service}/relay"))
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(relays)
}

/// How far the newest event's id is ahead of the database's time.
async fn ids_ahead_s(member: &Member) -> anyhow::Result<Option<i64>> {
    let mut connection = member.connect().await?;
    let newest: Option<(Uuid, DateTime<Utc>)> = sqlx::query_as(
        "SELECT event_id, created_at FROM outbox WHERE version IS NOT NULL
         ORDER BY tx_id DESC LIMIT 1",
    )
    .fetch_optional(&mut connection)
    .await?;
    connection.close().await?;
    Ok(newest.and_then(|(id, created_at)| {
        let (seconds, _) = id.get_timestamp()?.to_unix();
        Some(i64::try_from(seconds).ok()? - created_at.timestamp())
    }))
}

async fn until(
    within: Duration,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let until = Instant::now() + within;
    loop {
        let held = holds().await;
        match held {
            Ok(true) => return Ok(()),
            Ok(false) | Err(_) if Instant::now() < until => tokio::time::sleep(LOOK).await,
            Ok(false) => bail!("not within {} s", within.as_secs()),
            Err(error) => return Err(error),
        }
    }
}
