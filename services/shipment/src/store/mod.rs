//! Every SQL statement of this service.
//!
//! **A list is written only by who holds the lock on its order's fulfilment.**

use std::collections::{BTreeMap, BTreeSet};

use shared::contract::inventory::{AllocatedLine, StockAllocation};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{Fulfilment, PickingList, Placed};

mod rows;
mod work_list;

use rows::{FulfilmentRow, ListRow, array_literal, column, per_line};

pub(crate) use work_list::{
    Due, Filter, Listed, claim_due, claim_packed, find_list, find_lists, find_page, find_parcel,
};

/// Locked fulfilments, with what is stored of them, so that only what changed is written.
pub(crate) struct Fulfilments {
    current: BTreeMap<Uuid, Fulfilment>,
    stored: BTreeMap<Uuid, Fulfilment>,
}

impl Fulfilments {
    pub(crate) fn of(&mut self, order_id: Uuid) -> &mut Fulfilment {
        self.current
            .get_mut(&order_id)
            .expect("every order that is touched was loaded")
    }

    fn changed(&self) -> impl Iterator<Item = (&Fulfilment, &Fulfilment)> {
        self.current
            .values()
            .zip(self.stored.values())
            .filter(|(now, before)| now != before)
    }
}

/// Locks the orders, in the order of their ids, and loads what is known of them.
pub(crate) async fn load_fulfilments(
    tx: &mut PgConnection,
    order_ids: BTreeSet<Uuid>,
) -> Result<Fulfilments, sqlx::Error> {
    let order_ids: Vec<_> = order_ids.into_iter().collect();
    lock_fulfilments(tx, &order_ids).await?;
    let rows: Vec<FulfilmentRow> = sqlx::query_as(
        "SELECT order_id, version, confirmed, cancelled_at, customer_id, ship_name, ship_street,
                ship_postal_code, ship_city, ship_country, alloc_warehouses, alloc_skus,
                alloc_quantities, traceparent
         FROM fulfilments
         WHERE order_id = ANY($1)",
    )
    .bind(&order_ids)
    .fetch_all(&mut *tx)
    .await?;
    let mut stored: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| (row.order_id, row.into_fulfilment()))
        .collect();

    // A list is drafted with an event, so most orders are known to have none without asking.
    let drafted: Vec<_> = stored
        .values()
        .filter(|f| f.version > 0)
        .map(|f| f.order_id)
        .collect();
    if !drafted.is_empty() {
        let lists: Vec<ListRow> = sqlx::query_as(
            "SELECT id, order_id, warehouse, state, skus, quantities, created_at, changed_at,
                    attempts, retry_at, failure, shipment_id, carrier, tracking_number,
                    dispatched_at, delivered_at
             FROM picking_lists
             WHERE order_id = ANY($1)
             ORDER BY order_id, id",
        )
        .bind(&drafted)
        .fetch_all(tx)
        .await?;
        for row in lists {
            if let Some(fulfilment) = stored.get_mut(&row.order_id) {
                fulfilment.lists.push(row.into_list()?);
            }
        }
    }
    Ok(Fulfilments {
        current: stored.clone(),
        stored,
    })
}

/// Locks each row, and makes those that are missing: two events of a new order may be on their way
/// in two transactions. The rows are read by a later statement, which sees what the lock waited
/// for.
async fn lock_fulfilments(tx: &mut PgConnection, order_ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO fulfilments AS f (order_id)
         SELECT order_id FROM unnest($1::uuid[]) AS order_id ORDER BY order_id
         ON CONFLICT (order_id) DO UPDATE SET version = f.version WHERE false",
    )
    .bind(order_ids)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn save_fulfilments(
    tx: &mut PgConnection,
    fulfilments: &Fulfilments,
) -> Result<(), sqlx::Error> {
    let changed: Vec<_> = fulfilments.changed().map(|(now, _)| now).collect();
    if changed.is_empty() {
        return Ok(());
    }
    update_fulfilments(tx, &changed).await?;

    let lists: Vec<_> = fulfilments
        .changed()
        .flat_map(|(now, before)| {
            let changed = now.lists.iter().filter(|list| !before.lists.contains(list));
            changed.map(|list| (now.order_id, list))
        })
        .collect();
    if lists.is_empty() {
        return Ok(());
    }
    save_lists(tx, &lists).await
}

