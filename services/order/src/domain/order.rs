//! Pricing and placing an order.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shared::batch::Events;
use shared::contract::order::{OrderLine, OrderPlaced, ShipTo, TransactionCreated};
use uuid::Uuid;

/// What a customer asks for, valid in form. It has no prices: those are ours.
#[derive(Debug, Clone)]
pub struct Draft {
    pub order_id: Uuid,
    pub customer_id: String,
    pub channel: String,
    pub external_ref: Option<String>,
    /// Each SKU once.
    pub lines: Vec<DraftLine>,
    pub ship_to: ShipTo,
    /// Token of the card, never its number.
    pub card: String,
}

#[derive(Debug, Clone)]
pub struct DraftLine {
    pub sku: String,
    pub quantity: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub unit_price_minor: i64,
    pub currency: String,
}

pub type PriceList = HashMap<String, Price>;

/// What was ordered, at which price. It never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub id: Uuid,
    pub placed_at: DateTime<Utc>,
    pub customer_id: String,
    pub channel: String,
    pub external_ref: Option<String>,
    pub lines: Vec<OrderLine>,
    pub currency: String,
    pub total_minor: i64,
    pub ship_to: ShipTo,
    pub card: String,
}

/// Why a draft cannot become an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Unplaceable {
    /// Positions of lines whose SKU is not on the price list.
    UnknownSkus(Vec<usize>),
    /// The position of a line whose price is in another currency than the first one's.
    SeveralCurrencies(usize),
    TotalTooLarge,
}

/// Puts our prices to a draft.
pub fn price(draft: Draft, prices: &PriceList, now: DateTime<Utc>) -> Result<Order, Unplaceable> {
    let mut unknown = Vec::new();
    let mut lines = Vec::with_capacity(draft.lines.len());
    let mut currency: Option<&str> = None;
    let mut total_minor: i64 = 0;
    for (position, line) in draft.lines.iter().enumerate() {
        let Some(price) = prices.get(&line.sku) else {
            unknown.push(position);
            continue;
        };
        if *currency.get_or_insert(&price.currency) != price.currency {
            return Err(Unplaceable::SeveralCurrencies(position));
        }
        total_minor = price
            .unit_price_minor
            .checked_mul(i64::from(line.quantity))
            .and_then(|amount| total_minor.checked_add(amount))
            .ok_or(Unplaceable::TotalTooLarge)?;
        lines.push(OrderLine {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price_minor: price.unit_price_minor,
        });
    }
    match currency.map(str::to_owned) {
        Some(currency) if unknown.is_empty() => Ok(Order {
            id: draft.order_id,
            placed_at: now,
            customer_id: draft.customer_id,
            channel: draft.channel,
            external_ref: draft.external_ref,
            lines,
            currency,
            total_minor,
            ship_to: draft.ship_to,
            card: draft.card,
        }),
        _ => Err(Unplaceable::UnknownSkus(unknown)),
    }
}

impl Order {
    /// Version of the last of the events that placing publishes.
    pub const PLACED_VERSION: i32 = 2;

    /// What the world is told when the order is placed.
    pub fn placed(&self) -> Events {
        let placed = OrderPlaced {
            order_id: self.id,
            customer_id: self.customer_id.clone(),
            channel: self.channel.clone(),
            external_ref: self.external_ref.clone(),
            lines: self.lines.clone(),
            currency: self.currency.clone(),
            total_minor: self.total_minor,
            ship_to: self.ship_to.clone(),
        };
        let charged = TransactionCreated {
            // An order has one charge, which shares its id.
            transaction_id: self.id,
            order_id: self.id,
            customer_id: self.customer_id.clone(),
            card: self.card.clone(),
            amount_minor: self.total_minor,
            currency: self.currency.clone(),
            country: self.ship_to.country.clone(),
            channel: self.channel.clone(),
            item_count: self.lines.iter().map(|line| line.quantity).sum(),
        };
        Events::one(1, placed).and(Self::PLACED_VERSION, charged)
    }
}

#[cfg(test)]
mod tests {
    use shared::contract::order::{OrderPlaced, ShipTo, TransactionCreated};
    use uuid::Uuid;

    use super::{Draft, DraftLine, Price, PriceList, Unplaceable, price};

    fn prices() -> PriceList {
        [
            ("KETTLE", 1999, "EUR"),
            ("MUG", 890, "EUR"),
            ("STETSON", 9900, "USD"),
            ("PALACE", i64::MAX / 10, "EUR"),
        ]
        .into_iter()
        .map(|(sku, unit_price_minor, currency)| {
            (
                sku.to_owned(),
                Price {
                    unit_price_minor,
                    currency: currency.to_owned(),
                },
            )
        })
        .collect()
    }

    fn draft(lines: &[(&str, i32)]) -> Draft {
        Draft {
            order_id: Uuid::from_u128(1),
            customer_id: "alice".to_owned(),
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
            card: "tok_alice".to_owned(),
        }
    }

    #[track_caller]
    fn check(lines: &[(&str, i32)], expected: Result<i64, Unplaceable>) {
        let order = price(draft(lines), &prices(), chrono::DateTime::UNIX_EPOCH);
        assert_eq!(order.map(|order| order.total_minor), expected, "{lines:?}");
    }

    #[test]
    fn prices_are_ours_and_totals_are_exact() {
        check(&[("KETTLE", 2)], Ok(3998));
        check(&[("KETTLE", 1), ("MUG", 1000)], Ok(891_999));
        check(
            &[("KETTLE", 1), ("CASTLE", 1), ("MOAT", 1)],
            Err(Unplaceable::UnknownSkus(vec![1, 2])),
        );
        check(
            &[("KETTLE", 1), ("STETSON", 1)],
            Err(Unplaceable::SeveralCurrencies(1)),
        );
        check(&[("PALACE", 1000)], Err(Unplaceable::TotalTooLarge));
        check(
            &[("PALACE", 9), ("KETTLE", 1000), ("MUG", 1)],
            Ok(i64::MAX / 10 * 9 + 1_999_890),
        );
    }

    #[test]
    fn placing_announces_the_order_and_its_charge() {
        let order = price(
            draft(&[("KETTLE", 2), ("MUG", 3)]),
            &prices(),
            chrono::DateTime::UNIX_EPOCH,
        )
        .expect("it can be placed");

        let events = order.placed();

        assert_eq!(events.types(), ["OrderPlaced", "TransactionCreated"]);
        let (version, placed) = events.find::<OrderPlaced>().expect("the order");
        assert_eq!(
            (version, placed.total_minor, placed.lines.len()),
            (1, 6668, 2)
        );
        let (version, charge) = events.find::<TransactionCreated>().expect("the charge");
        assert_eq!(
            (version, charge.amount_minor, charge.item_count),
            (2, 6668, 5)
        );
        assert_eq!(
            (charge.country.as_str(), charge.card.as_str()),
            ("DE", "tok_alice")
        );
    }
}
