//! Record headers: `CloudEvents` in binary mode, packed into one run of bytes.
//!
//! The same packing serves the outbox column and the records on their way through the consumer, so
//! a record's headers are one allocation, and a dead letter keeps them as they were.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, SecondsFormat, Utc};
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use uuid::Uuid;

use crate::event::Envelope;

pub const ID: &str = "ce_id";
pub const TYPE: &str = "ce_type";
pub const TRACEPARENT: &str = "traceparent";
const SOURCE: &str = "ce_source";
const SPEC_VERSION: &str = "ce_specversion";
const TIME: &str = "ce_time";
const SUBJECT: &str = "ce_subject";
const PARTITION_KEY: &str = "ce_partitionkey";
const CORRELATION_ID: &str = "ce_correlationid";
const CAUSATION_ID: &str = "ce_causationid";
const AGGREGATE_VERSION: &str = "ce_aggregateversion";
const CONTENT_TYPE: &str = "content-type";

/// The original key of a dead letter, which need not be text. Never sent as a header.
const RAW_KEY: &str = ":key";

/// Stands for a header whose name is no text. What it held cannot be read.
const UNREADABLE: &str = ":unreadable";

/// An aggregate's id is a UUID or a SKU; what is far longer is none, and neither is a line break.
const ID_CHARS_MAX: usize = 128;

/// What the headers of an event take, so that they are copied once.
const HEADERS_BYTES: usize = 640;

/// Names and values, in order, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        let length = |length: usize| u32::try_from(length).expect("Kafka caps a record's size");
        self.0.extend_from_slice(&length(name.len()).to_be_bytes());
        self.0.extend_from_slice(name.as_bytes());
        // A null value is told apart from an empty one.
        let marked = value.map_or(0, |value| length(value.len()) + 1);
        self.0.extend_from_slice(&marked.to_be_bytes());
        self.0.extend_from_slice(value.unwrap_or_default());
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(header, _)| *header == name)
            .and_then(|(_, value)| std::str::from_utf8(value?).ok())
    }

    /// Several in one walk; of each name the first.
    fn texts<const N: usize>(&self, names: [&str; N]) -> [Option<&str>; N] {
        let mut values = [None; N];
        for (name, value) in self.iter() {
            if let Some(place) = names.iter().position(|wanted| *wanted == name) {
                values[place].get_or_insert(value);
            }
        }
        values.map(|value| std::str::from_utf8(value??).ok())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let name = std::str::from_utf8(take(&mut rest, 0)?).ok()?;
            let (length, after) = rest.split_first_chunk::<4>()?;
            if u32::from_be_bytes(*length) == 0 {
                rest = after;
                return Some((name, None));
            }
            Some((name, Some(take(&mut rest, 1)?)))
        })
    }

    /// What a received record carried.
    pub fn of_record(headers: Option<&rdkafka::message::BorrowedHeaders>) -> Self {
        let mut packed = Self(Vec::with_capacity(HEADERS_BYTES));
        let Some(headers) = headers else {
            return packed;
        };
        for position in 0..headers.count() {
            // The client panics at a name that is not UTF-8, which anybody can send, and the whole
            // consumer would end at it again and again.
            match catch_unwind(AssertUnwindSafe(|| headers.get(position))) {
                Ok(header) => packed.push(header.key, header.value),
                Err(_) => packed.push(UNREADABLE, None),
            }
        }
        packed
    }

    /// Before every header.
    pub fn set_raw_key(&mut self, key: Option<&[u8]>) {
        self.push(RAW_KEY, key);
    }

    /// The raw key of a dead letter, and what its record's headers were.
    pub fn split_raw_key(&self) -> (Option<Vec<u8>>, Self) {
        let mut key = None;
        let mut headers = Self::new();
        for (name, value) in self.iter() {
            if name == RAW_KEY && key.is_none() {
                key = Some(value.map(<[u8]>::to_vec));
            } else {
                headers.push(name, value);
            }
        }
        (key.flatten(), headers)
    }

    /// The raw key of a dead letter and its headers.
    pub fn unpack(&self) -> (Option<&[u8]>, OwnedHeaders) {
        let mut key = None;
        let mut headers = OwnedHeaders::new();
        for (position, (name, value)) in self.iter().enumerate() {
            // The original may carry a header of this name, too.
            if position == 0 && name == RAW_KEY {
                key = value;
            } else {
                headers = headers.insert(Header { key: name, value });
            }
        }
        (key, headers)
    }
}

