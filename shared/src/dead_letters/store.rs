//! Every statement on dead letters.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{Letter, Operator, State};
use crate::kafka::headers::Packed;

/// A record on its way into the table.
pub(crate) struct NewLetter {
    pub(crate) event_id: Uuid,
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) event_type: String,
    pub(crate) state: State,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) headers: Packed,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) published_at: DateTime<Utc>,
}

/// Letters are few, so one statement each.
pub(crate) async fn insert(
    tx: &mut PgConnection,
    letters: Vec<NewLetter>,
) -> Result<(), sqlx::Error> {
    for letter in letters {
        sqlx::query(
            "INSERT INTO dead_letters
                 (event_id, topic, partition, \"offset\", key, type, state, code, detail, headers,
                  value, published_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (event_id) DO NOTHING",
        )
        .bind(letter.event_id)
        .bind(letter.topic)
        .bind(letter.partition)
        .bind(letter.offset)
        .bind(letter.key)
        .bind(printable(&letter.event_type))
        .bind(letter.state.number())
        .bind(letter.code)
        .bind(printable(&letter.detail))
        .bind(letter.headers.into_bytes())
        .bind(letter.value)
        .bind(letter.published_at)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Postgres has no text with a zero character.
pub(crate) fn printable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Which of these topics and keys later events wait for.
pub(crate) async fn holding(
    tx: &mut PgConnection,
    topics: Vec<&'static str>,
    keys: Vec<Vec<u8>>,
) -> Result<HashSet<(String, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT topic, key
         FROM dead_letters
         JOIN unnest($1::text[], $2::bytea[]) AS asked(topic, key) USING (topic, key)
         WHERE state < 2",
    )
    .bind(topics)
    .bind(keys)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("topic")?, row.try_get("key")?)))
        .collect()
}

/// Whoever holds this, no batch of the partition can commit.
pub(crate) async fn lock_partition(
    tx: &mut PgConnection,
    topic: &str,
    partition: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM consumer_offsets WHERE topic = $1 AND partition = $2 FOR UPDATE")
        .bind(topic)
        .bind(partition)
        .execute(tx)
        .await?;
    Ok(())
}

macro_rules! select_letters {
    () => {
        "SELECT id, event_id, topic, partition, \"offset\", key, type, state, code, detail,
                headers, value, edited_value, published_at, failed_at, attempts, settled_at
         FROM dead_letters "
    };
}

/// What is unsettled of a topic and key, in the order in which it came.
pub(crate) async fn unsettled(
    tx: &mut PgConnection,
    topic: &str,
    key: &[u8],
) -> Result<Vec<Letter>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        select_letters!(),
        "WHERE topic = $1 AND key = $2 AND state < 2 ORDER BY id"
    ))
    .bind(topic)
    .bind(key)
    .fetch_all(tx)
    .await?;
    rows.iter().map(letter).collect()
}

pub(crate) async fn find(
    executor: impl PgExecutor<'_>,
    event_id: Uuid,
) -> Result<Option<Letter>, sqlx::Error> {
    let row = sqlx::query(concat!(select_letters!(), "WHERE event_id = $1"))
        .bind(event_id)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(letter).transpose()
}

/// Which letters are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) state: Option<State>,
    pub(crate) code: Option<String>,
    pub(crate) topic: Option<String>,
}

/// The oldest first.
pub(crate) async fn list(
    executor: impl PgExecutor<'_>,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Letter>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        select_letters!(),
        "WHERE ($1::uuid IS NULL OR event_id = $1) AND ($2::smallint IS NULL OR state = $2)
           AND ($3::text IS NULL OR code = $3) AND ($4::text IS NULL OR topic = $4)
         ORDER BY id LIMIT $5"
    ))
    .bind(filter.event_id)
    .bind(filter.state.map(State::number))
    .bind(&filter.code)
    .bind(&filter.topic)
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.iter().map(letter).collect()
}

/// How many there are of one kind, and since when.
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) code: String,
    pub(crate) topic: String,
    pub(crate) event_type: String,
    pub(crate) letters: i64,
    pub(crate) oldest: DateTime<Utc>,
    pub(crate) latest: DateTime<Utc>,
}

