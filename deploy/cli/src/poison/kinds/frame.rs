//! The magic byte, the schema's id, the record's key and its size.

use shared::contract::order::{OrderCancelled, OrderCompleted};

use super::super::sample::{framed, order_cancelled};
use super::{COMPLETED, DeadLetter, EVERY, Kind, Nothing, PLACED};

/// More than is decoded.
const TOO_MANY_BYTES: usize = 256 * 1024 + 1;
/// As much as a topic takes, headers included.
const MOST_BYTES: usize = 1_000_000;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("no frame", EVERY, DeadLetter("not-framed"), |record, _| {
        record.value = Some(b"not avro at all".to_vec());
    }),
    Kind::new(
        "another magic byte",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value()[0] = 1;
        },
    ),
    Kind::new(
        "half a frame",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value().truncate(3);
        },
    ),
    Kind::new(
        "only the magic byte",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value().truncate(1);
        },
    ),
    Kind::new(
        "only the frame",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.value().truncate(5);
        },
    ),
    Kind::new(
        "a frame in a frame",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            let framed = record.value().clone();
            record.set_datum(&framed);
        },
    ),
    Kind::new("JSON", EVERY, DeadLetter("not-framed"), |record, draw| {
        record.value = Some(format!(r#"{{"order_id":"{}"}}"#, draw.subject).into_bytes());
    }),
    Kind::new(
        "nested JSON",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value = Some("[".repeat(100_000).into_bytes());
        },
    ),
    Kind::new(
        "an Avro file",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            let value = record.value().clone();
            record.value = Some([b"Obj\x01", value.as_slice()].concat());
        },
    ),
    Kind::new(
        "a protobuf frame",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            // Its message index stands between the id and the message.
            record.value().insert(5, 0);
        },
    ),
    Kind::new(
        "compressed",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value = Some([&[0x1f, 0x8b, 0x08][..], &[0; 60]].concat());
        },
    ),
    Kind::new("zeros", EVERY, DeadLetter("unknown-schema"), |record, _| {
        record.value = Some(vec![0; 64]);
    }),
    Kind::new(
        "a schema nobody knows",
        EVERY,
        DeadLetter("unknown-schema"),
        |record, _| {
            record.value()[1] = 0x7f;
        },
    ),
    Kind::new(
        "a negative schema id",
        EVERY,
        DeadLetter("unknown-schema"),
        |record, _| {
            record.value()[1..5].fill(0xff);
        },
    ),
    Kind::new(
        "a schema id backwards",
        EVERY,
        DeadLetter("unknown-schema"),
        |record, _| {
            record.value()[1..5].reverse();
        },
    ),
    Kind::new(
        "another event's schema id",
        PLACED,
        DeadLetter("wrong-record"),
        |record, draw| {
            let id = draw.ids.of::<OrderCompleted>();
            record.value()[1..5].copy_from_slice(&id.to_be_bytes());
        },
    ),
    Kind::new(
        "another event under this type",
        PLACED,
        DeadLetter("wrong-record"),
        |record, draw| {
            record.value = Some(framed::<OrderCancelled>(draw.ids, &order_cancelled(draw)));
        },
    ),
    Kind::new(
        "oversized by a byte",
        EVERY,
        DeadLetter("oversized"),
        |record, _| {
            record.value().resize(TOO_MANY_BYTES, 0);
        },
    ),
    Kind::new(
        "as large as the topic takes",
        PLACED,
        DeadLetter("oversized"),
        |record, _| {
            record.value = Some(vec![0; MOST_BYTES]);
        },
    ),
    Kind::new(
        "a tombstone",
        EVERY,
        DeadLetter("null-value"),
        |record, _| {
            record.value = None;
        },
    ),
    Kind::new(
        "a tombstone nobody listens to",
        COMPLETED,
        Nothing,
        |record, _| {
            record.value = None;
        },
    ),
    Kind::new(
        "an empty value",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value = Some(Vec::new());
        },
    ),
    Kind::new("no key", EVERY, DeadLetter("wrong-key"), |record, _| {
        record.key = None;
    }),
    Kind::new(
        "an empty key",
        EVERY,
        DeadLetter("wrong-key"),
        |record, _| {
            record.key = Some(Vec::new());
        },
    ),
    Kind::new(
        "another key",
        EVERY,
        DeadLetter("wrong-key"),
        |record, draw| {
            record.key = Some(format!("not-{}", draw.subject).into_bytes());
        },
    ),
    Kind::new(
        "a key that is no text",
        EVERY,
        DeadLetter("wrong-key"),
        |record, draw| {
            record.key = Some([&[0xff, 0xfe, 0][..], draw.subject.as_bytes()].concat());
        },
    ),
    Kind::new(
        "neither key nor value",
        EVERY,
        DeadLetter("null-value"),
        |record, _| {
            record.key = None;
            record.value = None;
        },
    ),
    Kind::new(
        "nothing at all",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.key = None;
            record.value = None;
            record.headers.clear();
        },
    ),
];
