//! What became of the orders that were accepted.

use std::time::Duration;

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::load::Sample;
use super::stage::{Shop, Stage};

/// The longest backlog is a phase's mails.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LOOK_CLOSELY: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Mails of paid orders that nobody will send any more.
    pub(super) mails_lost: i64,
    /// What was promised and is not there.
    pub(super) missing: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Footprint {
    pub(super) processes: usize,
    pub(super) rss_bytes: u64,
}

/// Of an order alone.
pub(super) async fn until_confirmed(stage: &Stage, order_id: &str) -> anyhow::Result<()> {
    let mut orders = PgConnection::connect(&stage.database("order")).await?;
    loop {
        let state: Option<String> =
            sqlx::query_scalar("SELECT state FROM sagas WHERE order_id = $1::uuid")
                .bind(order_id)
                .fetch_optional(&mut orders)
                .await?;
        if state.context("the order is gone")? != "pending" {
            return Ok(());
        }
        tokio::time::sleep(LOOK_CLOSELY).await;
    }
}

/// The monolith has nothing left to do; Ticketrail decides every order and sends every mail yet.
pub(super) async fn settle(
    stage: &Stage,
    shop: Shop,
    samples: &[Sample],
) -> anyhow::Result<Settled> {
    if shop == Shop::Monolith {
        let mut shop = PgConnection::connect(&stage.monolith_database).await?;
        let question = "SELECT count(*) FROM orders WHERE state = 'charged' AND NOT mailed";
        return Ok(Settled {
            mails_lost: sqlx::query_scalar(question).fetch_one(&mut shop).await?,
            missing: None,
        });
    }
    let accepted: Vec<&str> = samples
        .iter()
        .filter_map(|sample| sample.order_id.as_deref())
        .collect();
    let until = Instant::now() + SETTLED_WITHIN;
    loop {
        let undecided = undecided(stage, &accepted).await?;
        let unsent = unsent(stage).await?;
        if undecided == 0 && unsent == 0 {
            return Ok(Settled::default());
        }
        if Instant::now() > until {
            return Ok(Settled {
                mails_lost: unsent,
                missing: (undecided > 0)
                    .then(|| format!("{undecided} accepted orders were never decided")),
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Accepted orders that are missing, or that nothing has become of.
async fn undecided(stage: &Stage, accepted: &[&str]) -> anyhow::Result<i64> {
    let mut orders = PgConnection::connect(&stage.database("order")).await?;
    Ok(sqlx::query_scalar(
        "SELECT count(*)
         FROM unnest($1::text[]) AS accepted (id)
         LEFT JOIN sagas ON sagas.order_id = accepted.id::uuid
         WHERE coalesce(sagas.state, 'pending') = 'pending'",
    )
    .bind(accepted)
    .fetch_one(&mut orders)
    .await?)
}

async fn unsent(stage: &Stage) -> anyhow::Result<i64> {
    let mut mails = PgConnection::connect(&stage.database("notification")).await?;
    let question = "SELECT count(*) FROM notifications WHERE state = 'pending'";
    Ok(sqlx::query_scalar(question).fetch_one(&mut mails).await?)
}
