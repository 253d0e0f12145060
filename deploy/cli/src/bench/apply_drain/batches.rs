//! The work of inventory as batches of finished rows, for whoever only has to write them.

use std::time::Instant;

use sqlx::{Connection, FromRow, PgConnection};

use super::BATCH_RECORDS_MAX;
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::rows::{self, Group};

pub(super) struct Batches {
    pub(super) events: u64,
    pub(super) groups: Vec<Group>,
    pub(super) taken: Vec<Taken>,
}

/// What a batch took from the shelves: one row for each that it touched.
#[derive(FromRow)]
pub(super) struct Taken {
    skus: Vec<String>,
    warehouses: Vec<String>,
    units: Vec<i64>,
}

impl Batches {
    /// One transaction for each. `set_fence` takes the number of its events.
    pub(super) async fn write(
        &self,
        parts: &Parts,
        mut connection: PgConnection,
        set_fence: Option<&'static str>,
    ) -> anyhow::Result<Measured> {
        let cpu = Cpu::now(parts.dir())?;
        let begun = Instant::now();
        for (group, taken) in self.groups.iter().zip(&self.taken) {
            let mut tx = connection.begin().await?;
            if let Some(set_fence) = set_fence {
                sqlx::query(set_fence)
                    .bind(i64::from(BATCH_RECORDS_MAX))
                    .execute(&mut *tx)
                    .await?;
            }
            rows::write(&mut tx, group).await?;
            taken.write(&mut tx).await?;
            tx.commit().await?;
        }
        let took = begun.elapsed();
        let cpu = Cpu::now(parts.dir())?.since(&cpu);
        connection.close().await?;
        Ok(Measured::new(self.events, took, cpu))
    }
}

impl Taken {
    async fn write(&self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE stock AS s
             SET reserved = s.reserved + c.units
             FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (sku, warehouse, units)
             WHERE s.sku = c.sku AND s.warehouse = c.warehouse",
        )
        .bind(&self.skus)
        .bind(&self.warehouses)
        .bind(&self.units)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// How many events ours has processed.
pub(super) async fn events(source: &mut PgConnection) -> anyhow::Result<u64> {
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM processed_events")
        .fetch_one(source)
        .await?;
    Ok(u64::try_from(events)?)
}

/// In the same groups as the rows.
pub(super) async fn taken(source: &mut PgConnection) -> Result<Vec<Taken>, sqlx::Error> {
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
