//! Every SQL statement of this service.
//!
//! **A list is written only by who holds the lock on its order's fulfilment.**

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::Fulfilment;

mod rows;
mod work_list;

use rows::{FulfilmentRow, ListRow, NewFulfilmentRow, NewListRow};

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
    let changed: Vec<_> = fulfilments
        .changed()
        .map(|(now, _)| NewFulfilmentRow::of(now))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    update_fulfilments(tx, changed).await?;

    let lists: Vec<_> = fulfilments
        .changed()
        .flat_map(|(now, before)| {
            let changed = now.lists.iter().filter(|list| !before.lists.contains(list));
            changed.map(|list| NewListRow::of(now.order_id, list))
        })
        .collect();
    if lists.is_empty() {
        return Ok(());
    }
    save_lists(tx, lists).await
}

async fn update_fulfilments(
    tx: &mut PgConnection,
    rows: Vec<NewFulfilmentRow<'_>>,
) -> Result<(), sqlx::Error> {
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
             alloc_warehouses = n.alloc_warehouses,
             alloc_skus       = n.alloc_skus,
             alloc_quantities = n.alloc_quantities,
             traceparent      = n.traceparent
         FROM unnest($1::fulfilment_row[]) AS n
         WHERE f.order_id = n.order_id",
    )
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

async fn save_lists(tx: &mut PgConnection, rows: Vec<NewListRow<'_>>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO picking_lists (id, order_id, warehouse, state, skus, quantities, created_at,
                                    changed_at, attempts, retry_at, failure, shipment_id,
                                    carrier, tracking_number, dispatched_at, delivered_at)
         SELECT id, order_id, warehouse, state, skus, quantities, created_at, changed_at, attempts,
                retry_at, failure, shipment_id, carrier, tracking_number, dispatched_at,
                delivered_at
         FROM unnest($1::picking_list_row[])
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
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}
