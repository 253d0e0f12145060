//! Every SQL statement of notification: here from writing a mail down to booking its end.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::domain::{Content, Notification, State};

mod contacts;
mod requests;

pub(crate) use contacts::{Contacts, load_contacts, save_contact};
pub(crate) use requests::{list_all, list_of_customer, lock_one, save_resend};

/// A mail on its way into the database.
#[derive(sqlx::Encode)]
struct NewRow<'a> {
    id: Uuid,
    subject_id: &'a str,
    kind: &'a str,
    customer_id: Option<&'a str>,
    recipient: &'a str,
    recipient_name: Option<&'a str>,
    content: Json<&'a Content>,
    urgent: bool,
    state: &'a str,
    next_attempt_at: Option<DateTime<Utc>>,
    message_id: &'a str,
    causation_id: Uuid,
    correlation_id: &'a str,
    traceparent: Option<&'a str>,
    created_at: DateTime<Utc>,
}

shared::row_type!(NewRow<'_>, "notification_row");

impl<'a> NewRow<'a> {
    fn of(notification: &'a Notification) -> Self {
        Self {
            id: notification.id,
            subject_id: &notification.subject_id,
            kind: &notification.kind,
            customer_id: notification.customer_id.as_deref(),
            recipient: &notification.recipient,
            recipient_name: notification.recipient_name.as_deref(),
            content: Json(&notification.content),
            urgent: notification.content.is_urgent(),
            state: notification.state.name(),
            next_attempt_at: notification.state.next_attempt_at(),
            message_id: &notification.message_id,
            causation_id: notification.causation_id,
            correlation_id: &notification.correlation_id,
            traceparent: notification.traceparent.as_deref(),
            created_at: notification.created_at,
        }
    }
}

/// What was asked for already stays as it is.
#[tracing::instrument(name = "db.notifications.insert", skip_all)]
pub(crate) async fn save_new(
    tx: &mut PgConnection,
    notifications: &[Notification],
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO notifications (id, subject_id, kind, customer_id, recipient, recipient_name,
                                   content, urgent, state, next_attempt_at, message_id,
                                   causation_id, correlation_id, traceparent, created_at)
        SELECT id, subject_id, kind, customer_id, recipient, recipient_name, content, urgent, state,
               next_attempt_at, message_id, causation_id, correlation_id, traceparent, created_at
          FROM unnest($1::notification_row[])
            ON CONFLICT ON CONSTRAINT notifications_subject_kind_unique DO NOTHING";
    let rows: Vec<_> = notifications.iter().map(NewRow::of).collect();
    sqlx::query(sql).bind(rows).execute(tx).await?;
    Ok(())
}

/// Takes due mails for the time of a lease; another instance takes others. Without a span, since
/// asking four times a second would fill the traces with nothing.
pub(crate) async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Notification>, sqlx::Error> {
    let sql = "
        UPDATE notifications
           SET next_attempt_at = $2, attempts = attempts + 1
         WHERE id IN (
               SELECT id
                 FROM notifications
                WHERE state = 'pending' AND next_attempt_at <= $1
                ORDER BY urgent DESC, next_attempt_at
                LIMIT $3
                  FOR UPDATE SKIP LOCKED)
        RETURNING *";
    let limit = i64::try_from(limit).expect("a claim is a few dozen mails");
    let rows = sqlx::query(sql)
        .bind(now)
        .bind(leased_until)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter().map(notification).collect()
}

/// Those of these mails that are still held by the try in hand, locked in id order.
///
/// The statement does not ask whether they are pending: Postgres would go through all that are,
/// instead of looking up these few.
#[tracing::instrument(name = "db.notifications.lock", skip_all)]
pub(crate) async fn lock_held<'n>(
    tx: &mut PgConnection,
    held: impl Iterator<Item = &'n Notification>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let sql = "
        SELECT id, attempts, state = 'pending'
          FROM notifications
         WHERE id = ANY($1)
         ORDER BY id
           FOR UPDATE";
    let held: HashMap<Uuid, i32> = held.map(|n| (n.id, n.attempts)).collect();
    let ids: Vec<Uuid> = held.keys().copied().collect();
    let now: Vec<(Uuid, i32, bool)> = sqlx::query_as(sql).bind(ids).fetch_all(tx).await?;
    let still = now
        .into_iter()
        .filter(|(id, attempts, pending)| *pending && held.get(id) == Some(attempts));
    Ok(still.map(|(id, ..)| id).collect())
}

