//! The limit: what Postgres takes when nothing else has to be done.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, FromRow, PgConnection};

use super::BATCH_RECORDS_MAX;
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::rows::{self, Group, Table};

/// What inventory inserts for an event. The statements are shaped as its own are.
const TABLES: &[Table] = &[
    Table {
        name: "processed_events",
        only: "true",
        rows_per_unit: 1,
        insert: "INSERT INTO processed_events (event_id)
                 SELECT event_id FROM unnest($1::processed_events[])",
    },
    Table {
        name: "reservations",
        only: "true",
        rows_per_unit: 1,
        insert: "INSERT INTO reservations (order_id, warehouse, state, skus, quantities)
                 SELECT order_id, warehouse, state, skus, quantities
                 FROM unnest($1::reservations[])",
    },
    Table {
        name: "stock_ledger",
        only: "order_id IS NOT NULL",
        rows_per_unit: 1,
        insert: "INSERT INTO stock_ledger (at, causation_id, order_id, reason, note,
                                           skus, warehouses, d_on_hand, d_reserved)
                 SELECT at, causation_id, order_id, reason, note,
                        skus, warehouses, d_on_hand, d_reserved
                 FROM unnest($1::stock_ledger[])",
    },
    Table {
        name: "outbox",
        only: "type = 'StockReserved'",
        rows_per_unit: 1,
        insert: "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key,
                                     headers, payload)
                 SELECT event_id, causation_id, version, shard, type, topic, key, headers, payload
                 FROM unnest($1::outbox[])",
    },
];

/// What the batches took from the shelves: one row for each that a batch touched.
#[derive(FromRow)]
struct Taken {
    skus: Vec<String>,
    warehouses: Vec<String>,
    units: Vec<i64>,
}

pub(super) async fn run(parts: &Parts, ours: &str, limit: &str) -> anyhow::Result<Measured> {
    let mut source = PgConnection::connect(ours).await?;
    let groups = rows::read(&mut source, TABLES, BATCH_RECORDS_MAX).await?;
    let taken = read_taken(&mut source).await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM processed_events")
        .fetch_one(&mut source)
        .await?;
    source.close().await?;

    // As the service's own connection is set.
    let options: PgConnectOptions = shared::db::options(limit, "bench/limit")?;
    let mut connection = options.connect().await?;
    sqlx::query("INSERT INTO consumer_offsets VALUES ('order.events', 0, 1, 0)")
        .execute(&mut connection)
        .await?;
    let cpu = Cpu::now(parts.dir())?;
    let begun = Instant::now();
    for (group, taken) in groups.iter().zip(&taken) {
        write(&mut connection, group, taken).await?;
    }
    let took = begun.elapsed();
    let cpu = Cpu::now(parts.dir())?.since(&cpu);
    connection.close().await?;
    Ok(measured(events, took, cpu))
}

fn measured(events: i64, took: Duration, cpu: Cpu) -> Measured {
    Measured {
        units: events.unsigned_abs(),
        took,
        cpu,
        latency: None,
        details: BTreeMap::new(),
        wrong: Vec::new(),
    }
}

async fn write(
    connection: &mut PgConnection,
    group: &Group,
    taken: &Taken,
) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query("UPDATE consumer_offsets SET next_offset = next_offset + $1")
        .bind(i64::from(BATCH_RECORDS_MAX))
        .execute(&mut *tx)
        .await?;
    rows::write(&mut tx, group).await?;
    sqlx::query(
        "UPDATE stock AS s
         SET reserved = s.reserved + c.units
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (sku, warehouse, units)
         WHERE s.sku = c.sku AND s.warehouse = c.warehouse",
    )
    .bind(&taken.skus)
    .bind(&taken.warehouses)
    .bind(&taken.units)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// In the same groups as the rows.
async fn read_taken(source: &mut PgConnection) -> Result<Vec<Taken>, sqlx::Error> {
    sqlx::query_as(
        "SELECT array_agg(sku) AS skus, array_agg(warehouse) AS warehouses,
                array_agg(units) AS units
         FROM (SELECT part, u.sku, u.warehouse, sum(u.units)::bigint AS units
               FROM (SELECT (row_number() OVER (ORDER BY ctid) - 1) / $1 AS part,
                            skus, warehouses, d_reserved
                     FROM stock_ledger
                     WHERE order_id IS NOT NULL) AS entry,
                    unnest(entry.skus, entry.warehouses, entry.d_reserved)
                        AS u (sku, warehouse, units)
               GROUP BY part, u.sku, u.warehouse) AS lines
         GROUP BY part
         ORDER BY part",
    )
    .bind(i64::from(BATCH_RECORDS_MAX))
    .fetch_all(source)
    .await
}
