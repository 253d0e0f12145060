//! The same effects in the plain layout, which is the textbook's: a row per fact, text and JSON
//! where people look. It says what the layout of ours is worth.
//!
//! It keeps no ledger, and no fence.

use anyhow::Context;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::BATCH_RECORDS_MAX;
use super::batches::{Batches, events, taken};
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::rows::{self, Table};

const TABLES: &[Table] = &[
    Table {
        name: "processed_events",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO processed_events (consumer_group, event_id)
                 SELECT consumer_group, event_id FROM unnest($1::processed_events[])",
    },
    Table {
        name: "reservations",
        only: "true",
        // Orders have rising ids.
        unit: "dense_rank() OVER (ORDER BY row.order_id) - 1",
        insert: "INSERT INTO reservations (order_id, sku, warehouse, quantity, state)
                 SELECT order_id, sku, warehouse, quantity, state
                 FROM unnest($1::reservations[])",
    },
    Table {
        name: "outbox",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO outbox (id, type, topic, key, headers, payload)
                 SELECT id, type, topic, key, headers, payload FROM unnest($1::outbox[])",
    },
];

/// What ours has written, in the textbook's tables.
const TRANSLATE: &str = "
    INSERT INTO processed_events (consumer_group, event_id)
    SELECT 'textbook-inventory', event_id FROM public.processed_events;

    INSERT INTO reservations (order_id, sku, warehouse, quantity, state)
    SELECT order_id, sku, warehouse, quantity, state FROM public.reservation_lines;

    INSERT INTO outbox (id, type, topic, key, headers, payload)
    SELECT event_id, type, topic, key,
           jsonb_build_object(
               'ce_id', event_id, 'ce_type', type, 'ce_source', 'inventory',
               'ce_specversion', '1.0', 'ce_time', created_at, 'ce_correlationid', key,
               'ce_causationid', causation_id, 'content-type', 'application/avro'),
           payload
    FROM public.outbox
    WHERE type = 'StockReserved'";

pub(super) async fn run(parts: &Parts, ours: &str, plain: &str) -> anyhow::Result<Measured> {
    let mut source = PgConnection::connect(ours).await?;
    let (events, taken) = (events(&mut source).await?, taken(&mut source).await?);
    sqlx::raw_sql("CREATE SCHEMA plain; SET search_path = plain")
        .execute(&mut source)
        .await?;
    textbook::MIGRATIONS.run(&mut source).await?;
    sqlx::raw_sql(TRANSLATE)
        .execute(&mut source)
        .await
        .context("cannot translate the rows of ours")?;
    let mut groups = rows::read(&mut source, TABLES, BATCH_RECORDS_MAX).await?;
    source.close().await?;

    let mut connection = shared::db::options(plain, "bench/plain")?.connect().await?;
    rows::adopt(&mut connection, &mut groups).await?;
    let batches = Batches {
        events,
        groups,
        taken,
    };
    // What was translated is flushed now, not while the clock runs.
    parts.checkpoint().await?;
    batches.write(parts, connection, None).await
}
