//! Every statement on the outbox.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::{PgConnection, PgExecutor, PgPool, Row};
use uuid::Uuid;

use super::snapshot::Snapshot;

#[derive(sqlx::Encode)]
pub(super) struct NewRow {
    pub(super) event_id: Uuid,
    pub(super) causation_id: Uuid,
    pub(super) version: Option<i32>,
    pub(super) shard: i16,
    pub(super) event_type: Cow<'static, str>,
    pub(super) topic: Cow<'static, str>,
    pub(super) key: Option<String>,
    pub(super) headers: Vec<u8>,
    pub(super) payload: Option<Vec<u8>>,
}

crate::row_type!(NewRow, "outbox_row");

/// The ordinal keeps the order of the fold: ids of one key must rise with its versions.
pub(super) async fn insert(tx: &mut PgConnection, rows: Vec<NewRow>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox
             (event_id, causation_id, version, shard, type, topic, key, headers, payload)
         SELECT event_id, causation_id, version, shard, type, topic, key, headers, payload
         FROM unnest($1::outbox_row[])
              WITH ORDINALITY
              AS row(event_id, causation_id, version, shard, type, topic, key, headers, payload,
                     ordinal)
         ORDER BY ordinal",
    )
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) struct OutboxRow {
    pub(super) created_at: DateTime<Utc>,
    pub(super) event_id: Uuid,
    pub(super) causation_id: Uuid,
    pub(super) version: Option<i32>,
    pub(super) event_type: String,
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) headers: Vec<u8>,
    pub(super) payload: Option<Vec<u8>>,
}

/// What became visible since `seen`, in id order, each row with the snapshot of this very
/// statement; at least one item, so that an idle outbox moves its watermark too.
pub(super) fn newly_visible<'c>(
    connection: &'c mut PgConnection,
    shards: &[i16],
    seen: &Snapshot,
) -> BoxStream<'c, Result<(String, Option<OutboxRow>), sqlx::Error>> {
    sqlx::query(
        "SELECT seen.snapshot, row.*
         FROM (SELECT pg_current_snapshot()::text AS snapshot) AS seen
         LEFT JOIN (SELECT id, created_at, event_id, causation_id, version, type, topic, key,
                           headers, payload
                    FROM outbox
                    WHERE shard = ANY($1)
                      AND (tx_id >= $2::text::xid8 OR tx_id = ANY($3::text[]::xid8[]))
                   ) AS row ON true
         ORDER BY row.id",
    )
    .bind(shards.to_vec())
    .bind(seen.xmax.to_string())
    .bind(
        seen.in_flight
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>(),
    )
    .fetch(connection)
    .and_then(|row| async move {
        let snapshot = row.try_get("snapshot")?;
        if row.try_get::<Option<i64>, _>("id")?.is_none() {
            return Ok((snapshot, None));
        }
        let row = OutboxRow {
            created_at: row.try_get("created_at")?,
            event_id: row.try_get("event_id")?,
            causation_id: row.try_get("causation_id")?,
            version: row.try_get("version")?,
            event_type: row.try_get("type")?,
            topic: row.try_get("topic")?,
            key: row.try_get("key")?,
            headers: row.try_get("headers")?,
            payload: row.try_get("payload")?,
        };
        Ok((snapshot, Some(row)))
    })
    .boxed()
}

/// The lowest watermark of the shards.
pub(super) async fn watermark(
    connection: &mut PgConnection,
    shards: &[i16],
) -> Result<u64, sqlx::Error> {
    let watermark: Option<String> =
        sqlx::query_scalar("SELECT min(tx_id)::text FROM outbox_watermark WHERE shard = ANY($1)")
            .bind(shards.to_vec())
            .fetch_one(connection)
            .await?;
    Ok(watermark.and_then(|tx_id| tx_id.parse().ok()).unwrap_or(0))
}

pub(super) async fn move_watermark(
    connection: &mut PgConnection,
    shards: &[i16],
    tx_id: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox_watermark SET tx_id = $2::text::xid8
         WHERE shard = ANY($1) AND tx_id < $2::text::xid8",
    )
    .bind(shards.to_vec())
    .bind(tx_id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lowers the watermarks of these shards to where an operator wants publishing to begin again.
/// True if one does.
pub(super) async fn take_republish(
    connection: &mut PgConnection,
    shards: &[i16],
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "UPDATE outbox_watermark
         SET tx_id = least(tx_id, republish_from), republish_from = NULL
         WHERE shard = ANY($1) AND republish_from IS NOT NULL",
    )
    .bind(shards.to_vec())
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() > 0)
}

pub(super) async fn wants_republish(
    connection: &mut PgConnection,
    shards: &[i16],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM outbox_watermark
                        WHERE shard = ANY($1) AND republish_from IS NOT NULL)",
    )
    .bind(shards.to_vec())
    .fetch_one(connection)
    .await
}

/// Two arguments make a lock space of their own.
pub(super) async fn try_lock(
    connection: &mut PgConnection,
    shard: i16,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('outbox'), $1)")
        .bind(i32::from(shard))
        .fetch_one(connection)
        .await
}

pub(super) async fn unlock(connection: &mut PgConnection, shard: i16) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock(hashtext('outbox'), $1)")
        .bind(i32::from(shard))
        .execute(connection)
        .await?;
    Ok(())
}

/// How many relays are connected to this database, this one included.
pub(super) async fn relays(
    connection: &mut PgConnection,
    application_name: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1",
    )
    .bind(application_name)
    .fetch_one(connection)
    .await
}

/// Makes the days ahead and drops those behind.
pub async fn maintain_partitions(
    executor: impl PgExecutor<'_>,
    days_ahead: i32,
    outbox_days: i32,
    inbox_days: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT maintain_partitions($1, $2, $3)")
        .bind(days_ahead)
        .bind(outbox_days)
        .bind(inbox_days)
        .execute(executor)
        .await?;
    Ok(())
}

/// How much waits above the watermark, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    pub rows: i64,
    pub oldest: Option<DateTime<Utc>>,
}

pub async fn pending(pool: &PgPool) -> Result<Pending, sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) AS rows, min(created_at) AS oldest
         FROM outbox
         JOIN outbox_watermark AS watermark USING (shard)
         WHERE outbox.tx_id >= watermark.tx_id
           AND outbox.tx_id >= (SELECT min(tx_id) FROM outbox_watermark)",
    )
    .fetch_one(pool)
    .await?;
    Ok(Pending {
        rows: row.try_get("rows")?,
        oldest: row.try_get("oldest")?,
    })
}
