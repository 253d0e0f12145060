//! What befalls a service because of a record.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::Connection;
use uuid::Uuid;

use super::Seen;
use crate::chaos::arena::Arena;
use crate::chaos::crew::Member;

/// Restarts, and the sessions of those that died.
const PUT_ASIDE_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const DEATHS_MAX: u64 = 4;

/// A type of event that nobody else listens to; the others would die, too.
pub(in crate::chaos) const ABORTING: [(&str, &str); 3] = [
    ("order", "TransactionApproved"),
    ("fraud", "TransactionCreated"),
    ("notification", "LowStock"),
];

/// The process ends whenever it decodes the record, until it puts it aside undecoded.
pub(super) async fn abort(arena: &Arena, service: &str) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    let (_, event_type) = ABORTING
        .iter()
        .find(|(of, _)| *of == service)
        .with_context(|| format!("{service} has no event of its own"))?;
    let before = member.starts();
    member.expect_ends(true);
    let poison = arena.poisoner()?.send_aborting(event_type).await;
    let aside = async {
        let poison = poison?;
        let id: Uuid = poison
            .record
            .text("ce_id")
            .context("it has an id")?
            .parse()?;
        until_put_aside(member, id).await
    }
    .await;
    member.until_ready().await?;
    member.expect_ends(false);
    aside?;
    let deaths = member.starts() - before;
    if !(1..=DEATHS_MAX).contains(&deaths) {
        bail!("{service} died {deaths} times, and should 1 to {DEATHS_MAX} times");
    }
    Ok(Seen {
        kills: deaths,
        kills_in_flight: deaths,
        ..Seen::by(format!("died {deaths} times, then put it aside undecoded"))
    })
}

async fn until_put_aside(member: &Member, event_id: Uuid) -> anyhow::Result<()> {
    let until = Instant::now() + PUT_ASIDE_WITHIN;
    loop {
        let put_aside = is_put_aside(member, event_id).await;
        match put_aside {
            Ok(true) => return Ok(()),
            _ if Instant::now() < until => tokio::time::sleep(LOOK).await,
            Ok(false) => bail!("it is not put aside after {} s", PUT_ASIDE_WITHIN.as_secs()),
            Err(error) => return Err(error),
        }
    }
}

async fn is_put_aside(member: &Member, event_id: Uuid) -> anyhow::Result<bool> {
    let mut connection = member.connect().await?;
    let put_aside = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM processed_events WHERE event_id = $1 AND outcome = 1)",
    )
    .bind(event_id)
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(put_aside)
}
