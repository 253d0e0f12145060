//! What order publishes.

use std::collections::HashSet;

use crate::batch::Reject;
use crate::contract::topic;
use crate::event::{Event, Topic};

pub use super::generated::{CancelReason, OrderLine, ShipTo};
pub use super::generated::{
    OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRecalled, TransactionCreated,
};

impl Event for OrderPlaced {
    const TYPE: &'static str = "OrderPlaced";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/order_placed.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }

    fn check(&self) -> Result<(), Reject> {
        let order_id = self.order_id;
        let invalid = |detail: String| Err(Reject::new("order-lines-invalid", detail));
        if self.lines.is_empty() {
            return invalid(format!("order {order_id} has no lines"));
        }
        if self.total_minor < 0 {
            return invalid(format!("order {order_id} costs {}", self.total_minor));
        }
        let mut seen = HashSet::with_capacity(self.lines.len());
        for line in &self.lines {
            if line.quantity < 1 || line.unit_price_minor < 0 {
                return invalid(format!(
                    "order {order_id} asks for {} units of {} at {} each",
                    line.quantity, line.sku, line.unit_price_minor
                ));
            }
            if !seen.insert(line.sku.as_str()) {
                return invalid(format!("order {order_id} names {} twice", line.sku));
            }
        }
        Ok(())
    }
}

impl Event for TransactionCreated {
    const TYPE: &'static str = "TransactionCreated";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/transaction_created.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for OrderConfirmed {
    const TYPE: &'static str = "OrderConfirmed";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/order_confirmed.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for OrderCancelled {
    const TYPE: &'static str = "OrderCancelled";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/order_cancelled.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for OrderCompleted {
    const TYPE: &'static str = "OrderCompleted";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/order_completed.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for OrderRecalled {
    const TYPE: &'static str = "OrderRecalled";
    const TOPIC: Topic = topic::ORDER_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/order/order_recalled.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{OrderLine, OrderPlaced, ShipTo};
    use crate::event::Event;

    #[track_caller]
    fn check(lines: &[(&str, i32, i64)], total_minor: i64, expected: Option<&str>) {
        let lines = lines
            .iter()
            .map(|(sku, quantity, unit_price_minor)| OrderLine {
                sku: (*sku).to_owned(),
                quantity: *quantity,
                unit_price_minor: *unit_price_minor,
            })
            .collect();
        let placed = OrderPlaced {
            order_id: Uuid::from_u128(1),
            customer_id: "alice".to_owned(),
            channel: "web".to_owned(),
            external_ref: None,
            lines,
            currency: "EUR".to_owned(),
            total_minor,
            ship_to: ShipTo {
                name: "Alice".to_owned(),
                street: "Am Markt 1".to_owned(),
                postal_code: "10115".to_owned(),
                city: "Berlin".to_owned(),
                country: "DE".to_owned(),
            },
        };

        let refused = placed.check().err().map(|reject| reject.code);

        assert_eq!(refused, expected, "{placed:?}");
    }

    #[test]
    fn an_order_that_breaks_the_schemas_promises_is_refused() {
        const INVALID: Option<&str> = Some("order-lines-invalid");
        check(&[("MUG", 1, 900), ("KETTLE", 2, 0)], 900, None);
        check(&[], 0, INVALID);
        check(&[("MUG", 0, 900)], 0, INVALID);
        check(&[("MUG", -1, 900)], 900, INVALID);
        check(&[("MUG", i32::MIN, 900)], 900, INVALID);
        check(&[("MUG", 1, -900)], 900, INVALID);
        check(&[("MUG", 1, 900)], -900, INVALID);
        check(&[("MUG", 1, 900), ("MUG", 1, 900)], 1800, INVALID);
    }
}
