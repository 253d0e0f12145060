//! Good events, one of each type that is spoiled.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::writer::datum::GenericDatumWriter;
use chrono::SecondsFormat;
use shared::contract::fraud::TransactionApproved;
use shared::contract::inventory::{AllocatedLine, LowStock, StockAllocation, StockReserved};
use shared::contract::notification::NotificationSent;
use shared::contract::order::{
    CancelReason, OrderCancelled, OrderCompleted, OrderLine, OrderPlaced, ShipTo,
    TransactionCreated,
};
use shared::contract::shipment::{
    DispatchedLine, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use shared::event::Event;

use super::{Draw, Record};

/// Who listens to what. Written down here and not taken from the services: a service that forgot
/// to listen would otherwise be right.
pub(super) const LISTENERS: &[(&str, &[&str])] = &[
    ("OrderPlaced", &["inventory", "shipment", "notification"]),
    ("TransactionCreated", &["fraud"]),
    ("OrderConfirmed", &["shipment", "notification"]),
    (
        "OrderCancelled",
        &["inventory", "fraud", "shipment", "notification"],
    ),
    ("OrderRecalled", &["notification"]),
    ("StockReserved", &["order", "shipment"]),
    ("StockRejected", &["order"]),
    ("StockReleased", &["order"]),
    ("LowStock", &["notification"]),
    ("TransactionApproved", &["order"]),
    ("TransactionBlocked", &["order"]),
    ("TransactionHeld", &["order"]),
    ("PickingListCreated", &["order"]),
    ("PickingListVoided", &["order", "inventory"]),
    (
        "ShipmentDispatched",
        &["order", "inventory", "notification"],
    ),
    ("ShipmentDelivered", &["order"]),
    ("ShipmentFailed", &["order"]),
    ("NotificationSent", &["order"]),
    ("NotificationFailed", &["order"]),
];

/// Of every event type, under which id its schema is registered.
#[derive(Debug, Default)]
pub struct SchemaIds(BTreeMap<&'static str, u32>);

impl SchemaIds {
    pub(super) fn insert(&mut self, event_type: &'static str, id: u32) {
        self.0.insert(event_type, id);
    }

    pub(super) fn of<E: Event>(&self) -> u32 {
        self.0[E::TYPE]
    }
}

/// As the relay would have published it.
pub(super) fn record(event_type: &str, draw: &Draw<'_>) -> Record {
    match event_type {
        "OrderPlaced" => published(draw, &order_placed(draw)),
        "TransactionCreated" => published(draw, &transaction_created(draw)),
        "OrderCancelled" => published(draw, &order_cancelled(draw)),
        "OrderCompleted" => published(draw, &order_completed(draw)),
        "StockReserved" => published(draw, &stock_reserved(draw)),
        "LowStock" => published(draw, &low_stock(draw)),
        "TransactionApproved" => published(draw, &transaction_approved(draw)),
        "ShipmentDispatched" => published(draw, &shipment_dispatched(draw)),
        "PickingListVoided" => published(draw, &picking_list_voided(draw)),
        "ShipmentDelivered" => published(draw, &shipment_delivered(draw)),
        "ShipmentFailed" => published(draw, &shipment_failed(draw)),
        "NotificationSent" => published(draw, &notification_sent(draw)),
        other => panic!("there is no sample of {other}"),
    }
}

fn published<E: Event>(draw: &Draw<'_>, event: &E) -> Record {
    let key = event.partition_key();
    let schema = Schema::parse_str(E::SCHEMA).expect("what is compiled in is a schema");
    let full_name = shared::avro::full_name(&schema).expect("an event is a record");
    let time = draw.now.to_rfc3339_opts(SecondsFormat::Micros, true);
    let event_id = draw.event_id.to_string();
    let trace_id = draw.subject.simple();
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-00");
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &event_id),
        ("ce_source", "/ticketrail/nobody"),
        ("ce_type", &full_name),
        ("ce_time", &time),
        ("ce_subject", &key),
        ("ce_partitionkey", &key),
        ("ce_correlationid", &key),
        ("ce_causationid", &event_id),
        ("ce_aggregateversion", "1"),
        ("content-type", "application/vnd.confluent.avro"),
        ("traceparent", &traceparent),
    ];
    Record {
        topic: E::TOPIC,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
            .collect(),
        key: Some(key.into_bytes()),
        value: Some(framed(draw.ids, event)),
    }
}

/// The record's value, as a producer of this type writes it.
pub(super) fn framed<E: Event>(ids: &SchemaIds, event: &E) -> Vec<u8> {
    let schema = Schema::parse_str(E::SCHEMA).expect("what is compiled in is a schema");
    let writer = GenericDatumWriter::builder(&schema)
        .human_readable(true)
        .build()
        .expect("its own schema makes a writer");
    shared::avro::frame(ids.of::<E>(), |bytes| {
        writer.write_ser(bytes, event).map(|_| ())
    })
    .expect("an event fits its own schema")
}