#[tracing::instrument(name = "db.notifications.save", skip_all)]
pub(crate) async fn save_settled<'n>(
    tx: &mut PgConnection,
    settled: impl Iterator<Item = &'n Notification>,
) -> Result<(), sqlx::Error> {
    let sql = "
        UPDATE notifications n
           SET state = s.state,
               attempts = s.attempts,
               next_attempt_at = s.next_attempt_at,
               sent_at = s.sent_at,
               last_error = s.last_error
          FROM UNNEST($1::uuid[], $2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[],
                      $6::text[])
               AS s (id, state, attempts, next_attempt_at, sent_at, last_error)
         WHERE n.id = s.id";
    let settled: Vec<_> = settled.collect();
    sqlx::query(sql)
        .bind(settled.iter().map(|n| n.id).collect::<Vec<_>>())
        .bind(settled.iter().map(|n| n.state.name()).collect::<Vec<_>>())
        .bind(settled.iter().map(|n| n.attempts).collect::<Vec<_>>())
        .bind(
            settled
                .iter()
                .map(|n| n.state.next_attempt_at())
                .collect::<Vec<_>>(),
        )
        .bind(settled.iter().map(|n| n.sent_at).collect::<Vec<_>>())
        .bind(
            settled
                .iter()
                .map(|n| n.last_error.as_deref())
                .collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
    Ok(())
}

/// The versions that this transaction gives out, per subject.
#[derive(Debug, Default)]
pub(crate) struct Versions(HashMap<String, i32>);

impl Versions {
    pub(crate) fn next_of(&mut self, subject_id: &str) -> i32 {
        let last = self
            .0
            .get_mut(subject_id)
            .expect("versions were taken for every subject");
        *last += 1;
        *last
    }
}

/// Takes one version per event, and with the rows' locks keeps others from taking the same ones.
#[tracing::instrument(name = "db.notification_subjects.advance", skip_all)]
pub(crate) async fn advance_versions<'n>(
    tx: &mut PgConnection,
    subjects: impl Iterator<Item = &'n str>,
) -> Result<Versions, sqlx::Error> {
    let sql = "
        INSERT INTO notification_subjects AS s (subject_id, version)
        SELECT subject_id, taken
          FROM UNNEST($1::text[], $2::int[]) AS t (subject_id, taken)
         ORDER BY subject_id
            ON CONFLICT (subject_id) DO UPDATE SET version = s.version + EXCLUDED.version
        RETURNING subject_id, version";
    let mut taken = BTreeMap::<&str, i32>::new();
    for subject_id in subjects {
        *taken.entry(subject_id).or_default() += 1;
    }
    if taken.is_empty() {
        return Ok(Versions::default());
    }
    let ids: Vec<_> = taken.keys().copied().collect();
    let counts: Vec<_> = taken.values().copied().collect();
    let rows: Vec<(String, i32)> = sqlx::query_as(sql)
        .bind(ids)
        .bind(counts)
        .fetch_all(tx)
        .await?;
    let before = rows.into_iter().map(|(subject_id, version)| {
        let taken = taken.get(subject_id.as_str()).copied().unwrap_or_default();
        (subject_id, version - taken)
    });
    Ok(Versions(before.collect()))
}

fn notification(row: &PgRow) -> Result<Notification, sqlx::Error> {
    let next_attempt_at: Option<DateTime<Utc>> = row.try_get("next_attempt_at")?;
    let state = match (row.try_get("state")?, next_attempt_at) {
        ("pending", Some(next_attempt_at)) => State::Pending { next_attempt_at },
        ("sent", None) => State::Sent,
        ("failed", None) => State::Failed,
        // The CHECK constraints let nothing else in; a database that was edited by hand might.
        (other, _) => return Err(sqlx::Error::Decode(format!("state holds {other:?}").into())),
    };
    let Json(content) = row.try_get("content")?;
    Ok(Notification {
        id: row.try_get("id")?,
        subject_id: row.try_get("subject_id")?,
        kind: row.try_get("kind")?,
        customer_id: row.try_get("customer_id")?,
        recipient: row.try_get("recipient")?,
        recipient_name: row.try_get("recipient_name")?,
        content,
        state,
        attempts: row.try_get("attempts")?,
        resends: row.try_get("resends")?,
        message_id: row.try_get("message_id")?,
        causation_id: row.try_get("causation_id")?,
        correlation_id: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
        created_at: row.try_get("created_at")?,
        sent_at: row.try_get("sent_at")?,
        last_error: row.try_get("last_error")?,
    })
}
