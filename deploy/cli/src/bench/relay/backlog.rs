//! Rows of the outbox, as inventory writes them.

use std::convert::Infallible;
use std::time::Duration;

use shared::avro::Codec;
use shared::avro::registry::Registry;
use shared::contract::inventory::{AllocatedLine, StockAllocation, StockReserved};
use shared::event::{Event, Schema, new_id};
use sqlx::{PgExecutor, PgPool};

use crate::bench::parts::Parts;

/// What a large batch commits.
const ROWS_PER_TRANSACTION: u32 = 2_000;
/// A thousand rows a second come meanwhile.
const TRICKLE: u32 = 100;
const TRICKLE_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Backlog {
    pool: PgPool,
    payload: Vec<u8>,
}

impl Backlog {
    pub(super) async fn new(parts: &Parts, url: &str) -> anyhow::Result<Self> {
        let pool = PgPool::connect(url).await?;
        let registry = Registry::new(&parts.registry())?;
        let schemas = [Schema::of::<StockReserved>()];
        let codec = Codec::load(registry, pool.clone(), schemas).await?;
        let line = |sku: &str, quantity| AllocatedLine {
            sku: sku.to_owned(),
            quantity,
        };
        let payload = codec.encode(&StockReserved {
            order_id: new_id(),
            allocations: vec![StockAllocation {
                warehouse: "BER".to_owned(),
                lines: vec![line("KETTLE", 2), line("MUG", 1)],
            }],
            placement: "Berlin is the nearest, and has all of it.".to_owned(),
        })?;
        Ok(Self { pool, payload })
    }

    pub(super) async fn fill(&self, rows: u32) -> anyhow::Result<()> {
        let mut left = rows;
        while left > 0 {
            let now = left.min(ROWS_PER_TRANSACTION);
            self.insert(&self.pool, now).await?;
            left -= now;
        }
        self.pool.close().await;
        Ok(())
    }

    /// Ends with an error only.
    pub(super) async fn trickle(&self) -> anyhow::Error {
        let trickle = async {
            loop {
                self.insert(&self.pool, TRICKLE).await?;
                tokio::time::sleep(TRICKLE_EVERY).await;
            }
        };
        let Err(error): Result<Infallible, sqlx::Error> = trickle.await;
        error.into()
    }

    pub(super) async fn insert(
        &self,
        executor: impl PgExecutor<'_>,
        rows: u32,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key, headers,
                                 payload)
             SELECT gen_random_uuid(), gen_random_uuid(), 1, number % 4, $1, $2,
                    gen_random_uuid()::text, '', $3
             FROM generate_series(1, $4) AS number",
        )
        .bind(StockReserved::TYPE)
        .bind(StockReserved::TOPIC.0)
        .bind(&self.payload)
        .bind(i64::from(rows))
        .execute(executor)
        .await?;
        Ok(())
    }
}
