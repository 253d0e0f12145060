//! Fence and inbox.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row};
use uuid::Uuid;

/// A partition's progress in one batch.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    pub(crate) next_offset: i64,
}

/// What the partition's row said when we took it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) epoch: i64,
    /// `None` for a partition this service has never read.
    pub(crate) next_offset: Option<i64>,
    /// What the owner before us attempted and did not commit.
    pub(crate) suspects: Option<Suspects>,
}

/// Records one of which may have ended the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspects {
    /// All are below this offset.
    pub(crate) to: i64,
    /// How often the last of them was attempted by itself.
    pub(crate) attempts: i16,
}

/// Takes a partition over: from here on its former owner cannot commit. Writes the crash marker for
/// the records below `to`, unless one is there already.
pub(crate) async fn take_over(
    connection: &mut PgConnection,
    topic: &str,
    partition: i32,
    to: i64,
) -> Result<Fence, sqlx::Error> {
    let mut tx = connection.begin().await?;
    let suspects = sqlx::query(
        "SELECT attempted_to, attempts FROM consumer_offsets
         WHERE topic = $1 AND partition = $2 AND attempted_to IS NOT NULL
         FOR UPDATE",
    )
    .bind(topic)
    .bind(partition)
    .fetch_optional(&mut *tx)
    .await?;
    let row = sqlx::query(
        "INSERT INTO consumer_offsets AS fence (topic, partition, epoch, next_offset, attempted_to)
         VALUES ($1, $2, 1, -1, $3)
         ON CONFLICT (topic, partition) DO UPDATE
         SET epoch = fence.epoch + 1, attempted_to = coalesce(fence.attempted_to, $3)
         RETURNING epoch, next_offset",
    )
    .bind(topic)
    .bind(partition)
    .bind(to)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    let next_offset: i64 = row.try_get("next_offset")?;
    let suspects = suspects
        .map(|row| {
            Ok::<_, sqlx::Error>(Suspects {
                to: row.try_get("attempted_to")?,
                attempts: row.try_get("attempts")?,
            })
        })
        .transpose()?;
    Ok(Fence {
        epoch: row.try_get("epoch")?,
        next_offset: (next_offset >= 0).then_some(next_offset),
        suspects,
    })
}

/// A crash marker, or that there is none.
pub(crate) struct Mark {
    pub(crate) partition: (&'static str, i32),
    pub(crate) epoch: i64,
    pub(crate) suspects: Option<Suspects>,
}

/// Sets the crash markers of partitions that are still ours. False when one is not.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    marks: &[Mark],
) -> Result<bool, sqlx::Error> {
    let topics: Vec<_> = marks.iter().map(|mark| mark.partition.0).collect();
    let partitions: Vec<_> = marks.iter().map(|mark| mark.partition.1).collect();
    let epochs: Vec<_> = marks.iter().map(|mark| mark.epoch).collect();
    let to = marks
        .iter()
        .map(|mark| mark.suspects.map(|suspects| suspects.to));
    let attempts = marks
        .iter()
        .map(|mark| mark.suspects.map_or(0, |suspects| suspects.attempts));
    let marked = sqlx::query(
        "UPDATE consumer_offsets AS fence SET attempted_to = mark.until, attempts = mark.attempts
         FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::smallint[])
              AS mark(topic, partition, epoch, until, attempts)
         WHERE fence.topic = mark.topic
           AND fence.partition = mark.partition
           AND fence.epoch = mark.epoch",
    )
    .bind(topics)
    .bind(partitions)
    .bind(epochs)
    .bind(to.collect::<Vec<_>>())
    .bind(attempts.collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(usize::try_from(marked.rows_affected()) == Ok(marks.len()))
}

pub(crate) struct Admitted {
    pub(crate) now: DateTime<Utc>,
    /// How many fence rows were still ours.
    pub(crate) fenced: i64,
    pub(crate) first_seen: Vec<Uuid>,
    /// Whether any dead letter holds back what comes after it.
    pub(crate) holding: bool,
}

impl Admitted {
    /// Dead letters that were settled in this transaction, with nothing unsettled before them.
    pub(crate) fn released(now: DateTime<Utc>, unsettled: &HashSet<Uuid>) -> Self {
        Self {
            now,
            fenced: 0,
            first_seen: unsettled.iter().copied().collect(),
            holding: false,
        }
    }
}

macro_rules! is_holding {
    () => {
        "EXISTS (SELECT FROM dead_letters WHERE state < 2 AND key IS NOT NULL) AS holding"
    };
}

/// Sets the rows that are still ours, as `fence`.
macro_rules! set_fence {
    () => {
        "fence AS (
             UPDATE consumer_offsets AS fence
             SET next_offset = greatest(fence.next_offset, progress.next_offset),
                 attempted_to = NULL, attempts = 0
             FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
                  AS progress(topic, partition, epoch, next_offset)
             WHERE fence.topic = progress.topic
               AND fence.partition = progress.partition
               AND fence.epoch = progress.epoch
             RETURNING 1)"
    };
}