async fn update_fulfilments(
    tx: &mut PgConnection,
    rows: &[&Fulfilment],
) -> Result<(), sqlx::Error> {
    let placed = |text: fn(&Placed) -> &str| -> Vec<_> {
        rows.iter()
            .map(|row| row.placed.as_ref().map(text))
            .collect()
    };
    let allocated = |text: fn(&StockAllocation, &AllocatedLine) -> String| -> Vec<_> {
        rows.iter()
            .map(|row| row.allocations.as_deref().map(|a| per_line(a, text)))
            .collect()
    };
    sqlx::query(
        "UPDATE fulfilments AS f
         SET version          = n.version,
             confirmed        = n.confirmed,
             cancelled_at     = n.cancelled_at,
             customer_id      = n.customer_id,
             ship_name        = n.ship_name,
             ship_street      = n.ship_street,
             ship_postal_code = n.ship_postal_code,
             ship_city        = n.ship_city,
             ship_country     = n.ship_country,
             alloc_warehouses = n.alloc_warehouses::text[],
             alloc_skus       = n.alloc_skus::text[],
             alloc_quantities = n.alloc_quantities::integer[],
             traceparent      = n.traceparent
         FROM unnest($1::uuid[], $2::integer[], $3::boolean[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
                     $12::text[], $13::text[], $14::text[])
              AS n (order_id, version, confirmed, cancelled_at, customer_id, ship_name,
                    ship_street, ship_postal_code, ship_city, ship_country, alloc_warehouses,
                    alloc_skus, alloc_quantities, traceparent)
         WHERE f.order_id = n.order_id",
    )
    .bind(column(rows, |row| row.order_id))
    .bind(column(rows, |row| row.version))
    .bind(column(rows, |row| row.confirmed))
    .bind(column(rows, |row| row.cancelled_at))
    .bind(placed(|placed| &placed.customer_id))
    .bind(placed(|placed| &placed.ship_to.name))
    .bind(placed(|placed| &placed.ship_to.street))
    .bind(placed(|placed| &placed.ship_to.postal_code))
    .bind(placed(|placed| &placed.ship_to.city))
    .bind(placed(|placed| &placed.ship_to.country))
    .bind(allocated(|allocation, _| allocation.warehouse.clone()))
    .bind(allocated(|_, line| line.sku.clone()))
    .bind(allocated(|_, line| line.quantity.to_string()))
    .bind(column(rows, |row| row.traceparent.as_deref()))
    .execute(tx)
    .await?;
    Ok(())
}

async fn save_lists(
    tx: &mut PgConnection,
    rows: &[(Uuid, &PickingList)],
) -> Result<(), sqlx::Error> {
    let skus = |list: &PickingList| array_literal(list.lines.iter().map(|line| &*line.sku));
    let quantities =
        |list: &PickingList| array_literal(list.lines.iter().map(|line| line.quantity.to_string()));
    sqlx::query(
        "INSERT INTO picking_lists (id, order_id, warehouse, state, skus, quantities, created_at,
                                    changed_at, attempts, retry_at, failure, shipment_id,
                                    carrier, tracking_number, dispatched_at, delivered_at)
         SELECT id, order_id, warehouse, state, skus::text[], quantities::integer[], created_at,
                changed_at, attempts, retry_at, failure, shipment_id, carrier, tracking_number,
                dispatched_at, delivered_at
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::timestamptz[],
                     $11::text[], $12::uuid[], $13::text[], $14::text[], $15::timestamptz[],
                     $16::timestamptz[])
              AS n (id, order_id, warehouse, state, skus, quantities, created_at, changed_at,
                    attempts, retry_at, failure, shipment_id, carrier, tracking_number,
                    dispatched_at, delivered_at)
         ON CONFLICT (id) DO UPDATE
         SET state           = excluded.state,
             changed_at      = excluded.changed_at,
             attempts        = excluded.attempts,
             retry_at        = excluded.retry_at,
             failure         = excluded.failure,
             shipment_id     = excluded.shipment_id,
             carrier         = excluded.carrier,
             tracking_number = excluded.tracking_number,
             dispatched_at   = excluded.dispatched_at,
             delivered_at    = excluded.delivered_at",
    )
    .bind(column(rows, |(_, list)| list.id))
    .bind(column(rows, |(order_id, _)| *order_id))
    .bind(column(rows, |(_, list)| &*list.warehouse))
    .bind(column(rows, |(_, list)| list.state.name()))
    .bind(column(rows, |(_, list)| skus(list)))
    .bind(column(rows, |(_, list)| quantities(list)))
    .bind(column(rows, |(_, list)| list.created_at))
    .bind(column(rows, |(_, list)| list.changed_at))
    .bind(column(rows, |(_, list)| list.attempts))
    .bind(column(rows, |(_, list)| list.retry_at))
    .bind(column(rows, |(_, list)| list.failure.as_deref()))
    .bind(column(rows, |(_, list)| {
        list.state.parcel().map(|parcel| parcel.shipment_id)
    }))
    .bind(column(rows, |(_, list)| {
        list.state.parcel().map(|parcel| &*parcel.carrier)
    }))
    .bind(column(rows, |(_, list)| {
        list.state.parcel().map(|parcel| &*parcel.tracking_number)
    }))
    .bind(column(rows, |(_, list)| {
        list.state.parcel().map(|parcel| parcel.dispatched_at)
    }))
    .bind(column(rows, |(_, list)| list.state.delivered_at()))
    .execute(tx)
    .await?;
    Ok(())
}