fn take<'a>(rest: &mut &'a [u8], marked: u32) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length).checked_sub(marked)?).ok()?;
    let (value, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// What the relay puts on a record, from an outbox row.
pub fn of_event(
    source: &str,
    full_name: &str,
    envelope: &Envelope,
    traceparent: Option<&str>,
) -> OwnedHeaders {
    let event_id = envelope.event_id.to_string();
    let causation_id = envelope.causation_id.to_string();
    let version = envelope.aggregate_version.to_string();
    let time = envelope
        .occurred_at
        .to_rfc3339_opts(SecondsFormat::Micros, true);
    let source = format!("/ticketrail/{source}");
    let mut headers = OwnedHeaders::new_with_capacity(12);
    for (key, value) in [
        (SPEC_VERSION, "1.0"),
        (ID, &event_id),
        (SOURCE, &source),
        (TYPE, full_name),
        (TIME, &time),
        (SUBJECT, &envelope.aggregate_id),
        (PARTITION_KEY, &envelope.aggregate_id),
        (CORRELATION_ID, &envelope.correlation_id),
        (CAUSATION_ID, &causation_id),
        (AGGREGATE_VERSION, &version),
        (CONTENT_TYPE, "application/vnd.confluent.avro"),
    ] {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    if let Some(traceparent) = traceparent {
        headers = headers.insert(Header {
            key: TRACEPARENT,
            value: Some(traceparent),
        });
    }
    headers
}

/// The envelope of a received record, or what is missing.
pub fn envelope(headers: &Packed) -> Result<Envelope, &'static str> {
    let [
        full_name,
        subject,
        event_id,
        version,
        time,
        correlation_id,
        causation_id,
    ] = headers.texts([
        TYPE,
        SUBJECT,
        ID,
        AGGREGATE_VERSION,
        TIME,
        CORRELATION_ID,
        CAUSATION_ID,
    ]);
    let full_name = readable(full_name, TYPE)?;
    let aggregate_id = readable(subject, SUBJECT)?.to_owned();
    Ok(Envelope {
        event_id: uuid(event_id, ID)?,
        event_type: short_name(full_name).to_owned(),
        aggregate_version: version
            .and_then(|version| version.parse().ok())
            .filter(|version| *version >= 1)
            .ok_or(AGGREGATE_VERSION)?,
        occurred_at: time
            .and_then(|time| DateTime::parse_from_rfc3339(time).ok())
            .map(|time| time.with_timezone(&Utc))
            .ok_or(TIME)?,
        correlation_id: match correlation_id {
            Some(_) => readable(correlation_id, CORRELATION_ID)?.to_owned(),
            None => aggregate_id.clone(),
        },
        causation_id: uuid(causation_id, CAUSATION_ID)?,
        aggregate_id,
    })
}

/// `OrderPlaced` of `ticketrail.order.OrderPlaced`.
pub fn short_name(full_name: &str) -> &str {
    full_name
        .rsplit_once('.')
        .map_or(full_name, |(_, name)| name)
}

/// Ids are stored, shown and sent on.
fn readable<'a>(text: Option<&'a str>, name: &'static str) -> Result<&'a str, &'static str> {
    text.filter(|text| !text.is_empty() && text.len() <= ID_CHARS_MAX)
        .filter(|text| !text.contains(char::is_control))
        .ok_or(name)
}

fn uuid(text: Option<&str>, name: &'static str) -> Result<Uuid, &'static str> {
    text.and_then(|id| Uuid::parse_str(id).ok()).ok_or(name)
}

#[cfg(test)]
mod tests {
    use super::{Packed, TRACEPARENT, envelope};

    #[test]
    fn packed_headers_keep_order_repeats_nulls_and_bytes() {
        let mut packed = Packed::new();
        let headers: [(&str, Option<&[u8]>); 4] = [
            ("a", Some(b"1")),
            ("b", None),
            ("a", Some(b"")),
            ("c", Some(&[0, 255])),
        ];
        for (name, value) in headers {
            packed.push(name, value);
        }

        let again = Packed::from_bytes(packed.into_bytes());
        assert_eq!(again.iter().collect::<Vec<_>>(), headers);
        assert_eq!(again.text("c"), None);
    }

    #[test]
    fn damaged_bytes_end_the_headers_and_nothing_else() {
        let mut packed = Packed::new();
        packed.push("name", Some(b"value"));
        let bytes = packed.into_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Packed::from_bytes(bytes[..end].to_vec()).iter().count(), 0);
        }
    }

    #[test]
    fn headers_of_any_kind_are_an_envelope_or_name_what_is_missing() {
        crate::fuzz::run("headers", &[], |bytes| {
            let packed = Packed::from_bytes(bytes.to_vec());
            let mut again = Packed::new();
            for (name, value) in packed.iter() {
                again.push(name, value);
            }
            assert!(packed.iter().eq(again.iter()));
            let (_, headers) = packed.unpack();
            let _ = Packed::of_record(Some(headers.as_borrowed()));
            let _ = crate::telemetry::propagation::from_traceparent(packed.text(TRACEPARENT));
            let Ok(envelope) = envelope(&packed) else {
                return false;
            };
            assert!(envelope.aggregate_version >= 1);
            for id in [&envelope.aggregate_id, &envelope.correlation_id] {
                assert!(!id.is_empty() && !id.contains(char::is_control));
            }
            true
        });
    }
}
