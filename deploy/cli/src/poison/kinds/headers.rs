//! Headers that are missing, malformed, doubled or endless.

use super::{COMPLETED, DeadLetter, EVERY, Kind, Nothing, PLACED, SENT, TRANSACTION};

const ENDLESS: usize = 8 * 1024;

pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "no headers",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.headers.clear();
        },
    ),
    Kind::new("no id", EVERY, DeadLetter("missing-header"), |record, _| {
        record.remove("ce_id")
    }),
    Kind::new(
        "no type",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_type");
        },
    ),
    Kind::new(
        "no subject",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_subject");
        },
    ),
    Kind::new(
        "no time",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_time");
        },
    ),
    Kind::new(
        "no cause",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_causationid");
        },
    ),
    Kind::new(
        "no version",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_aggregateversion");
        },
    ),
    Kind::new(
        "an id that is null",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.remove("ce_id");
            record.headers.push(("ce_id".to_owned(), None));
        },
    ),
    Kind::new(
        "an id that is none",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_id", "not-a-uuid");
        },
    ),
    Kind::new(
        "a cause that is none",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_causationid", "it happened");
        },
    ),
    Kind::new(
        "an empty type",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_type", "");
        },
    ),
    Kind::new(
        "a type that is no text",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_type", [0xff, 0xfe, 0xfd]);
        },
    ),
    Kind::new(
        "an empty subject",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_subject", "");
            record.key = Some(Vec::new());
        },
    ),
    Kind::new(
        "an endless subject",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_subject", "x".repeat(ENDLESS));
            record.key = Some("x".repeat(ENDLESS).into_bytes());
        },
    ),
    Kind::new(
        "a subject of two lines",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_subject", "MUG\r\nBcc: all@example.org");
            record.key = Some(b"MUG\r\nBcc: all@example.org".to_vec());
        },
    ),
    Kind::new(
        "a subject with a zero",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_subject", "MUG\0");
            record.key = Some(b"MUG\0".to_vec());
        },
    ),
    Kind::new(
        "a conversation with a zero",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_correlationid", "MUG\0");
        },
    ),
    Kind::new(
        "an endless conversation",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_correlationid", "x".repeat(ENDLESS));
        },
    ),
    Kind::new(
        "another subject than the key",
        EVERY,
        DeadLetter("wrong-key"),
        |record, _| {
            record.set("ce_subject", "somebody-else");
        },
    ),
    Kind::new(
        "about something else than its key",
        EVERY,
        DeadLetter("wrong-key"),
        |record, draw| {
            let other = draw.event_id.to_string();
            record.set("ce_subject", other.as_str());
            record.key = Some(other.into_bytes());
        },
    ),
    Kind::new(
        "two ids, the first of them none",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record
                .headers
                .insert(0, ("ce_id".to_owned(), Some(b"none".to_vec())));
        },
    ),
    Kind::new(
        "two types, the first of another topic",
        PLACED,
        DeadLetter("wrong-topic"),
        |record, _| {
            let dispatched = b"ticketrail.shipment.ShipmentDispatched".to_vec();
            record
                .headers
                .insert(0, ("ce_type".to_owned(), Some(dispatched)));
        },
    ),
    Kind::new(
        "an event of another topic",
        PLACED,
        DeadLetter("wrong-topic"),
        |record, _| {
            record.set("ce_type", "ticketrail.shipment.PickingListVoided");
        },
    ),
    Kind::new(
        "the type of another event",
        PLACED,
        DeadLetter("wrong-record"),
        |record, _| {
            record.set("ce_type", "ticketrail.order.OrderCancelled");
        },
    ),
    Kind::new(
        "a type of another namespace",
        PLACED,
        DeadLetter("wrong-record"),
        |record, _| {
            record.set("ce_type", "evil.OrderPlaced");
        },
    ),
    Kind::new(
        "a type without a namespace",
        PLACED,
        DeadLetter("wrong-record"),
        |record, _| {
            record.set("ce_type", "OrderPlaced");
        },
    ),
    Kind::new("a type nobody knows", EVERY, Nothing, |record, _| {
        record.set("ce_type", "ticketrail.order.OrderDreamt");
    }),
    Kind::new("a type in capitals", EVERY, Nothing, |record, _| {
        record.set("ce_type", "TICKETRAIL.ORDER.ORDERPLACED");
    }),
    Kind::new("a type with a zero", EVERY, Nothing, |record, _| {
        record.set("ce_type", "ticketrail.order.OrderPlaced\0");
    }),
    Kind::new(
        "garbage of a type nobody listens to",
        COMPLETED,
        Nothing,
        |record, _| {
            record.value = Some(vec![0xff; 1024]);
        },
    ),
    Kind::new(
        "version zero",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_aggregateversion", "0");
        },
    ),
    Kind::new(
        "a negative version",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_aggregateversion", "-1");
        },
    ),
    Kind::new(
        "a version beyond 32 bits",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_aggregateversion", "99999999999");
        },
    ),
    Kind::new(
        "half a version",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_aggregateversion", "1.5");
        },
    ),
    Kind::new("a version gap", SENT, Nothing, |record, _| {
        record.set("ce_aggregateversion", "7");
    }),
    Kind::new("the last version there is", SENT, Nothing, |record, _| {
        record.set("ce_aggregateversion", i32::MAX.to_string());
    }),
    Kind::new("the same id twice", SENT, Nothing, |record, draw| {
        record.add("ce_id", draw.subject.to_string());
    }),
    Kind::new("no conversation", SENT, Nothing, |record, _| {
        record.remove("ce_correlationid")
    }),
    Kind::new("no source", SENT, Nothing, |record, _| {
        record.remove("ce_source")
    }),
    Kind::new("another content type", SENT, Nothing, |record, _| {
        record.set("content-type", "text/html");
    }),
    Kind::new("an endless header", SENT, Nothing, |record, _| {
        record.add("x-padding", vec![b'x'; ENDLESS]);
    }),
    Kind::new(
        "a header with an endless name",
        SENT,
        Nothing,
        |record, _| {
            record.add(&"x".repeat(ENDLESS), "1");
        },
    ),
    Kind::new("a header without a name", SENT, Nothing, |record, _| {
        record.add("", "1")
    }),
    Kind::new("a thousand headers", SENT, Nothing, |record, _| {
        for number in 0..1000 {
            record.add(&format!("x-{number}"), "1");
        }
    }),
    Kind::new(
        "the mark of a dead letter's key",
        TRANSACTION,
        DeadLetter("not-framed"),
        |record, _| {
            record.add(":key", "somebody-else");
            record.value = Some(vec![1]);
        },
    ),
    Kind::new("no trace", SENT, Nothing, |record, _| {
        record.remove("traceparent")
    }),
    Kind::new(
        "a trace of another version",
        SENT,
        Nothing,
        |record, draw| {
            let trace = draw.subject.simple();
            record.set("traceparent", format!("ff-{trace}-00f067aa0ba902b7-01"));
        },
    ),
    Kind::new("a trace of zeros", SENT, Nothing, |record, _| {
        let zeros = "00-00000000000000000000000000000000-0000000000000000-01";
        record.set("traceparent", zeros);
    }),
    Kind::new("a trace in capitals", SENT, Nothing, |record, _| {
        let capitals = "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01";
        record.set("traceparent", capitals);
    }),
    Kind::new("a trace cut short", SENT, Nothing, |record, _| {
        record.set("traceparent", "00-4bf92f3577b34da6");
    }),
    Kind::new("a trace that is no text", SENT, Nothing, |record, _| {
        record.set("traceparent", [0xff; 55]);
    }),
    Kind::new("an endless trace", SENT, Nothing, |record, _| {
        record.set("traceparent", "0".repeat(ENDLESS));
    }),
    Kind::new("two traces", SENT, Nothing, |record, draw| {
        let trace = draw.event_id.simple();
        record.add("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    }),
    Kind::new(
        "endless trace state and baggage",
        SENT,
        Nothing,
        |record, _| {
            record.add("tracestate", "a=b,".repeat(ENDLESS / 4));
            record.add("baggage", "a=b,".repeat(ENDLESS / 4));
        },
    ),
];
