//! Rows as they are stored, and what the domain makes of them.

use chrono::{DateTime, Utc};
use shared::contract::inventory::{AllocatedLine, StockAllocation};
use shared::contract::order::ShipTo;
use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::{Fulfilment, Line, Parcel, PickingList, Placed, State};

#[derive(FromRow)]
pub(super) struct FulfilmentRow {
    pub(super) order_id: Uuid,
    version: i32,
    confirmed: bool,
    cancelled_at: Option<DateTime<Utc>>,
    customer_id: Option<String>,
    #[sqlx(flatten)]
    ship_to: ShipToRow,
    alloc_warehouses: Option<Vec<String>>,
    alloc_skus: Option<Vec<String>>,
    alloc_quantities: Option<Vec<i32>>,
    traceparent: Option<String>,
}

#[derive(FromRow)]
pub(super) struct ShipToRow {
    ship_name: Option<String>,
    ship_street: Option<String>,
    ship_postal_code: Option<String>,
    ship_city: Option<String>,
    ship_country: Option<String>,
}

#[derive(FromRow)]
pub(super) struct ListRow {
    id: Uuid,
    pub(super) order_id: Uuid,
    warehouse: String,
    state: String,
    skus: Vec<String>,
    quantities: Vec<i32>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    attempts: i32,
    retry_at: Option<DateTime<Utc>>,
    failure: Option<String>,
    shipment_id: Option<Uuid>,
    carrier: Option<String>,
    tracking_number: Option<String>,
    dispatched_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
}

impl FulfilmentRow {
    pub(super) fn into_fulfilment(self) -> Fulfilment {
        let placed = self.customer_id.zip(self.ship_to.into_ship_to());
        let allocations = match (
            self.alloc_warehouses,
            self.alloc_skus,
            self.alloc_quantities,
        ) {
            (Some(warehouses), Some(skus), Some(quantities)) => {
                Some(by_warehouse(warehouses, skus, quantities))
            }
            _ => None,
        };
        Fulfilment {
            order_id: self.order_id,
            version: self.version,
            placed: placed.map(|(customer_id, ship_to)| Placed {
                customer_id,
                ship_to,
            }),
            allocations,
            confirmed: self.confirmed,
            cancelled_at: self.cancelled_at,
            traceparent: self.traceparent,
            lists: Vec::new(),
        }
    }
}

impl ShipToRow {
    pub(super) fn into_ship_to(self) -> Option<ShipTo> {
        Some(ShipTo {
            name: self.ship_name?,
            street: self.ship_street?,
            postal_code: self.ship_postal_code?,
            city: self.ship_city?,
            country: self.ship_country?,
        })
    }
}

impl ListRow {
    pub(super) fn into_list(self) -> Result<PickingList, sqlx::Error> {
        let parcel = match (
            self.shipment_id,
            self.carrier,
            self.tracking_number,
            self.dispatched_at,
        ) {
            (Some(shipment_id), Some(carrier), Some(tracking_number), Some(dispatched_at)) => {
                Some(Parcel {
                    shipment_id,
                    carrier,
                    tracking_number,
                    dispatched_at,
                })
            }
            _ => None,
        };
        let state = match (&*self.state, parcel, self.delivered_at) {
            ("draft", None, None) => State::Draft,
            ("released", None, None) => State::Released,
            ("picked", None, None) => State::Picked,
            ("packed", None, None) => State::Packed,
            ("dispatched", Some(parcel), None) => State::Dispatched(parcel),
            ("delivered", Some(parcel), Some(at)) => State::Delivered(parcel, at),
            ("void", None, None) => State::Void,
            (state, ..) => {
                let impossible =
                    format!("picking list {} is {state} with the wrong parts", self.id);
                return Err(sqlx::Error::Decode(impossible.into()));
            }
        };
        Ok(PickingList {
            id: self.id,
            warehouse: self.warehouse,
            lines: self
                .skus
                .into_iter()
                .zip(self.quantities)
                .map(|(sku, quantity)| Line { sku, quantity })
                .collect(),
            state,
            created_at: self.created_at,
            changed_at: self.changed_at,
            attempts: self.attempts,
            retry_at: self.retry_at,
            failure: self.failure,
        })
    }
}

/// A fulfilment on its way into the database.
#[derive(sqlx::Encode)]
pub(super) struct NewFulfilmentRow<'a> {
    order_id: Uuid,
    version: i32,
    confirmed: bool,
    cancelled_at: Option<DateTime<Utc>>,
    customer_id: Option<&'a str>,
    ship_name: Option<&'a str>,
    ship_street: Option<&'a str>,
    ship_postal_code: Option<&'a str>,
    ship_city: Option<&'a str>,
    ship_country: Option<&'a str>,
    alloc_warehouses: Option<Vec<&'a str>>,
    alloc_skus: Option<Vec<&'a str>>,
    alloc_quantities: Option<Vec<i32>>,
    traceparent: Option<&'a str>,
}

