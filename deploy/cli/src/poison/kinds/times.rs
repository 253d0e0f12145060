//! Ids and times that are far off.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{NoContext, Timestamp, Uuid};

use super::{DeadLetter, EVERY, Kind, Nothing, Record, SENT};

const ODD: &str = "odd-event-id";
/// The first second of the year 9999.
const YEAR_9999: i64 = 253_370_764_800;

/// An id that was made at another time, and is as new as the record's own.
fn made_at(record: &mut Record, own: Uuid, at: DateTime<Utc>) {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    let other = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0));
    let mut bytes = *other.as_bytes();
    // The random part of the record's own id, so that the draw alone decides.
    bytes[6..].copy_from_slice(&own.as_bytes()[6..]);
    record.set("ce_id", Uuid::from_bytes(bytes).to_string());
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new("an id of 1970", EVERY, DeadLetter(ODD), |record, draw| {
        made_at(record, draw.event_id, DateTime::UNIX_EPOCH);
    }),
    Kind::new(
        "an id of last month",
        EVERY,
        DeadLetter(ODD),
        |record, draw| {
            made_at(record, draw.event_id, draw.now - TimeDelta::days(30));
        },
    ),
    Kind::new(
        "an id of in three days",
        EVERY,
        DeadLetter(ODD),
        |record, draw| {
            made_at(record, draw.event_id, draw.now + TimeDelta::days(3));
        },
    ),
    Kind::new("an id of 9999", EVERY, DeadLetter(ODD), |record, draw| {
        let year_9999 = DateTime::from_timestamp(YEAR_9999, 0).expect("a time");
        made_at(record, draw.event_id, year_9999);
    }),
    Kind::new(
        "an id without a time",
        EVERY,
        DeadLetter(ODD),
        |record, draw| {
            let mut bytes = *draw.event_id.as_bytes();
            bytes[6] = 0x40 | bytes[6] & 0x0f;
            record.set("ce_id", Uuid::from_bytes(bytes).to_string());
        },
    ),
    Kind::new(
        "a time that is none",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_time", "yesterday");
        },
    ),
    Kind::new(
        "a time without a zone",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_time", "2026-11-02T10:00:00");
        },
    ),
    Kind::new(
        "a time in seconds",
        EVERY,
        DeadLetter("missing-header"),
        |record, _| {
            record.set("ce_time", "1793613600");
        },
    ),
    Kind::new("it happened in 1970", SENT, Nothing, |record, _| {
        record.set("ce_time", "1970-01-01T00:00:00Z");
    }),
    Kind::new("it happened in 9999", SENT, Nothing, |record, _| {
        record.set("ce_time", "9999-12-31T23:59:59.999999Z");
    }),
    Kind::new(
        "it happened in a leap second",
        SENT,
        Nothing,
        |record, _| {
            record.set("ce_time", "2016-12-31T23:59:60Z");
        },
    ),
];
