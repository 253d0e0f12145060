//! Tables `orders`, `products` and `idempotency_keys`.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use shared::contract::order::{OrderLine, ShipTo};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use tracing::instrument;
use uuid::Uuid;

use super::sagas::{saga_columns, saga_of};
use crate::domain::order::{Order, Price, PriceList};
use crate::domain::state::{Saga, State};

/// The constraint that its callers turn into a sentence.
pub(crate) const CHANNEL_REF_UNIQUE: &str = "orders_channel_ref_unique";

/// An order about to be written, with the request it came from.
pub(crate) struct NewOrder<'a> {
    pub(crate) order: &'a Order,
    pub(crate) saga: &'a Saga,
    pub(crate) key: &'a str,
    pub(crate) fingerprint: &'a [u8],
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) trace_id: Option<[u8; 16]>,
    pub(crate) led_to: &'a [&'static str],
}

/// An order that a key was used for before.
#[derive(Debug, FromRow)]
pub(crate) struct Known {
    pub(crate) customer_id: String,
    pub(crate) key: String,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) order_id: Uuid,
    pub(crate) total_minor: i64,
    pub(crate) currency: String,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) traceparent: Option<String>,
}

/// An order and how far it is.
pub(crate) struct Found {
    pub(crate) order: Order,
    pub(crate) traceparent: Option<String>,
    pub(crate) saga: Saga,
}

#[derive(Debug, FromRow)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) unit_price_minor: i64,
    pub(crate) currency: String,
}

/// For this transaction: a key that another one is using is waited for this long, then given up.
#[instrument(name = "db.limit_lock_wait", skip_all)]
pub(crate) async fn limit_lock_wait(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET LOCAL lock_timeout = '1s'")
        .execute(tx)
        .await?;
    Ok(())
}

#[instrument(name = "db.products.load", skip_all)]
pub(crate) async fn load_prices(
    tx: &mut PgConnection,
    skus: &[&str],
) -> Result<PriceList, sqlx::Error> {
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT sku, unit_price_minor, currency FROM products WHERE sku = ANY($1)")
            .bind(skus)
            .fetch_all(tx)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(sku, unit_price_minor, currency)| {
            (
                sku,
                Price {
                    unit_price_minor,
                    currency,
                },
            )
        })
        .collect())
}

/// The whole price list.
#[instrument(name = "db.products.find", skip_all)]
pub(crate) async fn find_products(db: impl PgExecutor<'_>) -> Result<Vec<Product>, sqlx::Error> {
    sqlx::query_as("SELECT sku, name, unit_price_minor, currency FROM products ORDER BY sku")
        .fetch_all(db)
        .await
}

/// One new order on its way into the database.
#[derive(sqlx::Encode)]
struct NewOrderRow<'a> {
    order_id: Uuid,
    customer_id: &'a str,
    key: &'a str,
    fingerprint: &'a [u8],
    channel: &'a str,
    external_ref: Option<&'a str>,
    currency: &'a str,
    total_minor: i64,
    skus: Vec<&'a str>,
    quantities: Vec<i32>,
    unit_prices_minor: Vec<i64>,
    name: &'a str,
    street: &'a str,
    postal_code: &'a str,
    city: &'a str,
    country: &'a str,
    card: &'a str,
    traceparent: Option<&'a str>,
    due_at: Option<DateTime<Utc>>,
    due_for: Option<&'static str>,
    trace_id: Option<[u8; 16]>,
    led_to: &'a [&'static str],
}