shared::row_type!(NewFulfilmentRow<'_>, "fulfilment_row");

impl<'a> NewFulfilmentRow<'a> {
    pub(super) fn of(fulfilment: &'a Fulfilment) -> Self {
        let placed = fulfilment.placed.as_ref();
        let ship_to = placed.map(|placed| &placed.ship_to);
        let allocations = fulfilment.allocations.as_deref();
        Self {
            order_id: fulfilment.order_id,
            version: fulfilment.version,
            confirmed: fulfilment.confirmed,
            cancelled_at: fulfilment.cancelled_at,
            customer_id: placed.map(|placed| placed.customer_id.as_str()),
            ship_name: ship_to.map(|to| to.name.as_str()),
            ship_street: ship_to.map(|to| to.street.as_str()),
            ship_postal_code: ship_to.map(|to| to.postal_code.as_str()),
            ship_city: ship_to.map(|to| to.city.as_str()),
            ship_country: ship_to.map(|to| to.country.as_str()),
            alloc_warehouses: allocations.map(|all| per_line(all, |at, _| at.warehouse.as_str())),
            alloc_skus: allocations.map(|all| per_line(all, |_, line| line.sku.as_str())),
            alloc_quantities: allocations.map(|all| per_line(all, |_, line| line.quantity)),
            traceparent: fulfilment.traceparent.as_deref(),
        }
    }
}

/// A list on its way into the database.
#[derive(sqlx::Encode)]
pub(super) struct NewListRow<'a> {
    id: Uuid,
    order_id: Uuid,
    warehouse: &'a str,
    state: &'a str,
    skus: Vec<&'a str>,
    quantities: Vec<i32>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    attempts: i32,
    retry_at: Option<DateTime<Utc>>,
    failure: Option<&'a str>,
    shipment_id: Option<Uuid>,
    carrier: Option<&'a str>,
    tracking_number: Option<&'a str>,
    dispatched_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
}

shared::row_type!(NewListRow<'_>, "picking_list_row");

impl<'a> NewListRow<'a> {
    pub(super) fn of(order_id: Uuid, list: &'a PickingList) -> Self {
        let parcel = list.state.parcel();
        Self {
            id: list.id,
            order_id,
            warehouse: &list.warehouse,
            state: list.state.name(),
            skus: list.lines.iter().map(|line| line.sku.as_str()).collect(),
            quantities: list.lines.iter().map(|line| line.quantity).collect(),
            created_at: list.created_at,
            changed_at: list.changed_at,
            attempts: list.attempts,
            retry_at: list.retry_at,
            failure: list.failure.as_deref(),
            shipment_id: parcel.map(|parcel| parcel.shipment_id),
            carrier: parcel.map(|parcel| parcel.carrier.as_str()),
            tracking_number: parcel.map(|parcel| parcel.tracking_number.as_str()),
            dispatched_at: parcel.map(|parcel| parcel.dispatched_at),
            delivered_at: list.state.delivered_at(),
        }
    }
}

/// One entry per line becomes one allocation per warehouse again; lines of one stand together.
fn by_warehouse(
    warehouses: Vec<String>,
    skus: Vec<String>,
    quantities: Vec<i32>,
) -> Vec<StockAllocation> {
    let mut allocations: Vec<StockAllocation> = Vec::new();
    for ((warehouse, sku), quantity) in warehouses.into_iter().zip(skus).zip(quantities) {
        let line = AllocatedLine { sku, quantity };
        match allocations
            .last_mut()
            .filter(|last| last.warehouse == warehouse)
        {
            Some(last) => last.lines.push(line),
            None => allocations.push(StockAllocation {
                warehouse,
                lines: vec![line],
            }),
        }
    }
    allocations
}

/// The reverse, one column of it.
fn per_line<'a, T>(
    allocations: &'a [StockAllocation],
    value: impl Fn(&'a StockAllocation, &'a AllocatedLine) -> T,
) -> Vec<T> {
    let lines = allocations
        .iter()
        .flat_map(|allocation| allocation.lines.iter().map(move |line| (allocation, line)));
    lines
        .map(|(allocation, line)| value(allocation, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_the_same_after_a_rest_as_lines() {
        let line = |sku: &str, quantity| AllocatedLine {
            sku: sku.to_owned(),
            quantity,
        };
        let at = |warehouse: &str, lines| StockAllocation {
            warehouse: warehouse.to_owned(),
            lines,
        };
        let allocations = vec![
            at("BER", vec![line("MUG", 2), line("POT", 1)]),
            at("MAD", vec![line("MUG", 1)]),
        ];

        let again = by_warehouse(
            per_line(&allocations, |at, _| at.warehouse.clone()),
            per_line(&allocations, |_, line| line.sku.clone()),
            per_line(&allocations, |_, line| line.quantity),
        );

        assert_eq!(again, allocations);
    }
}
