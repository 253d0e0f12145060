//! Our bytes are the bytes that another Avro implementation writes, and we read its bytes.

use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;
use shared::contract::CATALOGUE;
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::inventory::{
    LowStock, StockLevelChanged, StockRejected, StockReleased, StockReserved,
};
use shared::contract::notification::{NotificationFailed, NotificationSent};
use shared::contract::order::{
    OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRecalled, TransactionCreated,
};
use shared::contract::shipment::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use shared::event::Event;

fn fixture(event_type: &str) -> (Value, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let file: PathBuf = folder.join(format!("{}.json", snake(event_type)));
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; run make.py beside it", file.display()));
    let fixture: Value = serde_json::from_str(&text).expect("JSON");
    let hex = fixture["bytes"].as_str().expect("bytes");
    let bytes = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect();
    (fixture["value"].clone(), bytes)
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn check<E: Event>() {
    let (value, bytes) = fixture(E::TYPE);
    let schema = Schema::parse_str(E::SCHEMA).expect("a schema");
    let event: E = serde_json::from_value(value.clone()).expect("the example is this event");

    let writer = GenericDatumWriter::builder(&schema)
        .human_readable(true)
        .build()
        .expect("ours");
    let ours = writer.write_ser_to_vec(&event).expect("it encodes");
    assert_eq!(ours, bytes, "{}", E::TYPE);

    let reader = GenericDatumReader::builder(&schema)
        .human_readable(true)
        .build()
        .expect("ours");
    let mut rest = bytes.as_slice();
    let read: E = reader.read_deser(&mut rest).expect("it decodes");
    assert!(rest.is_empty());
    assert_eq!(
        serde_json::to_value(&read).expect("JSON"),
        value,
        "{}",
        E::TYPE
    );

    // Cut anywhere, it is not accepted as a shorter event.
    for end in 0..bytes.len() {
        let mut cut = &bytes[..end];
        let read = reader.read_deser::<E>(&mut cut);
        assert!(read.is_err(), "{} cut at {end} was accepted", E::TYPE);
    }
}

#[test]
fn every_event_has_the_bytes_that_another_implementation_writes() {
    // Worlds of other tests may start later in this process.
    shared::avro::configure_library();
    check::<OrderPlaced>();
    check::<TransactionCreated>();
    check::<OrderConfirmed>();
    check::<OrderCancelled>();
    check::<OrderCompleted>();
    check::<OrderRecalled>();
    check::<StockReserved>();
    check::<StockRejected>();
    check::<StockReleased>();
    check::<StockLevelChanged>();
    check::<LowStock>();
    check::<TransactionApproved>();
    check::<TransactionBlocked>();
    check::<TransactionHeld>();
    check::<PickingListCreated>();
    check::<PickingListVoided>();
    check::<ShipmentDispatched>();
    check::<ShipmentDelivered>();
    check::<ShipmentFailed>();
    check::<NotificationSent>();
    check::<NotificationFailed>();
    assert_eq!(CATALOGUE.len(), 21, "a new event needs its line above");
}
