//! Every statement of the shop.

use sqlx::PgPool;
use uuid::Uuid;

use crate::PlaceOrder;

pub(crate) enum Reserved {
    Now {
        id: Uuid,
        total_minor: i64,
    },
    /// Under the same key.
    Before(Uuid),
    OutOfStock,
}

/// Checks and deducts the stock, and writes the order down.
pub(crate) async fn reserve(
    pool: &PgPool,
    order: &PlaceOrder,
    key: &str,
) -> Result<Reserved, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let known: Option<Uuid> =
        sqlx::query_scalar("SELECT id FROM orders WHERE customer_id = $1 AND idempotency_key = $2")
            .bind(&order.customer_id)
            .bind(key)
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(id) = known {
        return Ok(Reserved::Before(id));
    }
    let price: Option<i64> = sqlx::query_scalar(
        "UPDATE stock SET on_hand = on_hand - $2
         WHERE sku = $1 AND on_hand >= $2
         RETURNING unit_price_minor",
    )
    .bind(&order.sku)
    .bind(i64::from(order.quantity))
    .fetch_optional(&mut *tx)
    .await?;
    let Some(price) = price else {
        return Ok(Reserved::OutOfStock);
    };
    let (id, total_minor) = (shared::event::new_id(), price * i64::from(order.quantity));
    sqlx::query(
        "INSERT INTO orders (id, customer_id, idempotency_key, sku, quantity, total_minor, state)
         VALUES ($1, $2, $3, $4, $5, $6, 'reserved')",
    )
    .bind(id)
    .bind(&order.customer_id)
    .bind(key)
    .bind(&order.sku)
    .bind(order.quantity)
    .bind(total_minor)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Reserved::Now { id, total_minor })
}

pub(crate) async fn book_charge(
    pool: &PgPool,
    id: Uuid,
    customer_id: &str,
    total_minor: i64,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE orders SET state = 'charged' WHERE id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO wallets AS w (customer_id, spent_minor) VALUES ($1, $2)
         ON CONFLICT ON CONSTRAINT wallets_pkey DO UPDATE
         SET spent_minor = w.spent_minor + excluded.spent_minor",
    )
    .bind(customer_id)
    .bind(total_minor)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Gives the stock back.
pub(crate) async fn undo(pool: &PgPool, id: Uuid, order: &PlaceOrder) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE orders SET state = 'undone' WHERE id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE stock SET on_hand = on_hand + $2 WHERE sku = $1")
        .bind(&order.sku)
        .bind(i64::from(order.quantity))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

pub(crate) async fn book_mail(pool: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE orders SET mailed = true WHERE id = $1")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}
