//! The transaction of one message.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::GROUP;
use crate::events::{ANSWERS, Answer, Events, Received};
use crate::placement::{Allocation, Free, Placed, place};

/// Nearest warehouse first, by country.
pub(crate) type Routes = HashMap<String, Vec<String>>;

pub(crate) async fn routes(pool: &PgPool) -> Result<Routes, sqlx::Error> {
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT country, array_agg(warehouse ORDER BY position) FROM routes GROUP BY country",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn apply(
    pool: &PgPool,
    events: &Events,
    routes: &Routes,
    namespace: &str,
    received: &Received,
) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let new = sqlx::query(
        "INSERT INTO processed_events (consumer_group, event_id) VALUES ($1, $2)
         ON CONFLICT DO NOTHING",
    )
    .bind(GROUP)
    .bind(received.event_id)
    .execute(&mut *tx)
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    let lines = &received.placed.lines;
    let skus: Vec<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
    let free = lock(&mut tx, &skus).await?;
    let country = &received.placed.ship_to.country;
    let route = routes.get(country).map_or(&[][..], Vec::as_slice);
    let placed = place(lines, route, &free);
    match &placed {
        Placed::Reserved(allocations) => reserve(&mut tx, received.order_id, allocations).await?,
        Placed::Rejected(_) => {
            sqlx::query("INSERT INTO rejections (order_id) VALUES ($1)")
                .bind(received.order_id)
                .execute(&mut *tx)
                .await?;
        }
    }
    let answer = events.answer(received.order_id, &placed).await?;
    publish(&mut tx, namespace, received, &answer).await?;
    Ok(tx.commit().await?)
}

async fn lock(tx: &mut PgConnection, skus: &[&str]) -> Result<Free, sqlx::Error> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT sku, warehouse, on_hand - reserved
         FROM stock
         WHERE sku = ANY($1)
         ORDER BY sku, warehouse
         FOR UPDATE",
    )
    .bind(skus)
    .fetch_all(tx)
    .await?;
    let shelf = |(sku, warehouse, free)| ((sku, warehouse), free);
    Ok(rows.into_iter().map(shelf).collect())
}

async fn reserve(
    tx: &mut PgConnection,
    order_id: Uuid,
    allocations: &[Allocation],
) -> Result<(), sqlx::Error> {
    let skus: Vec<&str> = allocations.iter().map(|a| a.sku.as_str()).collect();
    let warehouses: Vec<&str> = allocations.iter().map(|a| a.warehouse.as_str()).collect();
    let quantities: Vec<i32> = allocations.iter().map(|a| a.quantity).collect();
    sqlx::query(
        "UPDATE stock AS s
         SET reserved = s.reserved + a.quantity
         FROM unnest($1::text[], $2::text[], $3::integer[]) AS a (sku, warehouse, quantity)
         WHERE s.sku = a.sku AND s.warehouse = a.warehouse",
    )
    .bind(&skus)
    .bind(&warehouses)
    .bind(&quantities)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO reservations (order_id, sku, warehouse, quantity, state)
         SELECT $1, a.sku, a.warehouse, a.quantity, 'held'
         FROM unnest($2::text[], $3::text[], $4::integer[]) AS a (sku, warehouse, quantity)",
    )
    .bind(order_id)
    .bind(&skus)
    .bind(&warehouses)
    .bind(&quantities)
    .execute(tx)
    .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the textbook asks its own clock")]
async fn publish(
    tx: &mut PgConnection,
    namespace: &str,
    received: &Received,
    answer: &Answer,
) -> Result<(), sqlx::Error> {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    let headers = json!({
        "ce_id": id,
        "ce_type": format!("ticketrail.inventory.{}", answer.event_type),
        "ce_source": "inventory",
        "ce_specversion": "1.0",
        "ce_time": chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()),
        "ce_correlationid": received.correlation_id,
        "ce_causationid": received.event_id,
        "content-type": "application/avro",
    });
    sqlx::query(
        "INSERT INTO outbox (id, type, topic, key, headers, payload)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(answer.event_type)
    .bind(format!("{namespace}{ANSWERS}"))
    .bind(received.order_id.to_string())
    .bind(headers)
    .bind(&answer.payload)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn keep(
    pool: &PgPool,
    (topic, partition, offset): (&str, i32, i64),
    value: Option<&[u8]>,
    error: &anyhow::Error,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        r#"INSERT INTO dead_letters (topic, partition, "offset", value, error)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING"#,
    )
    .bind(topic)
    .bind(partition)
    .bind(offset)
    .bind(value)
    .bind(format!("{error:#}"))
    .execute(pool)
    .await?;
    Ok(())
}
