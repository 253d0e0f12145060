//! From records to events, and from what is no event to rejections.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

use super::record::{Arrived, Record};
use super::registry::Consumes;
use crate::avro::{Codec, Learned, unframe};
use crate::batch::Reject;
use crate::event::Envelope;
use crate::kafka::client::VALUE_BYTES_MAX;
use crate::kafka::headers::{self, short_name};

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
    let event = (listened.decode)(codec, schema_id, datum)?;
    if record.key.as_deref() != Some(envelope.aggregate_id.as_bytes()) {
        return Err(Reject::new(
            "wrong-key",
            "the record's key is not its aggregate's id",
        ));
    }
    Ok(Decoded { envelope, event })
}

/// Whether the type header alone says that this service does not listen. A record without a type
/// is not skipped: it is nobody's, and somebody must see it.
pub(super) fn is_skipped<I: 'static>(headers: &headers::Packed, consumes: &Consumes<I>) -> bool {
    headers
        .text(headers::TYPE)
        .is_some_and(|full_name| consumes.find(short_name(full_name)).is_none())
}
