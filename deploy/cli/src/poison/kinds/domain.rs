//! Events that are well formed and say what cannot be.

use shared::contract::inventory::{LowStock, StockReserved};
use shared::contract::notification::NotificationSent;
use shared::contract::order::{OrderPlaced, TransactionCreated};

use super::super::sample::{
    line, low_stock, notification_sent, order_placed, stock_reserved, transaction_approved,
    transaction_created,
};
use super::{
    APPROVED, DeadLetter, DeadLetters, Draw, Kind, LOW, Nothing, PLACED, RESERVED, Record, SENT,
    TRANSACTION, VOIDED,
};

const LINES: &str = "order-lines-invalid";

fn order_of(record: &mut Record, draw: &Draw<'_>, quantity: i32, unit_price_minor: i64) {
    let order = OrderPlaced {
        lines: vec![line(draw, quantity, unit_price_minor)],
        ..order_placed(draw)
    };
    record.say(draw, &order);
}

fn charge_of(record: &mut Record, draw: &Draw<'_>, amount_minor: i64) {
    let charge = TransactionCreated {
        amount_minor,
        ..transaction_created(draw)
    };
    record.say(draw, &charge);
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "an order of nothing",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            let lines = Vec::new();
            record.say(
                draw,
                &OrderPlaced {
                    lines,
                    ..order_placed(draw)
                },
            );
        },
    ),
    Kind::new(
        "an order of no units",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            order_of(record, draw, 0, 900);
        },
    ),
    Kind::new(
        "an order of negative units",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            order_of(record, draw, -1, 900);
        },
    ),
    Kind::new(
        "an order of the fewest units",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            order_of(record, draw, i32::MIN, 900);
        },
    ),
    Kind::new(
        "an order at a negative price",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            order_of(record, draw, 1, -900);
        },
    ),
    Kind::new(
        "an order that costs less than nothing",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            let total_minor = i64::MIN;
            record.say(
                draw,
                &OrderPlaced {
                    total_minor,
                    ..order_placed(draw)
                },
            );
        },
    ),
    Kind::new(
        "an order that names an article twice",
        PLACED,
        DeadLetter(LINES),
        |record, draw| {
            let lines = vec![line(draw, 1, 900), line(draw, 1, 900)];
            record.say(
                draw,
                &OrderPlaced {
                    lines,
                    ..order_placed(draw)
                },
            );
        },
    ),
    Kind::new(
        "a negative charge",
        TRANSACTION,
        DeadLetter("negative-amount"),
        |record, draw| {
            charge_of(record, draw, -1);
        },
    ),
    Kind::new(
        "the least charge there is",
        TRANSACTION,
        DeadLetter("negative-amount"),
        |record, draw| {
            charge_of(record, draw, i64::MIN);
        },
    ),
    Kind::new(
        "a verdict on an unknown order",
        APPROVED,
        DeadLetter("unknown-order"),
        |_, _| {},
    ),
    Kind::new(
        "a score that is no number",
        APPROVED,
        DeadLetter("unknown-order"),
        |record, draw| {
            let mut approved = transaction_approved(draw);
            approved.score = f64::NAN;
            record.say(draw, &approved);
        },
    ),
    Kind::new(
        "an infinite score",
        APPROVED,
        DeadLetter("unknown-order"),
        |record, draw| {
            let mut approved = transaction_approved(draw);
            approved.score = f64::INFINITY;
            record.say(draw, &approved);
        },
    ),
    Kind::new(
        "a parcel that arrived and never left",
        &["ShipmentDelivered"],
        DeadLetter("unknown-order"),
        |_, _| {},
    ),
    Kind::new(
        "a parcel of nobody's that was refused",
        &["ShipmentFailed"],
        DeadLetter("unknown-order"),
        |_, _| {},
    ),
    // Inventory has nothing to give back, which is as it should be.
    Kind::new(
        "nothing to void",
        VOIDED,
        DeadLetters(&[("order", "unknown-order")]),
        |_, _| {},
    ),
    Kind::new(
        "stock reserved nowhere",
        RESERVED,
        RESERVED_NONSENSE,
        |record, draw| {
            let allocations = Vec::new();
            record.say(
                draw,
                &StockReserved {
                    allocations,
                    ..stock_reserved(draw)
                },
            );
        },
    ),
    Kind::new(
        "stock of negative units",
        RESERVED,
        RESERVED_NONSENSE,
        |record, draw| {
            let mut reserved = stock_reserved(draw);
            reserved.allocations[0].lines[0].quantity = -1;
            record.say(draw, &reserved);
        },
    ),
    Kind::new(
        "stock in the same warehouse twice",
        RESERVED,
        RESERVED_NONSENSE,
        |record, draw| {
            let mut reserved = stock_reserved(draw);
            reserved.allocations.push(reserved.allocations[0].clone());
            record.say(draw, &reserved);
        },
    ),
    Kind::new(
        "stock of an article with a zero",
        RESERVED,
        RESERVED_TEXT,
        |record, draw| {
            let mut reserved = stock_reserved(draw);
            reserved.allocations[0].lines[0].sku = "MUG\0".to_owned();
            record.say(draw, &reserved);
        },
    ),
    // The database takes no zero in a text, so this one fails when it is saved.
    Kind::new(
        "a warehouse with a zero",
        LOW,
        DeadLetter("handler-failed"),
        |record, draw| {
            let warehouse = "BER\0".to_owned();
            record.say(
                draw,
                &LowStock {
                    warehouse,
                    ..low_stock(draw)
                },
            );
        },
    ),
    Kind::new(
        "the largest numbers there are",
        LOW,
        Nothing,
        |record, draw| {
            let (available, threshold) = (i64::MIN, i64::MAX);
            record.say(
                draw,
                &LowStock {
                    available,
                    threshold,
                    ..low_stock(draw)
                },
            );
        },
    ),
    Kind::new("a warehouse of two lines", LOW, Nothing, |record, draw| {
        let warehouse = "BER\r\nBcc: all@example.org\r\n\r\n.\r\n".to_owned();
        record.say(
            draw,
            &LowStock {
                warehouse,
                ..low_stock(draw)
            },
        );
    }),
    Kind::new(
        "the fewest tries there are",
        SENT,
        Nothing,
        |record, draw| {
            let attempts = i32::MIN;
            record.say(
                draw,
                &NotificationSent {
                    attempts,
                    ..notification_sent(draw)
                },
            );
        },
    ),
    Kind::new("a text of 64 KiB", SENT, Nothing, |record, draw| {
        let message_id = "x".repeat(64 * 1024);
        record.say(
            draw,
            &NotificationSent {
                message_id,
                ..notification_sent(draw)
            },
        );
    }),
    Kind::new(
        "a text with a zero that nobody keeps",
        SENT,
        Nothing,
        |record, draw| {
            let message_id = "\0".to_owned();
            record.say(
                draw,
                &NotificationSent {
                    message_id,
                    ..notification_sent(draw)
                },
            );
        },
    ),
    Kind::new(
        "a text in every direction",
        SENT,
        Nothing,
        |record, draw| {
            let message_id = "\u{202e}abc\u{2066}👩‍👩‍👧‍👦Z̸͎͂\u{feff}\u{2028}".to_owned();
            record.say(
                draw,
                &NotificationSent {
                    message_id,
                    ..notification_sent(draw)
                },
            );
        },
    ),
];

const RESERVED_NONSENSE: super::Fate = DeadLetters(&[
    ("order", "unknown-order"),
    ("shipment", "allocation-not-pickable"),
]);
const RESERVED_TEXT: super::Fate = DeadLetters(&[
    ("order", "unknown-order"),
    ("shipment", "text-not-storable"),
]);