/// A customer that nobody else is.
fn customer(draw: &Draw<'_>) -> String {
    format!("nobody-{}", draw.subject.simple())
}

/// An article that nobody sells.
pub(super) fn sku(draw: &Draw<'_>) -> String {
    format!("POISON-{}", draw.subject.simple())
}

pub(super) fn order_placed(draw: &Draw<'_>) -> OrderPlaced {
    OrderPlaced {
        order_id: draw.subject,
        customer_id: customer(draw),
        channel: "web".to_owned(),
        external_ref: None,
        lines: vec![line(draw, 1, 900)],
        currency: "EUR".to_owned(),
        total_minor: 900,
        ship_to: ShipTo {
            name: "Nobody".to_owned(),
            street: "Nowhere 1".to_owned(),
            postal_code: "10115".to_owned(),
            city: "Berlin".to_owned(),
            country: "DE".to_owned(),
        },
    }
}

pub(super) fn line(draw: &Draw<'_>, quantity: i32, unit_price_minor: i64) -> OrderLine {
    OrderLine {
        sku: sku(draw),
        quantity,
        unit_price_minor,
    }
}

pub(super) fn transaction_created(draw: &Draw<'_>) -> TransactionCreated {
    TransactionCreated {
        transaction_id: draw.event_id,
        order_id: draw.subject,
        customer_id: customer(draw),
        card: format!("tok_{}", draw.subject.simple()),
        amount_minor: 900,
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        channel: "web".to_owned(),
        item_count: 1,
    }
}

pub(super) fn order_cancelled(draw: &Draw<'_>) -> OrderCancelled {
    OrderCancelled {
        order_id: draw.subject,
        customer_id: customer(draw),
        reason: CancelReason::Customer,
        detail: "no longer wanted".to_owned(),
        was_confirmed: false,
    }
}

fn order_completed(draw: &Draw<'_>) -> OrderCompleted {
    OrderCompleted {
        order_id: draw.subject,
        customer_id: customer(draw),
    }
}

pub(super) fn stock_reserved(draw: &Draw<'_>) -> StockReserved {
    StockReserved {
        order_id: draw.subject,
        allocations: vec![StockAllocation {
            warehouse: "BER".to_owned(),
            lines: vec![AllocatedLine {
                sku: sku(draw),
                quantity: 1,
            }],
        }],
        placement: "nearest".to_owned(),
    }
}

pub(super) fn low_stock(draw: &Draw<'_>) -> LowStock {
    LowStock {
        sku: sku(draw),
        warehouse: "BER".to_owned(),
        available: 1,
        threshold: 5,
    }
}

pub(super) fn transaction_approved(draw: &Draw<'_>) -> TransactionApproved {
    TransactionApproved {
        order_id: draw.subject,
        transaction_id: draw.event_id,
        score: 0.1,
        model_version: "none".to_owned(),
        reasons: Vec::new(),
        decided_by: "nobody".to_owned(),
    }
}

pub(super) fn shipment_dispatched(draw: &Draw<'_>) -> ShipmentDispatched {
    ShipmentDispatched {
        order_id: draw.subject,
        customer_id: customer(draw),
        shipment_id: draw.event_id,
        warehouse: "BER".to_owned(),
        carrier: "simpost".to_owned(),
        tracking_number: draw.event_id.simple().to_string(),
        lines: vec![DispatchedLine {
            sku: sku(draw),
            quantity: 1,
        }],
    }
}

fn picking_list_voided(draw: &Draw<'_>) -> PickingListVoided {
    PickingListVoided {
        order_id: draw.subject,
        picking_list_ids: vec![draw.event_id.to_string()],
    }
}

fn shipment_delivered(draw: &Draw<'_>) -> ShipmentDelivered {
    ShipmentDelivered {
        order_id: draw.subject,
        shipment_id: draw.event_id,
        warehouse: "BER".to_owned(),
    }
}

fn shipment_failed(draw: &Draw<'_>) -> ShipmentFailed {
    ShipmentFailed {
        order_id: draw.subject,
        warehouse: "BER".to_owned(),
        carrier: "simpost".to_owned(),
        detail: "no".to_owned(),
    }
}

/// About an article: the order service takes note of it and does nothing.
pub(super) fn notification_sent(draw: &Draw<'_>) -> NotificationSent {
    NotificationSent {
        notification_id: draw.event_id,
        subject_id: sku(draw),
        kind: "low_stock".to_owned(),
        message_id: format!("<{}@example.org>", draw.event_id),
        attempts: 1,
    }
}
