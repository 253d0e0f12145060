//! From records to events, and from what is no event to rejections.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::record::{Arrived, Record};
use super::registry::Consumes;
use crate::avro::{Codec, Learned, unframe};
use crate::batch::Reject;
use crate::event::Envelope;
use crate::kafka::client::VALUE_BYTES_MAX;
use crate::kafka::headers::{self, short_name};

/// An outbox keeps events for a week, in whole days: none is published later than that.
const ID_AGE_MAX: TimeDelta = TimeDelta::days(8);
/// A clock may be wrong by hours, and what it made is healthy all the same. The inbox has a place
/// for ids of the next week, so this is far from where one would have none.
const ID_AHEAD_MAX: TimeDelta = TimeDelta::days(2);

/// A record that is an event this service listens to.
pub(crate) struct Decoded<I> {
    pub(super) envelope: Envelope,
    pub(super) event: I,
}

/// Makes every schema of the batch known first. An error means: the registry cannot say now.
pub(super) async fn learn<I>(codec: &Codec, records: &[Arrived<I>]) -> anyhow::Result<()> {
    let ids: HashSet<u32> = records
        .iter()
        .filter(|arrived| arrived.decoded.is_none())
        .filter_map(|arrived| schema_id(&arrived.record))
        .collect();
    for id in ids {
        if codec.learn(id).await? == Learned::Unknown {
            tracing::warn!(
                schema.id = id,
                "Schema id {id} is not known to the registry"
            );
        }
    }
    Ok(())
}

/// Decodes a record before its batch begins, unless its schema has still to be learned. One that
/// panics is left to the worker, which knows what to do with it.
pub(super) fn decode_ahead<I: 'static>(
    codec: &Codec,
    consumes: &Consumes<I>,
    record: &Record,
) -> Option<Result<Decoded<I>, Reject>> {
    if !schema_id(record).is_none_or(|id| codec.knows(id)) {
        return None;
    }
    let decoding = AssertUnwindSafe(|| decode(codec, consumes, record));
    std::panic::catch_unwind(decoding).ok()
}

fn schema_id(record: &Record) -> Option<u32> {
    unframe(record.value.as_deref()?).map(|(id, _)| id)
}

/// Checks everything that does not need the database.
pub(super) fn decode<I: 'static>(
    codec: &Codec,
    consumes: &Consumes<I>,
    record: &Record,
) -> Result<Decoded<I>, Reject> {
    let envelope = headers::envelope(&record.headers).map_err(|missing| {
        Reject::new(
            "missing-header",
            format!("the header `{missing}` is missing or unreadable"),
        )
    })?;
    let listened = consumes
        .find(&envelope.event_type)
        .filter(|listened| listened.topic.0 == record.topic)
        .ok_or_else(|| {
            Reject::new(
                "wrong-topic",
                format!(
                    "{} does not belong on {}",
                    envelope.event_type, record.topic
                ),
            )
        })?;
    let full_name = codec.full_name(&envelope.event_type);
    if record.headers.text(headers::TYPE) != full_name {
        return Err(Reject::new(
            "wrong-record",
            format!("the header `{}` does not name {full_name:?}", headers::TYPE),
        ));
    }
    check_id(envelope.event_id, record.published_at)?;
    let value = record
        .value
        .as_deref()
        .ok_or_else(|| Reject::new("null-value", "the record has no value"))?;
    crate::crash::payload(value);
    if value.len() > VALUE_BYTES_MAX {
        return Err(Reject::new(
            "oversized",
            format!(
                "{} bytes; at most {VALUE_BYTES_MAX} are decoded",
                value.len()
            ),
        ));
    }
    let (schema_id, datum) = unframe(value).ok_or_else(|| {
        Reject::new(
            "not-framed",
            "the value does not begin with a zero byte and a schema id",
        )
    })?;
    let (key, event) = (listened.decode)(codec, schema_id, datum)?;
    // Handlers take the aggregate from either, and order is kept per record key.
    let same = key == envelope.aggregate_id && record.key.as_deref() == Some(key.as_bytes());
    if !same {
        return Err(Reject::new(
            "wrong-key",
            "the record's key, its aggregate's id and what the event is about are not the same",
        ));
    }
    Ok(Decoded { envelope, event })
}

/// An id says when the event was made, and by that how long the inbox remembers it.
///
/// Measured by when the record was published, not by this machine's clock: a topic may be read
/// again much later, and a clock that is wrong must not condemn what is healthy.
fn check_id(event_id: Uuid, published_at: DateTime<Utc>) -> Result<(), Reject> {
    let odd = |detail: String| Err(Reject::new("odd-event-id", detail));
    let made_at = event_id
        .get_timestamp()
        .filter(|_| event_id.get_version_num() == 7)
        .and_then(|made_at| {
            let (seconds, nanoseconds) = made_at.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
        });
    let Some(made_at) = made_at else {
        return odd(format!("{event_id} is no UUID of version 7"));
    };
    let ahead = made_at - published_at;
    if ahead > ID_AHEAD_MAX || ahead < -ID_AGE_MAX {
        return odd(format!(
            "{event_id} is of {made_at}, and its record of {published_at}"
        ));
    }
    Ok(())
}

/// Whether the type header alone says that this service does not listen. A record without a type
/// (or with an empty one) is not skipped: it is nobody's, and somebody must see it.
pub(super) fn is_skipped<I: 'static>(headers: &headers::Packed, consumes: &Consumes<I>) -> bool {
    headers
        .text(headers::TYPE)
        .filter(|full_name| !full_name.is_empty())
        .is_some_and(|full_name| consumes.find(short_name(full_name)).is_none())
}
