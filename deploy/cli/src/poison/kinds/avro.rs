//! Bytes behind the frame that are no event, or not quite.

use super::{APPROVED, CANCELLED, DeadLetter, EVERY, Kind, LOW, PLACED, Record, SENT, TRANSACTION};

/// Where the datum begins.
const DATUM: usize = 5;
/// The text of a UUID.
const UUID_CHARS: usize = 36;

/// An Avro `int` or `long`.
fn long(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn text(text: &[u8]) -> Vec<u8> {
    let length = i64::try_from(text.len()).expect("a text of this file");
    [long(length), text.to_vec()].concat()
}

/// The first field of most events, which is right, and then something else.
fn after_first_id(record: &mut Record, rest: &[u8]) {
    let first = record.value()[DATUM..=DATUM + UUID_CHARS].to_vec();
    record.set_datum(&[first.as_slice(), rest].concat());
}

/// What an order says up to its lines, and then something else.
fn after_external_ref(record: &mut Record, rest: &[u8]) {
    let head = [text(b"nobody"), text(b"web"), long(0)].concat();
    after_first_id(record, &[head.as_slice(), rest].concat());
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "cut by a byte",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.value().pop();
        },
    ),
    Kind::new(
        "cut in half",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            let value = record.value();
            value.truncate(value.len().div_ceil(2));
        },
    ),
    Kind::new(
        "cut after its first byte",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.value().truncate(DATUM + 1);
        },
    ),
    Kind::new(
        "a byte too many",
        EVERY,
        DeadLetter("trailing-bytes"),
        |record, _| {
            record.value().push(0);
        },
    ),
    Kind::new(
        "a kilobyte too many",
        EVERY,
        DeadLetter("trailing-bytes"),
        |record, _| {
            record.value().extend([0xaa; 1024]);
        },
    ),
    Kind::new(
        "two events in one value",
        EVERY,
        DeadLetter("trailing-bytes"),
        |record, _| {
            let datum = record.value()[DATUM..].to_vec();
            record.value().extend(datum);
        },
    ),
    Kind::new(
        "a bit of a length flipped",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            record.value()[DATUM] ^= 0b10;
        },
    ),
    Kind::new(
        "a bit of an id flipped",
        PLACED,
        DeadLetter("wrong-key"),
        |record, _| {
            // The last digit; its neighbour in the alphabet is a digit, too.
            let at = DATUM + UUID_CHARS;
            let digit = record.value()[at];
            record.value()[at] = if digit == b'0' { b'1' } else { b'0' };
        },
    ),
    Kind::new(
        "every bit flipped",
        EVERY,
        DeadLetter("not-framed"),
        |record, _| {
            record.value().iter_mut().for_each(|byte| *byte = !*byte);
        },
    ),
    Kind::new(
        "every bit behind the frame flipped",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.value()[DATUM..]
                .iter_mut()
                .for_each(|byte| *byte = !*byte);
        },
    ),
    Kind::new(
        "a text of 4 EiB",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&long(1 << 62));
        },
    ),
    Kind::new(
        "a text of 1 GiB",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&long(1 << 30));
        },
    ),
    Kind::new(
        "a text of -1 bytes",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&long(-1));
        },
    ),
    Kind::new(
        "a text of the least length",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&long(i64::MIN));
        },
    ),
    Kind::new(
        "a length that never ends",
        EVERY,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&[0xff; 200]);
        },
    ),
    Kind::new(
        "a billion lines",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            after_external_ref(record, &long(1 << 30));
        },
    ),
    Kind::new(
        "4 EiB of lines",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            after_external_ref(record, &long(1 << 62));
        },
    ),
    Kind::new(
        "the least number of lines",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            after_external_ref(record, &[long(i64::MIN), long(i64::MIN)].concat());
        },
    ),
    Kind::new(
        "lines that lie about their size",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            after_external_ref(record, &[long(-1), long(i64::MAX)].concat());
        },
    ),
    Kind::new(
        "a line for every three bytes",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            let lines = 80_000;
            after_external_ref(record, &[long(lines), vec![0; 240_000]].concat());
        },
    ),
    Kind::new(
        "a hundred thousand blocks",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            // Each of one line: no text, no units, no price.
            after_external_ref(record, &[2, 0, 0, 0].repeat(60_000));
        },
    ),
    Kind::new(
        "an alternative that is not there",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            let rest = [text(b"nobody"), text(b"web"), long(7)].concat();
            after_first_id(record, &rest);
        },
    ),
    Kind::new(
        "a negative alternative",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            let rest = [text(b"nobody"), text(b"web"), long(-1)].concat();
            after_first_id(record, &rest);
        },
    ),
    Kind::new(
        "units beyond 32 bits",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            after_external_ref(record, &[long(1), text(b"MUG"), long(1 << 40)].concat());
        },
    ),
    Kind::new(
        "a symbol that is not there",
        CANCELLED,
        DeadLetter("malformed"),
        |record, _| {
            let rest = [text(b"nobody"), long(99), text(b""), vec![0]].concat();
            after_first_id(record, &rest);
        },
    ),
    Kind::new(
        "a negative symbol",
        CANCELLED,
        DeadLetter("malformed"),
        |record, _| {
            let rest = [text(b"nobody"), long(-1), text(b""), vec![0]].concat();
            after_first_id(record, &rest);
        },
    ),
    Kind::new(
        "neither true nor false",
        CANCELLED,
        DeadLetter("malformed"),
        |record, _| {
            let rest = [text(b"nobody"), long(1), text(b""), vec![2]].concat();
            after_first_id(record, &rest);
        },
    ),
    Kind::new(
        "a number of eleven bytes",
        LOW,
        DeadLetter("malformed"),
        |record, draw| {
            let sku = super::super::sample::sku(draw);
            let endless = [[0x80; 10].as_slice(), &[1]].concat();
            record.set_datum(&[text(sku.as_bytes()), text(b"BER"), endless].concat());
        },
    ),
    Kind::new(
        "half a floating point number",
        APPROVED,
        DeadLetter("malformed"),
        |record, draw| {
            let transaction = text(draw.event_id.to_string().as_bytes());
            after_first_id(record, &[transaction, vec![0; 4]].concat());
        },
    ),
    Kind::new(
        "text that is not UTF-8",
        TRANSACTION,
        DeadLetter("malformed"),
        |record, _| {
            record.set_datum(&text(&[0xff; UUID_CHARS]));
        },
    ),
    Kind::new(
        "half a surrogate pair",
        SENT,
        DeadLetter("malformed"),
        |record, draw| {
            let id = text(draw.event_id.to_string().as_bytes());
            record.set_datum(&[id, text(&[0xed, 0xa0, 0x80])].concat());
        },
    ),
    Kind::new(
        "overlong UTF-8",
        SENT,
        DeadLetter("malformed"),
        |record, draw| {
            let id = text(draw.event_id.to_string().as_bytes());
            record.set_datum(&[id, text(&[0xc0, 0x80])].concat());
        },
    ),
    Kind::new(
        "an order id that is none",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            record.value()[DATUM + 1..=DATUM + UUID_CHARS].fill(b'z');
        },
    ),
    Kind::new(
        "an order id with a zero",
        PLACED,
        DeadLetter("malformed"),
        |record, _| {
            record.value()[DATUM + UUID_CHARS] = 0;
        },
    ),
];
