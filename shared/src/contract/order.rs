//! What order publishes.

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
