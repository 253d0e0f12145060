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
pub(super) fn per_line(
    allocations: &[StockAllocation],
    text: impl Fn(&StockAllocation, &AllocatedLine) -> String,
) -> String {
    array_literal(allocations.iter().flat_map(|allocation| {
        allocation
            .lines
            .iter()
            .map(|line| text(allocation, line))
            .collect::<Vec<_>>()
    }))
}

/// One parameter of an `unnest`.
pub(super) fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// An array as text, because `unnest` would take an array of arrays apart to its elements.
pub(super) fn array_literal<T: AsRef<str>>(elements: impl IntoIterator<Item = T>) -> String {
    let mut literal = String::from("{");
    for element in elements {
        literal.push_str(if literal.len() == 1 { "\"" } else { ",\"" });
        for character in element.as_ref().chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_survive_an_array_literal() {
        assert_eq!(array_literal::<&str>([]), "{}");
        assert_eq!(array_literal(["KETTLE", "MUG"]), r#"{"KETTLE","MUG"}"#);
        assert_eq!(
            array_literal(["", "NULL", r#"a"b\c,{}"#]),
            r#"{"","NULL","a\"b\\c,{}"}"#
        );
    }

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
        let column = |text: fn(&StockAllocation, &AllocatedLine) -> String| -> Vec<_> {
            let lines = allocations
                .iter()
                .flat_map(|at| at.lines.iter().map(move |l| (at, l)));
            lines.map(|(at, line)| text(at, line)).collect()
        };

        let again = by_warehouse(
            column(|at, _| at.warehouse.clone()),
            column(|_, line| line.sku.clone()),
            vec![2, 1, 1],
        );

        assert_eq!(again, allocations);
    }
}
