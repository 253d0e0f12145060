//! Table `order_timeline`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use tracing::instrument;
use uuid::Uuid;

use super::array_literal;
use crate::domain::state::State;
use crate::domain::timeline::Entry;

/// An entry as it was written down.
#[derive(Debug, FromRow)]
pub(crate) struct Written {
    pub(crate) id: i64,
    pub(crate) event_id: Uuid,
    #[sqlx(rename = "type")]
    pub(crate) kind: String,
    pub(crate) duplicate: bool,
    pub(crate) what: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    pub(crate) published_at: Option<DateTime<Utc>>,
    pub(crate) received_at: Option<DateTime<Utc>>,
    pub(crate) from_state: Option<String>,
    pub(crate) to_state: Option<String>,
    pub(crate) trace_id: Option<Vec<u8>>,
    pub(crate) led_to: Vec<String>,
}

/// In order. An entry that is known already stays as it was.
#[instrument(name = "db.order_timeline.append", skip_all)]
pub(super) async fn append(tx: &mut PgConnection, entries: &[Entry]) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut order_id = Vec::with_capacity(entries.len());
    let mut event_id = Vec::with_capacity(entries.len());
    let mut at = Vec::with_capacity(entries.len());
    let mut occurred_at = Vec::with_capacity(entries.len());
    let mut published_at = Vec::with_capacity(entries.len());
    let mut received_at = Vec::with_capacity(entries.len());
    let mut duplicate = Vec::with_capacity(entries.len());
    let mut kind = Vec::with_capacity(entries.len());
    let mut what = Vec::with_capacity(entries.len());
    let mut from_state = Vec::with_capacity(entries.len());
    let mut to_state = Vec::with_capacity(entries.len());
    let mut trace_id = Vec::with_capacity(entries.len());
    let mut led_to = Vec::with_capacity(entries.len());
    for entry in entries {
        order_id.push(entry.order_id);
        event_id.push(entry.event_id);
        at.push(entry.at);
        occurred_at.push(entry.journey.occurred_at);
        published_at.push(entry.journey.published_at);
        received_at.push(entry.journey.received_at);
        duplicate.push(entry.duplicate);
        kind.push(entry.kind.as_str());
        what.push(entry.what.as_str());
        from_state.push(entry.from.map(State::as_str));
        to_state.push(entry.to.map(State::as_str));
        trace_id.push(entry.trace_id.map(|id| id.to_vec()));
        led_to.push(array_literal(&entry.led_to));
    }
    sqlx::query(
        "INSERT INTO order_timeline (order_id, event_id, at, occurred_at, published_at, received_at,
                                     duplicate, type, what, from_state, to_state, trace_id, led_to)
         SELECT n.order_id, n.event_id, n.at, n.occurred_at, n.published_at, n.received_at,
                n.duplicate, n.type, n.what, n.from_state, n.to_state, n.trace_id, n.led_to::text[]
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[],
                     $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::text[], $9::text[],
                     $10::text[], $11::text[], $12::bytea[], $13::text[]) WITH ORDINALITY
             AS n (order_id, event_id, at, occurred_at, published_at, received_at, duplicate, type,
                   what, from_state, to_state, trace_id, led_to, ordinal)
         ORDER BY n.ordinal
         ON CONFLICT ON CONSTRAINT order_timeline_pkey DO NOTHING",
    )
    .bind(order_id)
    .bind(event_id)
    .bind(at)
    .bind(occurred_at)
    .bind(published_at)
    .bind(received_at)
    .bind(duplicate)
    .bind(kind)
    .bind(what)
    .bind(from_state)
    .bind(to_state)
    .bind(trace_id)
    .bind(led_to)
    .execute(tx)
    .await?;
    Ok(())
}

/// Entries after one, in order. Whose order it is was asked before.
#[instrument(name = "db.order_timeline.find", skip_all)]
pub(crate) async fn find_after(
    db: impl PgExecutor<'_>,
    order_id: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<Written>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, event_id, type, duplicate, what, at, recorded_at, occurred_at, published_at,
                received_at, from_state, to_state, trace_id, led_to
         FROM order_timeline
         WHERE order_id = $1 AND id > $2
         ORDER BY id
         LIMIT $3",
    )
    .bind(order_id)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}
