//! Reservations and tombstones.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{Book, Order, Reservation, State};

/// One reservation on its way into the database.
#[derive(sqlx::Encode)]
struct ReservationRow<'a> {
    order_id: Uuid,
    warehouse: &'a str,
    state: &'a str,
    skus: &'a [String],
    quantities: &'a [i32],
}

shared::row_type!(ReservationRow<'_>, "reservation_row");

/// The orders among these that were seen, their reservations locked. `order_ids` are sorted.
///
/// Both look the ids up in the order of the key, and rows are locked in that order. Most orders are
/// new, so what counts is how fast nothing is found.
#[tracing::instrument(name = "db.reservations.load", skip_all)]
pub(crate) async fn load_orders(
    tx: &mut PgConnection,
    order_ids: &[Uuid],
) -> Result<HashMap<Uuid, Order>, sqlx::Error> {
    type Row = (
        Uuid,
        Option<String>,
        String,
        Option<Vec<String>>,
        Option<Vec<i32>>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "WITH live AS (
             SELECT order_id, warehouse, state, skus, quantities
             FROM reservations
             WHERE order_id = ANY($1)
             ORDER BY order_id, warehouse
             FOR UPDATE
         )
         SELECT order_id, warehouse, state, skus, quantities FROM live
         UNION ALL
         SELECT order_id, NULL, cause, NULL, NULL
         FROM tombstones
         WHERE order_id = ANY($1)",
    )
    .bind(order_ids)
    .fetch_all(tx)
    .await?;

    let mut orders = HashMap::with_capacity(order_ids.len());
    for (order_id, warehouse, state, skus, quantities) in rows {
        let (Some(warehouse), Some(skus), Some(quantities)) = (warehouse, skus, quantities) else {
            let order = match state.as_str() {
                "rejected" => Order::Rejected,
                "cancelled" => Order::Cancelled,
                unknown => return Err(unknown_state(unknown)),
            };
            orders.insert(order_id, order);
            continue;
        };
        let state = State::parse(&state).ok_or_else(|| unknown_state(&state))?;
        let reservation = Reservation {
            warehouse,
            state,
            skus,
            quantities,
            saved: Some(state),
        };
        match orders
            .entry(order_id)
            .or_insert_with(|| Order::Reserved(Vec::new()))
        {
            Order::Reserved(reservations) => reservations.push(reservation),
            // An order that was refused never gets a reservation.
            Order::Rejected | Order::Cancelled => {}
        }
    }
    Ok(orders)
}

/// A newer version of this service wrote it.
fn unknown_state(state: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown state of an order: {state}").into())
}

fn reservations(book: &Book) -> impl Iterator<Item = (Uuid, &Reservation)> {
    book.orders.iter().flat_map(|(order_id, order)| {
        let reservations = match order {
            Order::Reserved(reservations) => reservations.as_slice(),
            Order::Rejected | Order::Cancelled => &[],
        };
        reservations
            .iter()
            .map(|reservation| (*order_id, reservation))
    })
}

#[tracing::instrument(name = "db.reservations.insert", skip_all)]
pub(super) async fn insert_reservations(
    tx: &mut PgConnection,
    book: &Book,
) -> Result<(), sqlx::Error> {
    let mut rows: Vec<ReservationRow<'_>> = reservations(book)
        .filter(|(_, reservation)| reservation.saved.is_none())
        .map(|(order_id, reservation)| ReservationRow {
            order_id,
            warehouse: &reservation.warehouse,
            state: reservation.state.as_str(),
            skus: &reservation.skus,
            quantities: &reservation.quantities,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    // Neighbours in the index are written one after the other.
    rows.sort_unstable_by_key(|row| row.order_id);
    sqlx::query(
        "INSERT INTO reservations (order_id, warehouse, state, skus, quantities)
         SELECT order_id, warehouse, state, skus, quantities
         FROM unnest($1::reservation_row[])",
    )
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.reservations.update", skip_all)]
pub(super) async fn update_reservations(
    tx: &mut PgConnection,
    book: &Book,
) -> Result<(), sqlx::Error> {
    let mut order_ids = Vec::new();
    let mut warehouses = Vec::new();
    let mut states = Vec::new();
    for (order_id, reservation) in reservations(book) {
        if reservation
            .saved
            .is_some_and(|saved| saved != reservation.state)
        {
            order_ids.push(order_id);
            warehouses.push(reservation.warehouse.as_str());
            states.push(reservation.state.as_str());
        }
    }
    if order_ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE reservations AS r
         SET state = c.state
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS c (order_id, warehouse, state)
         WHERE r.order_id = c.order_id AND r.warehouse = c.warehouse",
    )
    .bind(order_ids)
    .bind(warehouses)
    .bind(states)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.tombstones.save", skip_all)]
pub(super) async fn save_tombstones(tx: &mut PgConnection, book: &Book) -> Result<(), sqlx::Error> {
    let mut order_ids = Vec::new();
    let mut causes = Vec::new();
    for (order_id, order) in &book.orders {
        let cause = match order {
            Order::Reserved(_) => continue,
            Order::Rejected => "rejected",
            Order::Cancelled => "cancelled",
        };
        order_ids.push(*order_id);
        causes.push(cause);
    }
    if order_ids.is_empty() {
        return Ok(());
    }
    // Those that were there already are passed, too, and stay untouched.
    sqlx::query(
        "INSERT INTO tombstones AS t (order_id, cause)
         SELECT * FROM unnest($1::uuid[], $2::text[]) AS c (order_id, cause) ORDER BY order_id
         ON CONFLICT ON CONSTRAINT tombstones_pkey DO UPDATE
         SET cause = excluded.cause
         WHERE t.cause <> excluded.cause",
    )
    .bind(order_ids)
    .bind(causes)
    .execute(tx)
    .await?;
    Ok(())
}
