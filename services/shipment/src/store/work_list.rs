//! Lists as the warehouse sees them, and the claims of automatic mode.

use chrono::{DateTime, Utc};
use shared::contract::order::ShipTo;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::rows::{ListRow, ShipToRow};
use crate::domain::{Fulfilment, PickingList};

/// A list with what the warehouse needs of its order.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) order_id: Uuid,
    pub(crate) ship_to: ShipTo,
    pub(crate) traceparent: Option<String>,
    pub(crate) list: PickingList,
}

/// A list whose next step is due.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Due {
    pub(crate) order_id: Uuid,
    pub(crate) list_id: Uuid,
    pub(crate) state: String,
}

/// Which lists to show.
pub(crate) struct Filter<'f> {
    pub(crate) order_id: Option<Uuid>,
    pub(crate) warehouse: Option<&'f str>,
    /// `None`: those that the warehouse has work with, or all of the order.
    pub(crate) state: Option<&'f str>,
    pub(crate) after: Option<Uuid>,
    pub(crate) limit: i64,
}

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    list: ListRow,
    #[sqlx(flatten)]
    ship_to: ShipToRow,
    traceparent: Option<String>,
}

macro_rules! select_listed {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.order_id, p.warehouse, p.state, p.skus, p.quantities, p.created_at,
                    p.changed_at, p.attempts, p.retry_at, p.failure, p.shipment_id, p.carrier,
                    p.tracking_number, p.dispatched_at, p.delivered_at, f.ship_name,
                    f.ship_street, f.ship_postal_code, f.ship_city, f.ship_country, f.traceparent
             FROM picking_lists AS p
             JOIN fulfilments   AS f USING (order_id) ",
            $rest
        )
    };
}

/// What the warehouse has work with.
const WORK: &[&str] = &["released", "picked", "packed"];
/// What the index of open lists holds.
const OPEN: &[&str] = &["released", "picked", "packed", "dispatched"];
const ALL: &[&str] = &[
    "draft",
    "released",
    "picked",
    "packed",
    "dispatched",
    "delivered",
    "void",
];

pub(crate) async fn find_list(
    db: impl PgExecutor<'_>,
    id: Uuid,
) -> Result<Option<Listed>, sqlx::Error> {
    Ok(find_lists(db, &[id]).await?.pop())
}

pub(crate) async fn find_lists(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<Vec<Listed>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as(select_listed!("WHERE p.id = ANY($1) ORDER BY p.id"))
        .bind(ids)
        .fetch_all(db)
        .await?;
    into_listed(rows)
}

/// The list whose parcel has this number.
pub(crate) async fn find_parcel(
    db: impl PgExecutor<'_>,
    carrier: &str,
    tracking_number: &str,
) -> Result<Option<Listed>, sqlx::Error> {
    let rows = sqlx::query_as(select_listed!(
        "WHERE p.carrier = $1 AND p.tracking_number = $2"
    ))
    .bind(carrier)
    .bind(tracking_number)
    .fetch_all(db)
    .await?;
    Ok(into_listed(rows)?.pop())
}

