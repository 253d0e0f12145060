//! The way out: events are rows of the transaction that caused them, and a relay publishes them.
//!
//! - **`enqueue` is the only way to publish**, and only the frame calls it.
//! - Rows are inserted and never touched again; whole days are dropped.

mod publisher;
mod relay;
mod snapshot;
mod store;

use opentelemetry::trace::SpanContext;
use sqlx::PgConnection;
use std::sync::Arc;
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use relay::{Relay, RelayConfig};
pub use store::{Pending, maintain_partitions, pending};

use crate::avro::Codec;
use crate::batch::Outgoing;
use crate::event::new_id;
use crate::kafka::headers::{Packed, TRACEPARENT};
use crate::telemetry::propagation;

/// Rows of the watermark table. More shards spread over more instances.
pub(crate) const SHARDS: i16 = 4;

/// Header of an outbox row that a record does not have: only where it differs from the key.
pub(crate) const CORRELATION_ID: &str = "ce_correlationid";

/// Tells the relay of this process that something was committed.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn notified(&self) {
        self.0.notified().await;
    }
}

/// A rejected record on its way to the dead-letter topic: everything as it came, and why.
pub(crate) struct DeadLetter {
    pub(crate) event_id: Uuid,
    pub(crate) topic: String,
    pub(crate) event_type: String,
    /// Source topic and partition, whose order dead letters keep.
    pub(crate) source: String,
    pub(crate) headers: Packed,
    pub(crate) value: Option<Vec<u8>>,
}

/// Writes events and dead letters in order. True when there is something to publish.
pub(crate) async fn enqueue(
    tx: &mut PgConnection,
    codec: &Codec,
    outgoing: &Outgoing,
) -> Result<bool, sqlx::Error> {
    enqueue_with(tx, codec, outgoing, Vec::new()).await
}

pub(crate) async fn enqueue_with(
    tx: &mut PgConnection,
    codec: &Codec,
    outgoing: &Outgoing,
    dead_letters: Vec<DeadLetter>,
) -> Result<bool, sqlx::Error> {
    let mut rows = Vec::with_capacity(outgoing.events.len() + dead_letters.len());
    for outgoing in &outgoing.events {
        let schema = outgoing.event.schema();
        let key = outgoing.event.partition_key();
        rows.push(store::NewRow {
            event_id: new_id(),
            causation_id: outgoing.cause.id,
            version: Some(outgoing.version),
            shard: shard(&key),
            event_type: schema.event_type.into(),
            topic: schema.topic.0.into(),
            headers: beside(
                &key,
                outgoing.cause.correlation_id.as_deref(),
                &outgoing.cause.span,
            ),
            // A type that does not encode is a programming error, and the transaction's end.
            payload: Some(
                codec
                    .encode(outgoing.event.as_ref())
                    .map_err(|error| sqlx::Error::Encode(error.into()))?,
            ),
            key: Some(key),
        });
    }
    for letter in dead_letters {
        rows.push(store::NewRow {
            event_id: letter.event_id,
            causation_id: letter.event_id,
            version: None,
            shard: shard(&letter.source),
            event_type: letter.event_type.into(),
            topic: letter.topic.into(),
            key: None,
            headers: letter.headers.into_bytes(),
            payload: letter.value,
        });
    }
    if rows.is_empty() {
        return Ok(false);
    }
    store::insert(tx, rows).await?;
    Ok(true)
}

/// What must stay in order shares a shard.
fn shard(key: &str) -> i16 {
    // FNV-1a, because every process and every version must agree on a key's shard.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i16::try_from(hash % u64::from(SHARDS.unsigned_abs())).expect("there are few shards")
}

fn beside(key: &str, correlation_id: Option<&str>, span: &SpanContext) -> Vec<u8> {
    let mut packed = Packed::new();
    if let Some(correlation_id) = correlation_id.filter(|id| *id != key) {
        packed.push(CORRELATION_ID, Some(correlation_id.as_bytes()));
    }
    if let Some(traceparent) = propagation::to_traceparent(span) {
        packed.push(TRACEPARENT, Some(traceparent.as_bytes()));
    }
    packed.into_bytes()
}
