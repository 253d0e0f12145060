//! The topics of the suite, one per producer.

use crate::event::Topic;

pub const ORDER_EVENTS: Topic = Topic("order.events");
pub const INVENTORY_EVENTS: Topic = Topic("inventory.events");
/// Keyed by SKU, not by order: a conflated feed of levels, and low-stock alarms.
pub const STOCK_EVENTS: Topic = Topic("stock.events");
pub const FRAUD_EVENTS: Topic = Topic("fraud.events");
pub const SHIPMENT_EVENTS: Topic = Topic("shipment.events");
pub const NOTIFICATION_EVENTS: Topic = Topic("notification.events");

/// Every topic of the suite, with the consumer groups that read it: what `ticketrail init`
/// creates, together with one dead-letter topic for each reader.
pub const TOPICS: &[(Topic, &[&str])] = &[
    (
        ORDER_EVENTS,
        &["inventory", "fraud", "shipment", "notification"],
    ),
    (INVENTORY_EVENTS, &["order", "shipment"]),
    (STOCK_EVENTS, &["notification"]),
    (FRAUD_EVENTS, &["order"]),
    (SHIPMENT_EVENTS, &["order", "inventory", "notification"]),
    (NOTIFICATION_EVENTS, &["order"]),
];
