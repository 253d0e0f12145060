//! Every SQL statement of inventory.
//!
//! Rows are locked in one order by all writers: reservations by order and warehouse, then SKUs,
//! each with its stock by warehouse.

mod adjustments;
mod channels;
mod levels;
mod orders;
mod stock;

pub(crate) use adjustments::{
    LedgerLine, ensure_level, find_adjustment, list_ledger, save_adjustment, warehouse_exists,
};
pub(crate) use channels::{
    ChannelRow, forget_told_levels, list_channels, load_channels, set_buffer,
};
pub(crate) use levels::{changed_skus, load_told_levels, save_told_levels};
pub(crate) use orders::load_orders;
pub(crate) use stock::{StockRow, find_stock, list_stock, load_network, load_stock};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::Book;

/// Writes what the fold changed: one statement per table, none for a table that did not change.
pub(crate) async fn save(
    tx: &mut PgConnection,
    book: &Book,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    orders::insert_reservations(tx, book).await?;
    orders::update_reservations(tx, book).await?;
    orders::save_tombstones(tx, book).await?;
    stock::save_levels(tx, &book.stock).await?;
    stock::save_versions(tx, &book.stock).await?;
    stock::append_ledger(tx, &book.ledger, now).await
}
