//! The orders, the goods and the settings that all of this is about.

use chrono::{DateTime, TimeDelta, Utc};
use inventory::domain::{Level, Network, Position, Stock};
use order::domain::order::{Draft, DraftLine, Order, Price, price};
use order::saga::Rules;
use shared::contract::order::ShipTo;
use shipment::domain::Fulfilment;
use uuid::Uuid;

pub(crate) const START: DateTime<Utc> = DateTime::UNIX_EPOCH;
pub(crate) const SKU: &str = "MUG";
/// Nearest first.
pub(crate) const WAREHOUSES: [&str; 2] = ["BER", "MAD"];
const UNIT_PRICE_MINOR: i64 = 1_000;

pub(crate) fn order_id(index: usize) -> Uuid {
    Uuid::from_u128(0xA + index as u128)
}

/// So many units of the one article, by one customer.
pub(crate) fn order(index: usize, quantity: i32) -> Order {
    let card = format!("tok_{index}");
    order_of(index, &[(SKU, quantity)], UNIT_PRICE_MINOR, &card, START)
}

pub(crate) fn order_of(
    index: usize,
    lines: &[(&str, i32)],
    unit_price_minor: i64,
    card: &str,
    now: DateTime<Utc>,
) -> Order {
    let draft = Draft {
        order_id: order_id(index),
        customer_id: format!("customer-{index}"),
        channel: "web".to_owned(),
        external_ref: None,
        lines: lines
            .iter()
            .map(|(sku, quantity)| DraftLine {
                sku: (*sku).to_owned(),
                quantity: *quantity,
            })
            .collect(),
        ship_to: ShipTo {
            name: "Alice".to_owned(),
            street: "Am Markt 1".to_owned(),
            postal_code: "10115".to_owned(),
            city: "Berlin".to_owned(),
            country: "DE".to_owned(),
        },
        card: card.to_owned(),
    };
    let unit = Price {
        unit_price_minor,
        currency: "EUR".to_owned(),
    };
    let prices = lines
        .iter()
        .map(|(sku, _)| ((*sku).to_owned(), unit.clone()))
        .collect();
    price(draft, &prices, now).expect("every article has a price")
}

/// Without a verdict, up to two units go on.
pub(crate) fn rules() -> Rules {
    Rules {
        verdict_deadline: TimeDelta::seconds(30),
        verdict_policy_amount_minor: 2 * UNIT_PRICE_MINOR,
        hold_deadline: TimeDelta::hours(24),
        stock_deadline: TimeDelta::seconds(60),
        dispatch_deadline: TimeDelta::days(14),
        ack_deadline: TimeDelta::seconds(30),
    }
}

pub(crate) fn network() -> Network {
    let at = |latitude, longitude| Position {
        latitude,
        longitude,
    };
    Network::new(
        vec![
            (WAREHOUSES[0].to_owned(), at(52.52, 13.40)),
            (WAREHOUSES[1].to_owned(), at(40.42, -3.70)),
        ],
        vec![("DE".to_owned(), at(51.11, 10.38))],
    )
}

/// Units of the one article, in the warehouses' order. No alarm is ever raised.
pub(crate) fn stock(levels: impl IntoIterator<Item = (i64, i64)>) -> Stock {
    let mut stock = Stock::default();
    for (warehouse, (on_hand, reserved)) in WAREHOUSES.iter().zip(levels) {
        let level = Level::new((*warehouse).to_owned(), on_hand, reserved, 0, false);
        stock.load(SKU.to_owned(), 0, level);
    }
    stock
}

/// An order of which shipment has heard nothing.
pub(crate) fn unheard(order_id: Uuid) -> Fulfilment {
    Fulfilment {
        order_id,
        version: 0,
        placed: None,
        allocations: None,
        confirmed: false,
        cancelled_at: None,
        traceparent: None,
        lists: Vec::new(),
    }
}

/// A level that raises the alarm when its last unit goes.
pub(crate) fn level(warehouse: &str, on_hand: i64) -> Level {
    Level::new(warehouse.to_owned(), on_hand, 0, 1, on_hand < 1)
}
