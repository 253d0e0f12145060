//! Levels, their SKUs' versions, and the ledger.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::domain::{LedgerEntry, Level, Network, Position, Stock};

/// A level as readers see it.
#[derive(sqlx::FromRow)]
pub(crate) struct StockRow {
    pub(crate) sku: String,
    pub(crate) warehouse: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) threshold: i64,
    pub(crate) low: bool,
}

#[tracing::instrument(name = "db.warehouses.load", skip_all)]
pub(crate) async fn load_network(tx: &mut PgConnection) -> Result<Network, sqlx::Error> {
    let warehouses: Vec<(String, f64, f64)> =
        sqlx::query_as("SELECT code, latitude, longitude FROM warehouses")
            .fetch_all(&mut *tx)
            .await?;
    let destinations: Vec<(String, f64, f64)> =
        sqlx::query_as("SELECT country, latitude, longitude FROM destinations")
            .fetch_all(tx)
            .await?;
    let place = |(name, latitude, longitude)| {
        (
            name,
            Position {
                latitude,
                longitude,
            },
        )
    };
    Ok(Network::new(
        warehouses.into_iter().map(place).collect(),
        destinations.into_iter().map(place).collect(),
    ))
}

/// Locks these SKUs in order, and reads their levels.
///
/// The stock rows are locked, too, although the SKU's lock is the one that counts: whoever waited
/// for it would otherwise read levels as they were when the statement began.
#[tracing::instrument(name = "db.stock.load", skip_all)]
pub(crate) async fn load_stock(
    tx: &mut PgConnection,
    skus: &[String],
) -> Result<Stock, sqlx::Error> {
    let mut stock = Stock::default();
    if skus.is_empty() {
        return Ok(stock);
    }
    let rows: Vec<(String, i32, String, i64, i64, i64, bool)> = sqlx::query_as(
        "SELECT k.sku, k.version, s.warehouse, s.on_hand, s.reserved, s.threshold, s.low
         FROM skus AS k
         JOIN stock AS s ON s.sku = k.sku
         WHERE k.sku = ANY($1)
         ORDER BY k.sku, s.warehouse
         FOR UPDATE",
    )
    .bind(skus)
    .fetch_all(tx)
    .await?;
    for (sku, version, warehouse, on_hand, reserved, threshold, low) in rows {
        stock.load(
            sku,
            version,
            Level::new(warehouse, on_hand, reserved, threshold, low),
        );
    }
    Ok(stock)
}

#[tracing::instrument(name = "db.stock.save", skip_all)]
pub(super) async fn save_levels(tx: &mut PgConnection, stock: &Stock) -> Result<(), sqlx::Error> {
    let mut skus = Vec::new();
    let mut warehouses = Vec::new();
    let mut on_hand = Vec::new();
    let mut reserved = Vec::new();
    let mut thresholds = Vec::new();
    let mut low = Vec::new();
    for (sku, level) in stock.changed_levels() {
        skus.push(sku);
        warehouses.push(level.warehouse.as_str());
        on_hand.push(level.on_hand);
        reserved.push(level.reserved);
        thresholds.push(level.threshold);
        low.push(level.low);
    }
    if skus.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE stock AS s
         SET on_hand = c.on_hand, reserved = c.reserved, threshold = c.threshold, low = c.low
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bool[])
             AS c (sku, warehouse, on_hand, reserved, threshold, low)
         WHERE s.sku = c.sku AND s.warehouse = c.warehouse",
    )
    .bind(skus)
    .bind(warehouses)
    .bind(on_hand)
    .bind(reserved)
    .bind(thresholds)
    .bind(low)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.skus.save", skip_all)]
pub(super) async fn save_versions(tx: &mut PgConnection, stock: &Stock) -> Result<(), sqlx::Error> {
    let (skus, versions): (Vec<&str>, Vec<i32>) = stock.changed_versions().unzip();
    if skus.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE skus AS k
         SET version = c.version
         FROM unnest($1::text[], $2::integer[]) AS c (sku, version)
         WHERE k.sku = c.sku",
    )
    .bind(skus)
    .bind(versions)
    .execute(tx)
    .await?;
    Ok(())
}

/// One entry of the ledger on its way into the database.
#[derive(sqlx::Encode)]
struct LedgerRow<'a> {
    causation_id: Uuid,
    order_id: Option<Uuid>,
    reason: &'a str,
    note: Option<&'a str>,
    skus: &'a [String],
    warehouses: &'a [String],
    d_on_hand: &'a [i32],
    d_reserved: &'a [i32],
}

shared::row_type!(LedgerRow<'_>, "stock_ledger_row");

#[tracing::instrument(name = "db.stock_ledger.append", skip_all)]
pub(super) async fn append_ledger(
    tx: &mut PgConnection,
    ledger: &[LedgerEntry],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if ledger.is_empty() {
        return Ok(());
    }
    let rows: Vec<LedgerRow<'_>> = ledger
        .iter()
        .map(|entry| LedgerRow {
            causation_id: entry.causation_id,
            order_id: entry.order_id,
            reason: entry.reason.as_str(),
            note: entry.note.as_deref(),
            skus: &entry.skus,
            warehouses: &entry.warehouses,
            d_on_hand: &entry.d_on_hand,
            d_reserved: &entry.d_reserved,
        })
        .collect();
    sqlx::query(
        "INSERT INTO stock_ledger (at, causation_id, order_id, reason, note,
                                   skus, warehouses, d_on_hand, d_reserved)
         SELECT $1, causation_id, order_id, reason, note, skus, warehouses, d_on_hand, d_reserved
         FROM unnest($2::stock_ledger_row[])",
    )
    .bind(now)
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.stock.find", skip_all)]
pub(crate) async fn find_stock(
    db: impl PgExecutor<'_>,
    sku: &str,
) -> Result<Vec<StockRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT sku, warehouse, on_hand, reserved, threshold, low
         FROM stock
         WHERE sku = $1
         ORDER BY warehouse",
    )
    .bind(sku)
    .fetch_all(db)
    .await
}

/// The levels of `skus_max` SKUs that follow `after`.
#[tracing::instrument(name = "db.stock.list", skip_all)]
pub(crate) async fn list_stock(
    db: impl PgExecutor<'_>,
    after: Option<&str>,
    skus_max: i64,
) -> Result<Vec<StockRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.sku, s.warehouse, s.on_hand, s.reserved, s.threshold, s.low
         FROM (SELECT sku FROM skus WHERE sku > coalesce($1, '') ORDER BY sku LIMIT $2) AS k
         JOIN stock AS s USING (sku)
         ORDER BY s.sku, s.warehouse",
    )
    .bind(after)
    .bind(skus_max)
    .fetch_all(db)
    .await
}
