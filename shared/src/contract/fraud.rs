//! What fraud publishes.

use crate::contract::topic;
use crate::event::{Event, Topic};

pub use super::generated::{TransactionApproved, TransactionBlocked, TransactionHeld};

impl Event for TransactionApproved {
    const TYPE: &'static str = "TransactionApproved";
    const TOPIC: Topic = topic::FRAUD_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/fraud/transaction_approved.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for TransactionBlocked {
    const TYPE: &'static str = "TransactionBlocked";
    const TOPIC: Topic = topic::FRAUD_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/fraud/transaction_blocked.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for TransactionHeld {
    const TYPE: &'static str = "TransactionHeld";
    const TOPIC: Topic = topic::FRAUD_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/fraud/transaction_held.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}
