//! The limit: what Postgres takes when nothing else has to be done.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::BATCH_RECORDS_MAX;
use super::batches::{Batches, events, taken};
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::rows::{self, Table};

/// What inventory inserts for an event. The statements are shaped as its own are.
const TABLES: &[Table] = &[
    Table {
        name: "processed_events",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO processed_events (event_id)
                 SELECT event_id FROM unnest($1::processed_events[])",
    },
    Table {
        name: "reservations",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO reservations (order_id, warehouse, state, skus, quantities)
                 SELECT order_id, warehouse, state, skus, quantities
                 FROM unnest($1::reservations[])",
    },
    Table {
        name: "stock_ledger",
        only: "order_id IS NOT NULL",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO stock_ledger (at, causation_id, order_id, reason, note,
                                           skus, warehouses, d_on_hand, d_reserved)
                 SELECT at, causation_id, order_id, reason, note,
                        skus, warehouses, d_on_hand, d_reserved
                 FROM unnest($1::stock_ledger[])",
    },
    Table {
        name: "outbox",
        only: "type = 'StockReserved'",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key,
                                     headers, payload)
                 SELECT event_id, causation_id, version, shard, type, topic, key, headers, payload
                 FROM unnest($1::outbox[])",
    },
];

const SET_FENCE: &str = "UPDATE consumer_offsets SET next_offset = next_offset + $1";

/// Of what inventory has inserted, without a page's or an index's own.
pub(super) async fn row_bytes(ours: &str) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(ours).await?;
    let mut bytes = 0.0;
    for Table { name, only, .. } in TABLES {
        let statement = format!(
            "SELECT coalesce(sum(pg_column_size(row.*)), 0)::float8 FROM {name} AS row WHERE {only}"
        );
        let of_table: f64 = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_one(&mut connection)
            .await?;
        bytes += of_table;
    }
    connection.close().await?;
    Ok(bytes)
}

pub(super) async fn run(parts: &Parts, ours: &str, limit: &str) -> anyhow::Result<Measured> {
    let mut source = PgConnection::connect(ours).await?;
    let batches = Batches {
        events: events(&mut source).await?,
        taken: taken(&mut source).await?,
        groups: rows::read(&mut source, TABLES, BATCH_RECORDS_MAX).await?,
    };
    source.close().await?;

    // As the service's own connection is set.
    let mut connection = shared::db::options(limit, "bench/limit")?.connect().await?;
    sqlx::query("INSERT INTO consumer_offsets VALUES ('order.events', 0, 1, 0)")
        .execute(&mut connection)
        .await?;
    batches.write(parts, connection, Some(SET_FENCE)).await
}