/// Oldest first. Three statements, so that each has the index that it needs.
pub(crate) async fn find_page(
    db: impl PgExecutor<'_>,
    filter: &Filter<'_>,
) -> Result<Vec<Listed>, sqlx::Error> {
    let after = filter.after.unwrap_or(Uuid::nil());
    let one = filter.state.as_slice();
    let rows = match (filter.order_id, filter.state) {
        (Some(order_id), _) => {
            sqlx::query_as(select_listed!(
                "WHERE p.order_id = $5 AND p.state = ANY($1)
                   AND ($2::text IS NULL OR p.warehouse = $2) AND p.id > $3
                 ORDER BY p.id LIMIT $4"
            ))
            .bind(if one.is_empty() { ALL } else { one })
            .bind(filter.warehouse)
            .bind(after)
            .bind(filter.limit)
            .bind(order_id)
            .fetch_all(db)
            .await?
        }
        (None, Some(state)) if !OPEN.contains(&state) => {
            sqlx::query_as(select_listed!(
                "WHERE p.state = ANY($1)
                   AND ($2::text IS NULL OR p.warehouse = $2) AND p.id > $3
                 ORDER BY p.id LIMIT $4"
            ))
            .bind(one)
            .bind(filter.warehouse)
            .bind(after)
            .bind(filter.limit)
            .fetch_all(db)
            .await?
        }
        (None, _) => {
            sqlx::query_as(select_listed!(
                "WHERE p.state IN ('released', 'picked', 'packed', 'dispatched')
                   AND p.state = ANY($1)
                   AND ($2::text IS NULL OR p.warehouse = $2) AND p.id > $3
                 ORDER BY p.id LIMIT $4"
            ))
            .bind(if one.is_empty() { WORK } else { one })
            .bind(filter.warehouse)
            .bind(after)
            .bind(filter.limit)
            .fetch_all(db)
            .await?
        }
    };
    into_listed(rows)
}

/// Locks orders with a list that has rested in its state since `rested`, but nobody else works on,
/// and says which. What the list has become meanwhile is seen when it is loaded.
pub(crate) async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    rested: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as(
        "SELECT p.order_id, p.id AS list_id, p.state
         FROM picking_lists AS p
         JOIN fulfilments   AS f USING (order_id)
         WHERE p.state IN ('released', 'picked', 'dispatched')
           AND p.changed_at <= $2
           AND (p.retry_at IS NULL OR p.retry_at <= $1)
         ORDER BY p.id
         LIMIT $3
         FOR UPDATE OF f SKIP LOCKED",
    )
    .bind(now)
    .bind(rested)
    .bind(i64::try_from(limit).expect("a claim is a few hundred lists"))
    .fetch_all(tx)
    .await
}

/// The same for packed lists, whose carrier is called outside a transaction: until `until` they
/// are this caller's alone, or until it dies. The lists are locked, too, so that the update need
/// not look again whether they are packed: it would go through all that are.
pub(crate) async fn claim_packed(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    rested: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH due AS (
             SELECT p.id
             FROM picking_lists AS p
             JOIN fulfilments   AS f USING (order_id)
             WHERE p.state = 'packed'
               AND p.changed_at <= $2
               AND (p.retry_at IS NULL OR p.retry_at <= $1)
             ORDER BY p.id
             LIMIT $4
             FOR UPDATE OF f, p SKIP LOCKED
         )
         UPDATE picking_lists AS p
         SET retry_at = $3
         FROM due
         WHERE p.id = due.id
         RETURNING p.id",
    )
    .bind(now)
    .bind(rested)
    .bind(until)
    .bind(i64::try_from(limit).expect("a claim is a few hundred lists"))
    .fetch_all(tx)
    .await
}

fn into_listed(rows: Vec<ListedRow>) -> Result<Vec<Listed>, sqlx::Error> {
    rows.into_iter()
        .map(|row| {
            let order_id = row.list.order_id;
            let ship_to = row.ship_to.into_ship_to().ok_or_else(|| {
                sqlx::Error::Decode(format!("order {order_id} has lists but no address").into())
            })?;
            Ok(Listed {
                order_id,
                ship_to,
                traceparent: row.traceparent,
                list: row.list.into_list()?,
            })
        })
        .collect()
}

impl Listed {
    /// As the transaction that changed it leaves it.
    pub(crate) fn of(fulfilment: &Fulfilment, list_id: Uuid) -> Self {
        let placed = fulfilment.placed.as_ref();
        let list = fulfilment.lists.iter().find(|list| list.id == list_id);
        Self {
            order_id: fulfilment.order_id,
            ship_to: placed
                .expect("a list is drafted only once the order is known")
                .ship_to
                .clone(),
            traceparent: fulfilment.traceparent.clone(),
            list: list
                .expect("a list is looked up with its own order")
                .clone(),
        }
    }
}
