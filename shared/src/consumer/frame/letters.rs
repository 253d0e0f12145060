//! What becomes of records that cannot be processed, and of those that must not overtake them.

use std::collections::{HashMap, HashSet};

use rdkafka::message::ToBytes;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Outcome, Prepared};
use crate::batch::{Batch, Reject};
use crate::consumer::record::{Arrived, Record};
use crate::consumer::store as inbox;
use crate::dead_letters::State;
use crate::dead_letters::store::{self, NewLetter};
use crate::kafka::dead_letter_topic;
use crate::kafka::headers::{self, Packed, short_name};
use crate::outbox::DeadLetter;

const DEAD_LETTERED: i16 = 1;
const PARKED: i16 = 2;

/// Topic and key: what keeps an order of its own.
pub(super) type Key = (String, Vec<u8>);

pub(super) fn key(record: &Record) -> Key {
    (
        record.topic.to_owned(),
        record.key.clone().unwrap_or_default(),
    )
}

/// The keys of this batch that dead letters hold back.
pub(super) async fn holding<I>(
    tx: &mut PgConnection,
    records: &[Arrived<I>],
    prepared: &[Prepared<I>],
) -> Result<HashSet<Key>, sqlx::Error> {
    let (topics, keys) = records
        .iter()
        .zip(prepared)
        .filter(|(_, prepared)| matches!(prepared, Prepared::Event(_)))
        .filter_map(|(arrived, _)| Some((arrived.record.topic, arrived.record.key.clone()?)))
        .unzip();
    store::holding(tx, topics, keys).await
}

/// Whose later events wait for a rejected record: those of its aggregate, if it tells of one.
pub(super) fn held_back_by(record: &Record, reject: &Reject) -> Option<Key> {
    // On another's topic or under another's key it stands in nobody's order.
    if reject.stands_alone || matches!(reject.code, "wrong-topic" | "wrong-key") {
        return None;
    }
    let envelope = headers::envelope(&record.headers).ok()?;
    let of_aggregate = record.key.as_deref() == Some(envelope.aggregate_id.as_bytes());
    of_aggregate.then(|| key(record))
}

/// Whether the handler accepted an event after one of the same key that it rejected.
pub(super) fn overtaken<I>(batch: &Batch<I>, rejects: &[(usize, Reject)]) -> bool {
    if rejects.is_empty() {
        return false;
    }
    let rejected: HashMap<usize, &Reject> = rejects
        .iter()
        .map(|(position, reject)| (*position, reject))
        .collect();
    let mut holding = HashSet::new();
    batch.events.iter().enumerate().any(|(position, received)| {
        let key = received.envelope.aggregate_id.as_str();
        if let Some(reject) = rejected.get(&position) {
            if !reject.stands_alone {
                holding.insert(key);
            }
            return false;
        }
        holding.contains(key)
    })
}

/// Keeps what failed and what waits; returns what goes to the dead-letter topics.
pub(super) async fn keep<I>(
    tx: &mut PgConnection,
    service: &'static str,
    records: &[Arrived<I>],
    outcome: &Outcome,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    if outcome.failed.is_empty() && outcome.parked.is_empty() {
        return Ok(Vec::new());
    }
    let failed = outcome.failed.iter().map(|(_, id, _)| *id).collect();
    inbox::set_outcome(tx, failed, DEAD_LETTERED).await?;
    let parked = outcome.parked.iter().map(|(_, id)| *id).collect();
    inbox::set_outcome(tx, parked, PARKED).await?;

    let waits = parked_behind();
    let mut rows: Vec<(usize, Uuid, State, &Reject)> = outcome
        .failed
        .iter()
        .map(|(index, id, reject)| (*index, *id, State::Open, reject))
        .chain(
            outcome
                .parked
                .iter()
                .map(|(index, id)| (*index, *id, State::Parked, &waits)),
        )
        .collect();
    rows.sort_by_key(|(index, ..)| *index);
    let rows = rows
        .into_iter()
        .map(|(index, id, state, reject)| row(&records[index].record, id, state, reject))
        .collect();
    store::insert(tx, rows).await?;
    Ok(outcome
        .failed
        .iter()
        .map(|(index, id, reject)| publishable(service, &records[*index].record, *id, reject))
        .collect())
}

/// Of what an operator released, some failed again; what came after it waits again.
pub(super) async fn reopen(tx: &mut PgConnection, outcome: &Outcome) -> Result<(), sqlx::Error> {
    for (_, id, reject) in &outcome.failed {
        store::reopen(tx, *id, State::Open, reject.code, &reject.detail).await?;
    }
    let waits = parked_behind();
    for (_, id) in &outcome.parked {
        store::reopen(tx, *id, State::Parked, waits.code, &waits.detail).await?;
    }
    Ok(())
}

fn parked_behind() -> Reject {
    Reject::new(
        "parked",
        "an earlier event of the same key is a dead letter",
    )
}

fn row(record: &Record, event_id: Uuid, state: State, reject: &Reject) -> NewLetter {
    let key = match state {
        State::Parked => record.key.clone(),
        _ => held_back_by(record, reject).map(|(_, key)| key),
    };
    NewLetter {
        event_id,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        key,
        event_type: event_type(record),
        state,
        code: reject.code,
        detail: reject.detail.clone(),
        headers: own_headers(record),
        value: record.value.clone(),
        published_at: record.published_at,
    }
}

/// The record's key and headers, as they came.
fn own_headers(record: &Record) -> Packed {
    let mut headers = Packed::new();
    headers.set_raw_key(record.key.as_deref());
    for (name, value) in record.headers.iter() {
        headers.push(name, value);
    }
    headers
}

fn event_type(record: &Record) -> String {
    record
        .headers
        .text(headers::TYPE)
        .map_or("unknown", short_name)
        .to_owned()
}

/// The record as it came, and why it is here.
fn publishable(
    service: &'static str,
    record: &Record,
    event_id: Uuid,
    reject: &Reject,
) -> DeadLetter {
    tracing::warn!(
        topic = record.topic,
        partition = record.partition,
        offset = record.offset,
        code = reject.code,
        "Dead letter from {}/{}@{}: {reject}",
        record.topic,
        record.partition,
        record.offset
    );
    let mut headers = own_headers(record);
    let partition = record.partition.to_string();
    let offset = record.offset.to_string();
    let published_at = record.published_at.to_rfc3339();
    for (name, value) in [
        ("dlt_topic", record.topic),
        ("dlt_partition", &partition),
        ("dlt_offset", &offset),
        ("dlt_timestamp", &published_at),
        ("dlt_group", service),
        ("dlt_code", reject.code),
        ("dlt_detail", &reject.detail),
    ] {
        headers.push(name, Some(value.to_bytes()));
    }
    DeadLetter {
        event_id,
        topic: dead_letter_topic(record.topic, service),
        event_type: store::printable(&event_type(record)),
        source: format!("{}/{}", record.topic, record.partition),
        headers,
        value: record.value.clone(),
    }
}