/// Fence and inbox in one round trip. Insert first, never select first: a second owner waits on the
/// key and then sees the conflict.
pub(crate) async fn admit(
    tx: &mut PgConnection,
    progress: &[Progress],
    event_ids: &[Uuid],
) -> Result<Admitted, sqlx::Error> {
    let statement = concat!(
        "WITH ",
        set_fence!(),
        ", first_seen AS (
             INSERT INTO processed_events (event_id)
             SELECT unnest($5::uuid[])
             ON CONFLICT DO NOTHING
             RETURNING event_id)
         SELECT now() AS now,
                (SELECT count(*) FROM fence) AS fenced,
                ARRAY(SELECT event_id FROM first_seen) AS first_seen, ",
        is_holding!()
    );
    let row = set_and_insert(tx, statement, progress, event_ids).await?;
    Ok(Admitted {
        now: row.try_get("now")?,
        fenced: row.try_get("fenced")?,
        first_seen: row.try_get("first_seen")?,
        holding: row.try_get("holding")?,
    })
}

/// The same for events that are most likely new, at a third of the cost. One that is not new fails
/// the transaction: see [`is_known`] and [`begin_again`].
pub(crate) async fn admit_new(
    tx: &mut PgConnection,
    progress: &[Progress],
    event_ids: &[Uuid],
) -> Result<Admitted, sqlx::Error> {
    let statement = concat!(
        "WITH ",
        set_fence!(),
        ", first_seen AS (
             INSERT INTO processed_events (event_id)
             SELECT unnest($5::uuid[]))
         SELECT now() AS now, (SELECT count(*) FROM fence) AS fenced, ",
        is_holding!()
    );
    let row = set_and_insert(tx, statement, progress, event_ids).await?;
    Ok(Admitted {
        now: row.try_get("now")?,
        fenced: row.try_get("fenced")?,
        first_seen: event_ids.to_vec(),
        holding: row.try_get("holding")?,
    })
}

/// Which of these have been processed, or put aside.
pub(crate) async fn known(
    connection: &mut PgConnection,
    event_ids: Vec<Uuid>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT event_id FROM processed_events WHERE event_id = ANY($1)")
        .bind(event_ids)
        .fetch_all(connection)
        .await
}

/// Whether `admit_new` met an event that was processed before.
pub(crate) fn is_known(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

/// Ends a transaction that has failed, and begins another at once.
pub(crate) async fn begin_again(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("ROLLBACK AND CHAIN").execute(tx).await?;
    Ok(())
}

async fn set_and_insert(
    tx: &mut PgConnection,
    statement: &'static str,
    progress: &[Progress],
    event_ids: &[Uuid],
) -> Result<PgRow, sqlx::Error> {
    sqlx::query(statement)
        .bind(
            progress
                .iter()
                .map(|progress| progress.topic)
                .collect::<Vec<_>>(),
        )
        .bind(
            progress
                .iter()
                .map(|progress| progress.partition)
                .collect::<Vec<_>>(),
        )
        .bind(
            progress
                .iter()
                .map(|progress| progress.epoch)
                .collect::<Vec<_>>(),
        )
        .bind(
            progress
                .iter()
                .map(|progress| progress.next_offset)
                .collect::<Vec<_>>(),
        )
        .bind(event_ids)
        .fetch_one(tx)
        .await
}

pub(crate) async fn is_ours(
    connection: &mut PgConnection,
    progress: &Progress,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM consumer_offsets
                        WHERE topic = $1 AND partition = $2 AND epoch = $3)",
    )
    .bind(progress.topic)
    .bind(progress.partition)
    .bind(progress.epoch)
    .fetch_one(connection)
    .await
}

/// Events of this batch that were not applied: dead-lettered or parked.
pub(crate) async fn set_outcome(
    tx: &mut PgConnection,
    event_ids: Vec<Uuid>,
    outcome: i16,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE processed_events SET outcome = $2 WHERE event_id = ANY($1)")
        .bind(event_ids)
        .bind(outcome)
        .execute(tx)
        .await?;
    Ok(())
}

/// Admits records that are read once more, out of turn: the fence is locked, and does not move.
pub(crate) async fn admit_again(
    tx: &mut PgConnection,
    event_ids: &[Uuid],
) -> Result<Admitted, sqlx::Error> {
    let row = sqlx::query(concat!(
        "WITH first_seen AS (
             INSERT INTO processed_events (event_id)
             SELECT unnest($1::uuid[])
             ON CONFLICT DO NOTHING
             RETURNING event_id)
         SELECT now() AS now, ARRAY(SELECT event_id FROM first_seen) AS first_seen, ",
        is_holding!()
    ))
    .bind(event_ids)
    .fetch_one(tx)
    .await?;
    Ok(Admitted {
        now: row.try_get("now")?,
        fenced: 0,
        first_seen: row.try_get("first_seen")?,
        holding: row.try_get("holding")?,
    })
}

/// Up to where each partition of a topic has had its effect.
pub(crate) async fn fences(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<HashMap<i32, i64>, sqlx::Error> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(
        "SELECT partition, next_offset FROM consumer_offsets WHERE topic = $1 AND next_offset > 0",
    )
    .bind(topic)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn now(tx: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar("SELECT now()").fetch_one(tx).await
}

/// A statement that fails only when the database does.
pub(crate) async fn probe(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(connection).await?;
    Ok(())
}
