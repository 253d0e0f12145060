//! The orders that are placed, and the stock that fills every one of them.

use shared::contract::order::{OrderLine, OrderPlaced, ShipTo};
use shared::event::new_id;
use sqlx::{Connection, PgConnection};

/// A batch of two thousand orders touches all of them, and each many times.
const SKUS: u64 = 64;
const LINES_MAX: u64 = 3;
const QUANTITY_MAX: u64 = 4;
/// Each has its own nearest warehouse, and no order has to be split.
const COUNTRIES: [&str; 3] = ["DE", "ES", "PL"];

/// What comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Mix {
    /// Every article as often as every other, and every event once.
    Uniform,
    /// Nine orders of ten want the same article.
    Hot,
    /// Three events of ten come again later, one of twenty at once, and one record of five thousand
    /// cannot be read.
    Repeated,
}

/// The same orders in every round, but for their ids, which rise as those of the intake do.
pub(in crate::bench) struct Orders {
    mix: Mix,
    dice: fastrand::Rng,
}

impl Orders {
    pub(in crate::bench) fn new(mix: Mix) -> Self {
        Self {
            mix,
            dice: fastrand::Rng::with_seed(0x7469_636b_6574),
        }
    }

    pub(in crate::bench) fn place(&mut self) -> OrderPlaced {
        let hot = self.mix == Mix::Hot && self.below(10) > 0;
        let first = if hot { 0 } else { self.below(SKUS) };
        let lines: Vec<_> = (0..=self.below(LINES_MAX))
            // An order has each SKU once.
            .map(|line| OrderLine {
                sku: sku((first + 21 * line) % SKUS),
                quantity: i32::try_from(1 + self.below(QUANTITY_MAX)).expect("it is small"),
                unit_price_minor: 1999,
            })
            .collect();
        let total = |line: &OrderLine| i64::from(line.quantity) * line.unit_price_minor;
        OrderPlaced {
            order_id: new_id(),
            customer_id: format!("customer-{}", self.below(100_000)),
            channel: "web".to_owned(),
            external_ref: None,
            total_minor: lines.iter().map(total).sum(),
            lines,
            currency: "EUR".to_owned(),
            ship_to: ShipTo {
                name: "Alice Example".to_owned(),
                street: "Am Markt 1".to_owned(),
                postal_code: "10115".to_owned(),
                city: "Berlin".to_owned(),
                country: COUNTRIES[self.below(3) as usize].to_owned(),
            },
        }
    }

    /// A span that is recorded, of a new trace.
    pub(super) fn traceparent(&mut self) -> String {
        let (trace, span) = (self.dice.u128(1..), self.dice.u64(1..));
        format!("00-{trace:032x}-{span:016x}-01")
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.dice.u64(..bound)
    }
}

fn sku(number: u64) -> String {
    format!("BENCH-{number:02}")
}

/// Plenty of every SKU in every warehouse, through the ledger, which has to explain every unit.
pub(super) async fn seed_stock(url: &str) -> anyhow::Result<()> {
    let skus: Vec<String> = (0..SKUS).map(sku).collect();
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(
        "WITH known AS (
             INSERT INTO skus (sku) SELECT unnest($1::text[])
         ), shelved AS (
             INSERT INTO stock (sku, warehouse, on_hand)
             SELECT sku, code, 1000000000 FROM unnest($1::text[]) AS sku, warehouses
         )
         INSERT INTO stock_ledger
             (at, causation_id, reason, note, skus, warehouses, d_on_hand, d_reserved)
         SELECT now(), gen_random_uuid(), 'receive', 'stock for a benchmark', array_agg(sku),
                array_agg(code), array_agg(1000000000), array_agg(0)
         FROM unnest($1::text[]) AS sku, warehouses
         GROUP BY sku",
    )
    .bind(&skus)
    .execute(&mut connection)
    .await?;
    Ok(connection.close().await?)
}

/// The same in the textbook's tables.
pub(super) async fn seed_plain_stock(url: &str) -> anyhow::Result<()> {
    let skus: Vec<String> = (0..SKUS).map(sku).collect();
    let mut connection = PgConnection::connect(url).await?;
    textbook::MIGRATIONS.run(&mut connection).await?;
    sqlx::query(
        "INSERT INTO stock (sku, warehouse, on_hand)
         SELECT sku, warehouse, 1000000000
         FROM unnest($1::text[]) AS sku, (SELECT DISTINCT warehouse FROM routes) AS warehouses",
    )
    .bind(&skus)
    .execute(&mut connection)
    .await?;
    Ok(connection.close().await?)
}
