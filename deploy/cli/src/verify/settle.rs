//! Waits, for a bounded time, until nothing moves: a law across services is about a system at rest.

use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{Source, Subscription, copy};
use crate::local::Progress;

const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Of each outbox, as many of the last events as a busy second has.
const NEWEST: i32 = 1000;

const OUTBOX_PENDING: &str = "
    SELECT EXISTS (SELECT FROM outbox AS o
                   JOIN outbox_watermark AS w USING (shard)
                   WHERE o.tx_id >= w.tx_id
                     AND o.tx_id >= (SELECT min(tx_id) FROM outbox_watermark))";

/// Work that a service still has to do by itself.
fn own_work(service: &str) -> Option<(&'static str, &'static str)> {
    match service {
        "order" => Some((
            "orders that have not ended",
            "SELECT EXISTS (SELECT FROM sagas WHERE state NOT IN ('completed', 'cancelled'))",
        )),
        "notification" => Some((
            "mails that wait",
            "SELECT EXISTS (SELECT FROM notifications WHERE state = 'pending')",
        )),
        _ => None,
    }
}

pub(super) async fn wait(
    source: &Source,
    subscribed: &[Subscription],
    progress: &Progress,
) -> anyhow::Result<()> {
    let until = Instant::now() + source.settle;
    let mut connections = Vec::new();
    for (service, _) in copy::SERVICES {
        connections.push((service, copy::connect(source, service).await?));
    }
    let mut said = None;
    loop {
        // What lies between two services is seen only when both were looked at before and after.
        let moving = match first_moving(&mut connections).await? {
            None => match lag(subscribed, &mut connections).await? {
                None => first_moving(&mut connections).await?,
                lag => lag,
            },
            moving => moving,
        };
        let Some(moving) = moving else { break };
        if Instant::now() >= until {
            progress.say("verify", format!("goes on although there are {moving}"));
            break;
        }
        if said.as_ref() != Some(&moving) {
            progress.say("verify", format!("waits: there are {moving}"));
            said = Some(moving);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    for (_, connection) in connections {
        connection.close().await?;
    }
    Ok(())
}

async fn first_moving(
    connections: &mut [(&'static str, PgConnection)],
) -> anyhow::Result<Option<String>> {
    for (service, connection) in connections {
        if sqlx::query_scalar(OUTBOX_PENDING)
            .fetch_one(&mut *connection)
            .await?
        {
            return Ok(Some(format!("unpublished events of {service}")));
        }
        if let Some((what, question)) = own_work(service)
            && sqlx::query_scalar(question).fetch_one(connection).await?
        {
            return Ok(Some(what.to_owned()));
        }
    }
    Ok(None)
}

/// What the newest published events say: a consumer that is behind has not processed some of them.
async fn lag(
    subscribed: &[Subscription],
    connections: &mut [(&'static str, PgConnection)],
) -> anyhow::Result<Option<String>> {
    let mut newest = Vec::new();
    for (service, connection) in &mut *connections {
        let rows: Vec<(Uuid, String, String)> = sqlx::query_as(
            "SELECT event_id, topic, type FROM outbox
             WHERE version IS NOT NULL ORDER BY tx_id DESC LIMIT $1",
        )
        .bind(NEWEST)
        .fetch_all(connection)
        .await
        .with_context(|| format!("the outbox of {service}"))?;
        newest.extend(rows);
    }
    for (service, connection) in connections {
        let awaited: Vec<_> = newest
            .iter()
            .filter(|(_, topic, kind)| {
                subscribed
                    .iter()
                    .any(|(t, k, s)| t == topic && k == kind && s == service)
            })
            .map(|(event_id, ..)| *event_id)
            .collect();
        let behind: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM unnest($1::uuid[]) AS awaited (event_id)
                            LEFT JOIN processed_events AS p USING (event_id)
                            WHERE p.event_id IS NULL)",
        )
        .bind(awaited)
        .fetch_one(connection)
        .await
        .with_context(|| format!("the inbox of {service}"))?;
        if behind {
            return Ok(Some(format!("events that {service} has not processed")));
        }
    }
    Ok(None)
}
