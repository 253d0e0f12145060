//! What people ask for: lists, and sending again.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::notification;
use crate::domain::Notification;

#[tracing::instrument(name = "db.notifications.lock", skip_all)]
pub(crate) async fn lock_one(
    tx: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Notification>, sqlx::Error> {
    let sql = "SELECT * FROM notifications WHERE id = $1 FOR UPDATE";
    let row = sqlx::query(sql).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(notification).transpose()
}

#[tracing::instrument(name = "db.notifications.save", skip_all)]
pub(crate) async fn save_resend(
    tx: &mut PgConnection,
    notification: &Notification,
) -> Result<(), sqlx::Error> {
    let sql = "
        UPDATE notifications
           SET state = $2,
               next_attempt_at = $3,
               recipient = $4,
               recipient_name = $5,
               resends = $6,
               causation_id = $7,
               traceparent = $8
         WHERE id = $1";
    sqlx::query(sql)
        .bind(notification.id)
        .bind(notification.state.name())
        .bind(notification.state.next_attempt_at())
        .bind(&notification.recipient)
        .bind(notification.recipient_name.as_deref())
        .bind(notification.resends)
        .bind(notification.causation_id)
        .bind(notification.traceparent.as_deref())
        .execute(tx)
        .await?;
    Ok(())
}

/// Everybody's, newest first, from behind the cursor.
#[tracing::instrument(name = "db.notifications.list", skip_all)]
pub(crate) async fn list_all(
    db: impl PgExecutor<'_>,
    subject_id: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let sql = "
        SELECT *
          FROM notifications
         WHERE ($1::text IS NULL OR subject_id = $1) AND id < $2
         ORDER BY id DESC
         LIMIT $3";
    let before = before.unwrap_or(Uuid::max());
    let rows = sqlx::query(sql)
        .bind(subject_id)
        .bind(before)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(notification).collect()
}

/// A customer's own, newest first, from behind the cursor.
#[tracing::instrument(name = "db.notifications.list", skip_all)]
pub(crate) async fn list_of_customer(
    db: impl PgExecutor<'_>,
    customer_id: &str,
    subject_id: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Notification>, sqlx::Error> {
    let sql = "
        SELECT *
          FROM notifications
         WHERE customer_id = $1 AND ($2::text IS NULL OR subject_id = $2) AND id < $3
         ORDER BY id DESC
         LIMIT $4";
    let rows = sqlx::query(sql)
        .bind(customer_id)
        .bind(subject_id)
        .bind(before.unwrap_or(Uuid::max()))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(notification).collect()
}