pub(crate) async fn groups(
    executor: impl PgExecutor<'_>,
    filter: &Filter,
) -> Result<Vec<Group>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT state, code, topic, type, count(*) AS letters, min(failed_at) AS oldest,
                max(failed_at) AS latest
         FROM dead_letters
         WHERE ($1::uuid IS NULL OR event_id = $1) AND ($2::smallint IS NULL OR state = $2)
           AND ($3::text IS NULL OR code = $3) AND ($4::text IS NULL OR topic = $4)
         GROUP BY state, code, topic, type
         ORDER BY state, count(*) DESC, code, topic, type",
    )
    .bind(filter.event_id)
    .bind(filter.state.map(State::number))
    .bind(&filter.code)
    .bind(&filter.topic)
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Group {
                state: state(row)?,
                code: row.try_get("code")?,
                topic: row.try_get("topic")?,
                event_type: row.try_get("type")?,
                letters: row.try_get("letters")?,
                oldest: row.try_get("oldest")?,
                latest: row.try_get("latest")?,
            })
        })
        .collect()
}

/// Settles them; the ids of the events whose letters nobody had settled before.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    ids: &[i64],
    state: State,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH settled AS (
             UPDATE dead_letters SET state = $2, settled_at = now()
             WHERE id = ANY($1) AND state < 2
             RETURNING event_id),
         outcome AS (
             UPDATE processed_events SET outcome = 0
             WHERE event_id IN (SELECT event_id FROM settled) AND $2 = 2)
         SELECT event_id FROM settled",
    )
    .bind(ids)
    .bind(state.number())
    .fetch_all(tx)
    .await
}

/// It is not settled after all: it failed again, or something before it did.
pub(crate) async fn reopen(
    tx: &mut PgConnection,
    event_id: Uuid,
    state: State,
    code: &str,
    detail: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH outcome AS (
             UPDATE processed_events SET outcome = $2 + 1 WHERE event_id = $1)
         UPDATE dead_letters
         SET state = $2, settled_at = NULL, code = $3, detail = $4,
             attempts = attempts + CASE WHEN $2 = 0 THEN 1 ELSE 0 END
         WHERE event_id = $1",
    )
    .bind(event_id)
    .bind(state.number())
    .bind(code)
    .bind(printable(detail))
    .execute(tx)
    .await?;
    Ok(())
}

/// What it is replayed with. Its own value stays as it came.
pub(crate) async fn edit(
    tx: &mut PgConnection,
    event_id: Uuid,
    value: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE dead_letters SET edited_value = $2 WHERE event_id = $1")
        .bind(event_id)
        .bind(value)
        .execute(tx)
        .await?;
    Ok(())
}

/// Writes down who did what, and why, in the transaction that does it.
pub(crate) async fn audit(
    tx: &mut PgConnection,
    operator: &Operator<'_>,
    entry: &AuditEntry<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_log (actor, reason, action, target, result)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(printable(operator.actor))
    .bind(printable(operator.reason))
    .bind(entry.action)
    .bind(entry.target)
    .bind(entry.result)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) struct AuditEntry<'a> {
    pub(crate) action: &'static str,
    pub(crate) target: &'a str,
    pub(crate) result: &'a str,
}

/// How many are open, and how many are parked.
pub(crate) async fn waiting(executor: impl PgExecutor<'_>) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1)
         FROM dead_letters WHERE state < 2",
    )
    .fetch_one(executor)
    .await
}

/// Forgets what was settled long ago.
pub(crate) async fn forget(
    executor: impl PgExecutor<'_>,
    settled_days: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM dead_letters WHERE settled_at < now() - make_interval(days => $1)")
        .bind(settled_days)
        .execute(executor)
        .await?;
    Ok(())
}

fn state(row: &PgRow) -> Result<State, sqlx::Error> {
    let number = row.try_get("state")?;
    State::of_number(number)
        .ok_or_else(|| sqlx::Error::Decode(format!("dead_letters.state is {number}").into()))
}

fn letter(row: &PgRow) -> Result<Letter, sqlx::Error> {
    Ok(Letter {
        id: row.try_get("id")?,
        event_id: row.try_get("event_id")?,
        topic: row.try_get("topic")?,
        partition: row.try_get("partition")?,
        offset: row.try_get("offset")?,
        key: row.try_get("key")?,
        event_type: row.try_get("type")?,
        state: state(row)?,
        code: row.try_get("code")?,
        detail: row.try_get("detail")?,
        headers: Packed::from_bytes(row.try_get("headers")?),
        value: row.try_get("value")?,
        edited_value: row.try_get("edited_value")?,
        published_at: row.try_get("published_at")?,
        failed_at: row.try_get("failed_at")?,
        attempts: row.try_get("attempts")?,
        settled_at: row.try_get("settled_at")?,
    })
}