shared::row_type!(NewOrderRow<'_>, "new_order_row");

impl<'a> NewOrderRow<'a> {
    fn of(new: &'a NewOrder<'a>) -> Self {
        let order = new.order;
        let (lines, ship_to, deadline) = (&order.lines, &order.ship_to, new.saga.deadline);
        Self {
            order_id: order.id,
            customer_id: &order.customer_id,
            key: new.key,
            fingerprint: new.fingerprint,
            channel: &order.channel,
            external_ref: order.external_ref.as_deref(),
            currency: &order.currency,
            total_minor: order.total_minor,
            skus: lines.iter().map(|line| line.sku.as_str()).collect(),
            quantities: lines.iter().map(|line| line.quantity).collect(),
            unit_prices_minor: lines.iter().map(|line| line.unit_price_minor).collect(),
            name: &ship_to.name,
            street: &ship_to.street,
            postal_code: &ship_to.postal_code,
            city: &ship_to.city,
            country: &ship_to.country,
            card: &order.card,
            traceparent: new.traceparent,
            due_at: deadline.map(|deadline| deadline.at),
            due_for: deadline.map(|deadline| deadline.due.as_str()),
            trace_id: new.trace_id,
            led_to: new.led_to,
        }
    }
}

/// Writes new orders with their keys, sagas and first timeline entries, and tells which are new:
/// one whose key is taken is left out whole.
///
/// Keys and references are taken in sorted order, so that two flushes cannot wait for each other.
#[instrument(name = "db.orders.insert", skip_all)]
pub(crate) async fn insert(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    orders: &[NewOrder<'_>],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let rows: Vec<_> = orders.iter().map(NewOrderRow::of).collect();
    let inserted: Vec<Uuid> = sqlx::query_scalar(
        "WITH batch AS (
             SELECT *
             FROM unnest($2::new_order_row[]) WITH ORDINALITY
                 AS b (order_id, customer_id, key, fingerprint, channel, external_ref, currency,
                       total_minor, skus, quantities, unit_prices_minor, name, street, postal_code,
                       city, country, card, traceparent, due_at, due_for, trace_id, led_to,
                       ordinal)
         ), fresh AS (
             INSERT INTO idempotency_keys (created_at, order_id, customer_id, key, fingerprint)
             SELECT $1, order_id, customer_id, key, fingerprint
             FROM batch
             ORDER BY customer_id, key, ordinal
             ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING
             RETURNING order_id
         ), placed AS (
             INSERT INTO orders (id, placed_at, total_minor, customer_id, channel, external_ref,
                                 currency, skus, quantities, unit_prices_minor, ship_to_name,
                                 ship_to_street, ship_to_postal_code, ship_to_city,
                                 ship_to_country, card, traceparent)
             SELECT order_id, $1, total_minor, customer_id, channel, external_ref, currency,
                    skus, quantities, unit_prices_minor, name, street, postal_code, city, country,
                    card, traceparent
             FROM batch
             JOIN fresh USING (order_id)
             ORDER BY channel, external_ref
         ), begun AS (
             -- As `Saga::placed` has it.
             INSERT INTO sagas (order_id, amount_minor, since, updated_at, verdict_at, due_at,
                                version, customer_id, state, due_for, verdict, stock, charge)
             SELECT order_id, total_minor, $1, $1, $1, due_at, $3, customer_id, 'pending', due_for,
                    'awaited', 'awaited', 'authorized'
             FROM batch
             JOIN fresh USING (order_id)
         ), told AS (
             INSERT INTO order_timeline (order_id, event_id, at, duplicate, type, what, to_state,
                                         trace_id, led_to)
             SELECT order_id, order_id, $1, false, 'OrderPlaced', 'the order was placed', 'pending',
                    trace_id, led_to
             FROM batch
             JOIN fresh USING (order_id)
         )
         SELECT order_id FROM fresh",
    )
    .bind(now)
    .bind(rows)
    .bind(Order::PLACED_VERSION)
    .fetch_all(tx)
    .await?;
    Ok(inserted.into_iter().collect())
}

/// What keys were used for, by customer and key.
#[instrument(name = "db.idempotency_keys.find", skip_all)]
pub(crate) async fn find_known(
    tx: &mut PgConnection,
    customer_ids: &[&str],
    keys: &[&str],
) -> Result<HashMap<(String, String), Known>, sqlx::Error> {
    let rows: Vec<Known> = sqlx::query_as(
        "SELECT k.customer_id, k.key, k.fingerprint, k.order_id, o.total_minor, o.currency,
                o.placed_at, o.traceparent
         FROM unnest($1::text[], $2::text[]) AS asked (customer_id, key)
         JOIN idempotency_keys k USING (customer_id, key)
         JOIN orders o ON o.id = k.order_id",
    )
    .bind(customer_ids)
    .bind(keys)
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.customer_id.clone(), row.key.clone()), row))
        .collect())
}

/// Forgets keys that were promised for a time that has passed.
pub(crate) async fn expire_keys(
    tx: &mut PgConnection,
    created_before: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let expired = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
        .bind(created_before)
        .execute(tx)
        .await?;
    Ok(expired.rows_affected())
}

/// One order, if it is this customer's. `None` asks for anybody's.
#[instrument(name = "db.orders.find", skip_all)]
pub(crate) async fn find(
    db: impl PgExecutor<'_>,
    order_id: Uuid,
    owner: Option<&str>,
) -> Result<Option<Found>, sqlx::Error> {
    sqlx::query(concat!(
        "SELECT o.*, ",
        saga_columns!(),
        " FROM orders o
         JOIN sagas s ON s.order_id = o.id
         WHERE o.id = $1 AND ($2::text IS NULL OR o.customer_id = $2)"
    ))
    .bind(order_id)
    .bind(owner)
    .fetch_optional(db)
    .await?
    .map(|row| found(&row))
    .transpose()
}

/// A customer's own orders before one, newest first.
#[instrument(name = "db.orders.list", skip_all)]
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    customer_id: &str,
    state: Option<State>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Found>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT o.*, ",
        saga_columns!(),
        " FROM orders o
         JOIN sagas s ON s.order_id = o.id
         WHERE o.customer_id = $1
           AND ($2::text IS NULL OR s.state = $2)
           AND ($3::uuid IS NULL OR o.id < $3)
         ORDER BY o.id DESC
         LIMIT $4"
    ))
    .bind(customer_id)
    .bind(state.map(State::as_str))
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(found).collect()
}

fn found(row: &PgRow) -> Result<Found, sqlx::Error> {
    let skus: Vec<String> = row.try_get("skus")?;
    let quantities: Vec<i32> = row.try_get("quantities")?;
    let unit_prices_minor: Vec<i64> = row.try_get("unit_prices_minor")?;
    let lines = skus
        .into_iter()
        .zip(quantities)
        .zip(unit_prices_minor)
        .map(|((sku, quantity), unit_price_minor)| OrderLine {
            sku,
            quantity,
            unit_price_minor,
        })
        .collect();
    let order = Order {
        id: row.try_get("id")?,
        placed_at: row.try_get("placed_at")?,
        customer_id: row.try_get("customer_id")?,
        channel: row.try_get("channel")?,
        external_ref: row.try_get("external_ref")?,
        lines,
        currency: row.try_get("currency")?,
        total_minor: row.try_get("total_minor")?,
        ship_to: ShipTo {
            name: row.try_get("ship_to_name")?,
            street: row.try_get("ship_to_street")?,
            postal_code: row.try_get("ship_to_postal_code")?,
            city: row.try_get("ship_to_city")?,
            country: row.try_get("ship_to_country")?,
        },
        card: row.try_get("card")?,
    };
    Ok(Found {
        order,
        traceparent: row.try_get("traceparent")?,
        saga: saga_of(row)?,
    })
}
