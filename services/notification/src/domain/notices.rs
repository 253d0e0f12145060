//! From an event to what it asks to be told, and to whom.

use serde::{Deserialize, Serialize};
use shared::contract::inventory::LowStock;
use shared::contract::order::{
    CancelReason, OrderCancelled, OrderConfirmed, OrderPlaced, OrderRecalled,
};
use shared::contract::shipment::ShipmentDispatched;

/// What an event asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Order id or SKU.
    pub subject_id: String,
    /// With the subject, the natural key: one mail per cause.
    pub kind: String,
    pub audience: Audience,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    Customer(String),
    Operations,
}

/// What a template needs to say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Content {
    OrderReceived {
        lines: Vec<PricedLine>,
        total_minor: i64,
        currency: String,
    },
    OrderConfirmed,
    OrderCancelled {
        reason: String,
        detail: String,
    },
    OrderDispatched {
        carrier: String,
        tracking_number: String,
        lines: Vec<Line>,
    },
    OrderRecalled {
        customer_id: String,
        detail: String,
    },
    LowStock {
        sku: String,
        warehouse: String,
        available: i64,
        threshold: i64,
    },
}

impl Content {
    /// Goods are being given away, or about to run out: nobody may wait behind order mails.
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::OrderRecalled { .. } | Self::LowStock { .. } => true,
            Self::OrderReceived { .. }
            | Self::OrderConfirmed
            | Self::OrderCancelled { .. }
            | Self::OrderDispatched { .. } => false,
        }
    }

    /// Whether the subject is an order, rather than an article.
    pub fn is_about_an_order(&self) -> bool {
        !matches!(self, Self::LowStock { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedLine {
    pub sku: String,
    pub quantity: i32,
    pub unit_price_minor: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub sku: String,
    pub quantity: i32,
}

pub fn order_received(event: &OrderPlaced) -> Notice {
    let lines = event
        .lines
        .iter()
        .map(|line| PricedLine {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
        })
        .collect();
    Notice {
        subject_id: event.order_id.to_string(),
        kind: "order_received".to_owned(),
        audience: Audience::Customer(event.customer_id.clone()),
        content: Content::OrderReceived {
            lines,
            total_minor: event.total_minor,
            currency: event.currency.clone(),
        },
    }
}

pub fn order_confirmed(event: &OrderConfirmed) -> Notice {
    Notice {
        subject_id: event.order_id.to_string(),
        kind: "order_confirmed".to_owned(),
        audience: Audience::Customer(event.customer_id.clone()),
        content: Content::OrderConfirmed,
    }
}

pub fn order_cancelled(event: &OrderCancelled) -> Notice {
    let reason = match event.reason {
        CancelReason::Customer => "You asked us to cancel it.",
        CancelReason::OutOfStock => "Not everything in it is in stock.",
        CancelReason::Fraud => "The payment was not accepted.",
        CancelReason::Carrier => "No carrier could take it.",
        CancelReason::Deadline => "We could not complete it in time.",
        CancelReason::Unknown => "We could not complete it.",
    };
    Notice {
        subject_id: event.order_id.to_string(),
        kind: "order_cancelled".to_owned(),
        audience: Audience::Customer(event.customer_id.clone()),
        content: Content::OrderCancelled {
            reason: reason.to_owned(),
            detail: event.detail.clone(),
        },
    }
}

pub fn order_dispatched(event: &ShipmentDispatched) -> Notice {
    let lines = event
        .lines
        .iter()
        .map(|line| Line {
            sku: line.sku.clone(),
            quantity: line.quantity,
        })
        .collect();
    Notice {
        subject_id: event.order_id.to_string(),
        // One per parcel.
        kind: format!("order_dispatched:{}", event.shipment_id),
        audience: Audience::Customer(event.customer_id.clone()),
        content: Content::OrderDispatched {
            carrier: event.carrier.clone(),
            tracking_number: event.tracking_number.clone(),
            lines,
        },
    }
}

pub fn order_recalled(event: &OrderRecalled) -> Notice {
    Notice {
        subject_id: event.order_id.to_string(),
        kind: "order_recalled".to_owned(),
        audience: Audience::Operations,
        content: Content::OrderRecalled {
            customer_id: event.customer_id.clone(),
            detail: event.detail.clone(),
        },
    }
}

/// The event's version tells one crossing of the threshold from the next.
pub fn low_stock(event: &LowStock, version: i32) -> Notice {
    Notice {
        subject_id: event.sku.clone(),
        kind: format!("low_stock:{}:{version}", event.warehouse),
        audience: Audience::Operations,
        content: Content::LowStock {
            sku: event.sku.clone(),
            warehouse: event.warehouse.clone(),
            available: event.available,
            threshold: event.threshold,
        },
    }
}
