//! Stories for the tests: what an order was told, in order.

use chrono::{DateTime, TimeDelta, Utc};
use shared::batch::Events;
use shared::contract::inventory::{AllocatedLine, StockAllocation, StockReserved};
use shared::contract::order::{OrderLine, OrderPlaced, ShipTo};
use uuid::Uuid;

use super::{Fulfilment, Label, allocate, cancel, confirm, deliver, dispatch, pack, pick, place};

/// What happens in a story. A number is the position of a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Placed,
    Reserved(&'static [&'static str]),
    Confirmed,
    Cancelled,
    Picked(usize),
    Packed(usize),
    Dispatched(usize),
    Delivered(usize),
}

/// Where a story ends, and what it published on the way, as "version type". Steps that are refused
/// do nothing.
pub(super) fn story(told: &[Told]) -> (Fulfilment, Vec<String>) {
    let mut fulfilment = unknown();
    let mut published = Vec::new();
    let mut ids = 0;
    let mut new_id = || {
        ids += 1;
        id(ids)
    };
    for told in told {
        let f = &mut fulfilment;
        let list = |f: &Fulfilment, at: usize| f.lists[at].id;
        let before = f.version;
        let events: Events = match *told {
            Told::Placed => place(f, &placed(), now(), &mut new_id).expect("well formed"),
            Told::Reserved(warehouses) => {
                allocate(f, &reserved(warehouses), now(), &mut new_id).expect("well formed")
            }
            Told::Confirmed => confirm(f, None, now()).expect("never rejected"),
            Told::Cancelled => cancel(f, now()).expect("never rejected"),
            Told::Picked(at) => pick(f, list(f, at), now()).unwrap_or_default(),
            Told::Packed(at) => pack(f, list(f, at), now()).unwrap_or_default(),
            Told::Dispatched(at) => {
                let id = list(f, at);
                dispatch(f, id, &label(), id, now()).unwrap_or_default()
            }
            Told::Delivered(at) => deliver(f, list(f, at), now()).unwrap_or_default(),
        };
        for (offset, event_type) in events.types().into_iter().enumerate() {
            published.push(format!("{} {event_type}", before as usize + offset + 1));
        }
        assert_eq!(
            published.len(),
            fulfilment.version as usize,
            "versions have a gap"
        );
    }
    (fulfilment, published)
}

/// An order of which nothing was heard yet.
pub(super) fn unknown() -> Fulfilment {
    Fulfilment {
        order_id: order_id(),
        version: 0,
        placed: None,
        allocations: None,
        confirmed: false,
        cancelled_at: None,
        traceparent: None,
        lists: Vec::new(),
    }
}

pub(super) fn order_id() -> Uuid {
    Uuid::from_u128(0xA)
}

pub(super) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

pub(super) fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

pub(super) fn label() -> Label {
    Label {
        carrier: "simpost",
        tracking_number: "SP1".to_owned(),
    }
}

fn placed() -> OrderPlaced {
    OrderPlaced {
        order_id: order_id(),
        customer_id: "customer-1".to_owned(),
        channel: "web".to_owned(),
        external_ref: None,
        lines: vec![OrderLine {
            sku: "MUG".to_owned(),
            quantity: 2,
            unit_price_minor: 1,
        }],
        currency: "EUR".to_owned(),
        total_minor: 2,
        ship_to: ShipTo {
            name: "Ada".to_owned(),
            street: "Street 1".to_owned(),
            postal_code: "10115".to_owned(),
            city: "Berlin".to_owned(),
            country: "DE".to_owned(),
        },
    }
}

fn reserved(warehouses: &[&str]) -> StockReserved {
    StockReserved {
        order_id: order_id(),
        allocations: warehouses
            .iter()
            .map(|warehouse| StockAllocation {
                warehouse: (*warehouse).to_owned(),
                lines: vec![AllocatedLine {
                    sku: "MUG".to_owned(),
                    quantity: 2,
                }],
            })
            .collect(),
        placement: "nearest".to_owned(),
    }
}
