//! Changes by hand, and the ledger as people read it.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// What a receipt or correction was answered.
#[derive(sqlx::FromRow)]
pub(crate) struct AdjustmentRow {
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) answer: Value,
}

#[tracing::instrument(name = "db.warehouses.exists", skip_all)]
pub(crate) async fn warehouse_exists(
    db: impl PgExecutor<'_>,
    code: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM warehouses WHERE code = $1)")
        .bind(code)
        .fetch_one(db)
        .await
}

/// Makes room on the shelf for a SKU that has never been there. **Before the SKU is locked**, so
/// that the load sees the row whoever made it.
#[tracing::instrument(name = "db.stock.ensure", skip_all)]
pub(crate) async fn ensure_level(
    tx: &mut PgConnection,
    sku: &str,
    warehouse: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO skus (sku) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(sku)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO stock (sku, warehouse) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(sku)
        .bind(warehouse)
        .execute(tx)
        .await?;
    Ok(())
}

#[tracing::instrument(name = "db.stock_adjustments.find", skip_all)]
pub(crate) async fn find_adjustment(
    tx: &mut PgConnection,
    causation_id: Uuid,
) -> Result<Option<AdjustmentRow>, sqlx::Error> {
    sqlx::query_as("SELECT fingerprint, answer FROM stock_adjustments WHERE causation_id = $1")
        .bind(causation_id)
        .fetch_optional(tx)
        .await
}

#[tracing::instrument(name = "db.stock_adjustments.save", skip_all)]
pub(crate) async fn save_adjustment(
    tx: &mut PgConnection,
    causation_id: Uuid,
    fingerprint: &[u8],
    answer: &Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO stock_adjustments (causation_id, fingerprint, answer) VALUES ($1, $2, $3)",
    )
    .bind(causation_id)
    .bind(fingerprint)
    .bind(answer)
    .execute(tx)
    .await?;
    Ok(())
}

/// One change of one level.
#[derive(sqlx::FromRow)]
pub(crate) struct LedgerLine {
    pub(crate) at: DateTime<Utc>,
    pub(crate) causation_id: Uuid,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) reason: String,
    pub(crate) note: Option<String>,
    pub(crate) warehouse: String,
    pub(crate) d_on_hand: i32,
    pub(crate) d_reserved: i32,
}

/// Newest first. **This reads the whole ledger**: it has no index, since every order would pay for
/// one and only people ask.
#[tracing::instrument(name = "db.stock_ledger.list", skip_all)]
pub(crate) async fn list_ledger(
    db: impl PgExecutor<'_>,
    sku: &str,
    before: Option<(DateTime<Utc>, Uuid, &str)>,
    lines_max: i64,
) -> Result<Vec<LedgerLine>, sqlx::Error> {
    let (at, causation_id, warehouse) = match before {
        Some((at, causation_id, warehouse)) => (Some(at), Some(causation_id), Some(warehouse)),
        None => (None, None, None),
    };
    sqlx::query_as(
        "SELECT at, causation_id, order_id, reason, note, warehouse, d_on_hand, d_reserved
         FROM stock_ledger_lines
         WHERE sku = $1
           AND ($2::timestamptz IS NULL OR (at, causation_id, warehouse) < ($2, $3, $4))
         ORDER BY at DESC, causation_id DESC, warehouse DESC
         LIMIT $5",
    )
    .bind(sku)
    .bind(at)
    .bind(causation_id)
    .bind(warehouse)
    .bind(lines_max)
    .fetch_all(db)
    .await
}
