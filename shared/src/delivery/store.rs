//! Requests as rows.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Delivery, Request};

/// What became of an attempt.
pub(super) struct Settled {
    pub(super) key: String,
    pub(super) revision: i32,
    pub(super) state: &'static str,
    pub(super) detail: Option<String>,
}

/// What waits in a lane.
pub(super) struct Pending {
    pub(super) count: i64,
    pub(super) oldest_s: f64,
}

/// In the order given, because that is the order in which a lane asks.
#[tracing::instrument(name = "db.deliveries.request", skip_all)]
pub(super) async fn request(
    tx: &mut PgConnection,
    requests: Vec<Request>,
) -> Result<(), sqlx::Error> {
    if requests.is_empty() {
        return Ok(());
    }
    let of = |part: fn(&Request) -> String| requests.iter().map(part).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO deliveries AS known
             (lane, key, payload, causation_id, correlation_id, traceparent)
         SELECT lane, key, payload, causation_id, correlation_id, traceparent
         FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::uuid[], $5::text[], $6::text[])
             WITH ORDINALITY
             AS asked (lane, key, payload, causation_id, correlation_id, traceparent, place)
         ORDER BY place
         ON CONFLICT (lane, key) DO UPDATE
         SET payload = excluded.payload,
             revision = known.revision + 1,
             state = 'pending',
             attempts = 0,
             detail = NULL,
             requested_at = now(),
             -- Who waits already keeps the place.
             place = CASE known.state WHEN 'pending' THEN known.place ELSE excluded.place END,
             causation_id = excluded.causation_id,
             correlation_id = excluded.correlation_id,
             traceparent = excluded.traceparent
         WHERE known.payload IS DISTINCT FROM excluded.payload",
    )
    .bind(of(|request| request.lane.clone()))
    .bind(of(|request| request.key.clone()))
    .bind(
        requests
            .iter()
            .map(|request| &request.payload)
            .collect::<Vec<_>>(),
    )
    .bind(
        requests
            .iter()
            .map(|request| request.cause.id)
            .collect::<Vec<_>>(),
    )
    .bind(of(|request| {
        let correlation_id = request.cause.correlation_id.as_ref();
        correlation_id.unwrap_or(&request.key).clone()
    }))
    .bind(
        requests
            .iter()
            .map(|request| request.cause.traceparent())
            .collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Asks for the same once more, for a provider that has forgotten it. How many were asked for.
#[tracing::instrument(name = "db.deliveries.repeat", skip_all)]
pub(super) async fn repeat(
    db: impl PgExecutor<'_>,
    lane: &str,
    keys: &[String],
) -> Result<u64, sqlx::Error> {
    let repeated = sqlx::query(
        "UPDATE deliveries
         SET revision = revision + 1,
             state = 'pending',
             attempts = 0,
             detail = NULL,
             requested_at = now(),
             place = nextval('deliveries_place')
         WHERE lane = $1 AND key = ANY($2) AND state = 'delivered'",
    )
    .bind(lane)
    .bind(keys)
    .execute(db)
    .await?;
    Ok(repeated.rows_affected())
}

/// What the provider of a lane was told, and should still know: key and payload.
#[tracing::instrument(name = "db.deliveries.delivered", skip_all)]
pub(super) async fn delivered(
    db: impl PgExecutor<'_>,
    lane: &str,
) -> Result<Vec<(String, Value)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT key, payload FROM deliveries WHERE lane = $1 AND state = 'delivered' ORDER BY key",
    )
    .bind(lane)
    .fetch_all(db)
    .await
}

/// Whether the lane is now this connection's, for as long as it lives.
pub(super) async fn own(connection: &mut PgConnection, lane: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('deliveries'), hashtext($1))")
        .bind(lane)
        .fetch_one(connection)
        .await
}

/// The next requests of a lane, in order.
pub(super) async fn next(
    connection: &mut PgConnection,
    lane: &str,
    limit: i64,
) -> Result<Vec<Delivery>, sqlx::Error> {
    type Row = (String, i32, Value, i32, String, Uuid, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT key, revision, payload, attempts, correlation_id, causation_id, traceparent
         FROM deliveries
         WHERE lane = $1 AND state = 'pending'
         ORDER BY place
         LIMIT $2",
    )
    .bind(lane)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(
            |(key, revision, payload, attempts, correlation_id, causation_id, traceparent)| {
                Delivery {
                    lane: lane.to_owned(),
                    key,
                    revision,
                    payload,
                    attempts,
                    correlation_id,
                    causation_id,
                    traceparent,
                }
            },
        )
        .collect())
}

/// A request that was replaced while its provider was asked stays as it is: it has to be told yet.
pub(super) async fn settle(
    connection: &mut PgConnection,
    lane: &str,
    settled: &[Settled],
) -> Result<(), sqlx::Error> {
    let states: Vec<&str> = settled.iter().map(|settled| settled.state).collect();
    sqlx::query(
        "UPDATE deliveries AS d
         SET state = s.state, detail = s.detail, attempts = d.attempts + 1, settled_at = now()
         FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[])
             AS s (key, revision, state, detail)
         WHERE d.lane = $1 AND d.key = s.key AND d.revision = s.revision AND d.state = 'pending'",
    )
    .bind(lane)
    .bind(
        settled
            .iter()
            .map(|settled| &settled.key)
            .collect::<Vec<_>>(),
    )
    .bind(
        settled
            .iter()
            .map(|settled| settled.revision)
            .collect::<Vec<_>>(),
    )
    .bind(states)
    .bind(
        settled
            .iter()
            .map(|settled| settled.detail.as_deref())
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn pending(
    connection: &mut PgConnection,
    lane: &str,
) -> Result<Pending, sqlx::Error> {
    let (count, oldest, now): (i64, Option<DateTime<Utc>>, DateTime<Utc>) = sqlx::query_as(
        "SELECT count(*), min(requested_at), now()
         FROM deliveries
         WHERE lane = $1 AND state = 'pending'",
    )
    .bind(lane)
    .fetch_one(connection)
    .await?;
    let oldest_s = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
    Ok(Pending { count, oldest_s })
}
