//! After the last fault: everybody works, and everything comes to its end.

use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::Connection;

use super::arena::Arena;
use super::crew::Member;
use crate::basket::Basket;
use crate::client::Client;

/// What the promise says.
pub(super) const ENDED_WITHIN: Duration = Duration::from_secs(60);
const SENT_WITHIN: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(500);
const LAST_CALLS: usize = 5;

/// Waits until no order is under way, as long as is promised; returns how long it took and how
/// many were left.
pub(super) async fn until_ended(arena: &Arena) -> anyhow::Result<(Duration, i64)> {
    let left = "SELECT count(*) FROM sagas WHERE state NOT IN ('completed', 'cancelled')";
    until_none(arena.member("order")?, left, ENDED_WITHIN).await
}

/// The same for mails. Nobody is promised when: they go out at the pace of a mail server that was
/// away, and what waits for them is only that the laws are about a system at rest.
pub(super) async fn until_sent(arena: &Arena) -> anyhow::Result<(Duration, i64)> {
    let left = "SELECT count(*) FROM notifications WHERE state = 'pending'";
    until_none(arena.member("notification")?, left, SENT_WITHIN).await
}

async fn until_none(
    member: &Member,
    question: &'static str,
    within: Duration,
) -> anyhow::Result<(Duration, i64)> {
    let since = Instant::now();
    let mut connection = member.connect().await?;
    loop {
        let left: i64 = sqlx::query_scalar(question)
            .fetch_one(&mut connection)
            .await?;
        if left == 0 || since.elapsed() > within {
            connection.close().await?;
            return Ok((since.elapsed(), left));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Calls every service a few times; each that fails is told.
pub(super) async fn last_calls(arena: &Arena) -> anyhow::Result<Vec<String>> {
    let endpoints = arena.layout.endpoints();
    let keys = &arena.layout.dir;
    let of = |subject: &str, scope: &str| Client::new(keys, subject, scope);
    let calls = [
        (
            "inventory",
            of("stan", "stock")?,
            format!("{}/v1/stock", endpoints.inventory),
        ),
        (
            "shipment",
            of("wanda", "warehouse")?,
            format!("{}/v1/picking-lists", endpoints.shipment),
        ),
        (
            "fraud",
            of("rita", "review")?,
            format!("{}/v1/reviews", endpoints.fraud),
        ),
        (
            "notification",
            of("olga", "operations")?,
            format!("{}/v1/notifications", endpoints.notification),
        ),
    ];
    let mut failed = Vec::new();
    for number in 0..LAST_CALLS {
        for (service, client, url) in &calls {
            if let Err(error) = client.get(url).await.and_then(|answer| answer.ok()) {
                failed.push(format!("{service}: {error:#}"));
            }
        }
        let customer = of("last-customer", "")?;
        let order = Basket::of("MUG", 1).request();
        let url = format!("{}/v1/orders", endpoints.order);
        let placed = customer
            .post_once(&url, &format!("last-{number}"), &order)
            .await
            .and_then(|answer| answer.ok());
        if let Err(error) = placed.context("placing an order") {
            failed.push(format!("order: {error:#}"));
        }
    }
    Ok(failed)
}
