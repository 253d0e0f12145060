//! Table `order_timeline`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use tracing::instrument;
use uuid::Uuid;

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

/// One entry on its way into the database.
#[derive(sqlx::Encode)]
struct TimelineRow<'a> {
    order_id: Uuid,
    event_id: Uuid,
    at: DateTime<Utc>,
    occurred_at: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
    duplicate: bool,
    kind: &'a str,
    what: &'a str,
    from_state: Option<&'static str>,
    to_state: Option<&'static str>,
    trace_id: Option<[u8; 16]>,
    led_to: &'a [&'static str],
}

shared::row_type!(TimelineRow<'_>, "order_timeline_row");

impl<'a> TimelineRow<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            order_id: entry.order_id,
            event_id: entry.event_id,
            at: entry.at,
            occurred_at: entry.journey.occurred_at,
            published_at: entry.journey.published_at,
            received_at: entry.journey.received_at,
            duplicate: entry.duplicate,
            kind: &entry.kind,
            what: &entry.what,
            from_state: entry.from.map(State::as_str),
            to_state: entry.to.map(State::as_str),
            trace_id: entry.trace_id,
            led_to: &entry.led_to,
        }
    }
}

/// In order. An entry that is known already stays as it was.
#[instrument(name = "db.order_timeline.append", skip_all)]
pub(super) async fn append(tx: &mut PgConnection, entries: &[Entry]) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = entries.iter().map(TimelineRow::of).collect();
    sqlx::query(
        "INSERT INTO order_timeline (order_id, event_id, at, occurred_at, published_at, received_at,
                                     duplicate, type, what, from_state, to_state, trace_id, led_to)
         SELECT order_id, event_id, at, occurred_at, published_at, received_at, duplicate, type,
                what, from_state, to_state, trace_id, led_to
         FROM unnest($1::order_timeline_row[]) WITH ORDINALITY
             AS n (order_id, event_id, at, occurred_at, published_at, received_at, duplicate, type,
                   what, from_state, to_state, trace_id, led_to, ordinal)
         ORDER BY ordinal
         ON CONFLICT ON CONSTRAINT order_timeline_pkey DO NOTHING",
    )
    .bind(rows)
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
