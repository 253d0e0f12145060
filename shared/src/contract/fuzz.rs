//! Whatever bytes come, they decode to an event or to an error, and an event encodes to itself.

use std::path::Path;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

use super::inventory::{LowStock, StockLevelChanged, StockReserved};
use super::order::{OrderCancelled, OrderPlaced};
use super::shipment::ShipmentDispatched;
use crate::avro;
use crate::event::Event;

/// What another implementation wrote.
fn golden(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let text = std::fs::read_to_string(folder.join(file)).expect("a golden event");
    let golden: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let hex = golden["bytes"].as_str().expect("bytes");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

fn check<E: Event>(file: &str) {
    let schema = Schema::parse_str(E::SCHEMA).expect("a schema");
    let reader = GenericDatumReader::builder(&schema).human_readable(true);
    let reader = reader.build().expect("a reader");
    let writer = GenericDatumWriter::builder(&schema).human_readable(true);
    let writer = writer.build().expect("a writer");
    let decode = |mut bytes: &[u8]| {
        let event = reader.read_deser::<E>(&mut bytes).ok()?;
        bytes.is_empty().then_some(event)
    };
    let json = |event: &E| serde_json::to_value(event).expect("an event is JSON, too");
    crate::fuzz::run("envelope", &[golden(file)], |bytes| {
        let framed = avro::unframe(bytes).map_or(bytes, |(_, datum)| datum);
        let Some(event) = decode(framed) else {
            return false;
        };
        let _ = (event.check(), event.partition_key());
        let written = writer
            .write_ser_to_vec(&event)
            .expect("what was read is written");
        let again = decode(&written).expect("what was written is read");
        assert_eq!(json(&again), json(&event));
        true
    });
}

#[test]
fn bytes_of_any_kind_decode_to_an_event_or_to_an_error() {
    avro::configure_library();
    check::<OrderPlaced>("order_placed.json");
    check::<OrderCancelled>("order_cancelled.json");
    check::<StockReserved>("stock_reserved.json");
    check::<StockLevelChanged>("stock_level_changed.json");
    check::<LowStock>("low_stock.json");
    check::<ShipmentDispatched>("shipment_dispatched.json");
}
