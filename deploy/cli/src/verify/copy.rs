//! From each service's database into the check database, in one consistent look.

use std::str::FromStr;

use anyhow::Context;
use futures::StreamExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::Source;
use crate::local::Progress;

/// Table of the check database, and what it is filled with. `$` stands for the service's name.
type Copied = (&'static str, &'static str);

const RAIL: &[Copied] = &[
    (
        "chk.outbox",
        "SELECT '$'::text, id, tx_id, created_at, event_id, causation_id, version, shard, type,
                topic, key, substring(sha256(payload) FROM 1 FOR 16)
         FROM outbox",
    ),
    (
        "chk.watermarks",
        "SELECT '$'::text, shard, tx_id FROM outbox_watermark",
    ),
    (
        "chk.processed",
        "SELECT '$'::text, event_id, outcome, xmin::text::bigint FROM processed_events",
    ),
    (
        "chk.fences",
        "SELECT '$'::text, topic, partition, next_offset FROM consumer_offsets",
    ),
];

/// Not every service's database need have it.
const DEAD_LETTERS: Copied = (
    "chk.dead_letters",
    "SELECT '$'::text, event_id, topic, partition, \"offset\", key, state, attempts,
            substring(sha256(value) FROM 1 FOR 16)
     FROM dead_letters",
);

const ORDER: &[Copied] = &[
    (
        "ord.orders",
        "SELECT id, placed_at, customer_id, traceparent, skus, quantities FROM orders",
    ),
    (
        "ord.idempotency_keys",
        "SELECT order_id, customer_id, key FROM idempotency_keys",
    ),
    (
        "ord.sagas",
        "SELECT order_id, customer_id, state, charge, cancel_reason FROM sagas",
    ),
    (
        "ord.saga_acks",
        "SELECT order_id, participant FROM saga_acks",
    ),
    (
        "ord.timeline",
        "SELECT order_id, id, type, from_state, to_state
         FROM order_timeline
         WHERE from_state IS NOT NULL OR to_state IS NOT NULL",
    ),
];

const INVENTORY: &[Copied] = &[
    (
        "inv.stock",
        "SELECT sku, warehouse, on_hand, reserved FROM stock",
    ),
    (
        "inv.ledger",
        "SELECT causation_id, order_id, reason, skus, warehouses, d_on_hand, d_reserved
         FROM stock_ledger",
    ),
    (
        "inv.reservations",
        "SELECT order_id, warehouse, state, skus, quantities FROM reservations",
    ),
    ("inv.tombstones", "SELECT order_id, cause FROM tombstones"),
];

const SHIPMENT: &[Copied] = &[
    (
        "shp.fulfilments",
        "SELECT order_id, customer_id, cancelled_at IS NOT NULL FROM fulfilments",
    ),
    (
        "shp.picking_lists",
        "SELECT order_id, warehouse, state, skus, quantities FROM picking_lists",
    ),
];

const NOTIFICATION: &[Copied] = &[(
    "ntf.notifications",
    "SELECT subject_id, kind, customer_id FROM notifications",
)];

const FRAUD: &[Copied] = &[
    (
        "frd.transactions",
        "SELECT id, order_id, customer_id FROM transactions",
    ),
    (
        "frd.decisions",
        "SELECT transaction_id, order_id, verdict FROM decisions",
    ),
    ("frd.tombstones", "SELECT order_id FROM tombstones"),
];

pub(super) const SERVICES: [(&str, &[Copied]); 5] = [
    ("order", ORDER),
    ("inventory", INVENTORY),
    ("shipment", SHIPMENT),
    ("notification", NOTIFICATION),
    ("fraud", FRAUD),
];

pub(super) async fn all(
    source: &Source,
    check: &mut PgConnection,
    progress: &Progress,
) -> anyhow::Result<()> {
    for (service, own) in SERVICES {
        let mut from = connect(source, service).await?;
        let rows = one(&mut from, check, service, own)
            .await
            .with_context(|| format!("cannot copy the database of {service}"))?;
        from.close().await?;
        progress.say("verify", format!("{rows} rows of {service}"));
    }
    Ok(())
}

pub(super) async fn connect(source: &Source, service: &str) -> anyhow::Result<PgConnection> {
    let url = source.databases.get(service).with_context(|| {
        format!(
            "set {}_DATABASE_URL, the database of {service}",
            service.to_uppercase()
        )
    })?;
    PgConnectOptions::from_str(url)
        .with_context(|| format!("the URL of the database of {service}"))?
        .connect()
        .await
        .with_context(|| format!("cannot reach the database of {service}"))
}

async fn one(
    from: &mut PgConnection,
    check: &mut PgConnection,
    service: &str,
    own: &[Copied],
) -> anyhow::Result<u64> {
    // One snapshot for all tables: a row and the event it led to are seen both or not at all.
    sqlx::raw_sql(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
         SET LOCAL statement_timeout = 0;
         SET LOCAL idle_in_transaction_session_timeout = 0",
    )
    .execute(&mut *from)
    .await?;
    let taken_at: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT now()")
        .fetch_one(&mut *from)
        .await?;
    sqlx::query("INSERT INTO chk.services VALUES ($1, $2)")
        .bind(service)
        .bind(taken_at)
        .execute(&mut *check)
        .await?;
    let keeps_letters: bool = sqlx::query_scalar("SELECT to_regclass('dead_letters') IS NOT NULL")
        .fetch_one(&mut *from)
        .await?;
    let letters = keeps_letters.then_some(&DEAD_LETTERS);
    let mut rows = 0;
    for (table, select) in RAIL.iter().chain(letters).chain(own) {
        let select = select.replace('$', service);
        rows += stream(from, check, table, &select)
            .await
            .with_context(|| (*table).to_owned())?;
    }
    sqlx::raw_sql("COMMIT").execute(from).await?;
    Ok(rows)
}

/// Whatever its size, a table passes through in pieces.
async fn stream(
    from: &mut PgConnection,
    check: &mut PgConnection,
    table: &str,
    select: &str,
) -> anyhow::Result<u64> {
    let mut rows = from
        .copy_out_raw(&format!("COPY ({select}) TO STDOUT (FORMAT binary)"))
        .await?;
    let mut copy = check
        .copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await?;
    while let Some(bytes) = rows.next().await {
        copy.send(bytes?).await?;
    }
    Ok(copy.finish().await?)
}
