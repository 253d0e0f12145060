//! What the bureau and reviewers decide on.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::rows::case;
use crate::domain::review::{Case, Label};

/// Locks the judgements whose bureau answer is due; another instance takes others. Without a span,
/// since asking every half second would fill the traces with nothing.
pub(crate) async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let sql = "
        SELECT transaction_id
          FROM decisions
         WHERE verdict = 'pending' AND due_at <= $1
         ORDER BY due_at
         LIMIT $2
           FOR UPDATE SKIP LOCKED";
    sqlx::query_scalar(sql)
        .bind(now)
        .bind(limit)
        .fetch_all(tx)
        .await
}

#[tracing::instrument(name = "db.decisions.lock", skip_all)]
pub(crate) async fn lock_judgement(
    tx: &mut PgConnection,
    transaction_id: Uuid,
) -> Result<(), sqlx::Error> {
    let sql = "SELECT transaction_id FROM decisions WHERE transaction_id = $1 FOR UPDATE";
    sqlx::query(sql)
        .bind(transaction_id)
        .fetch_optional(tx)
        .await?;
    Ok(())
}

#[tracing::instrument(name = "db.cases.load", skip_all)]
pub(crate) async fn load_cases(
    db: impl PgExecutor<'_>,
    transactions: &[Uuid],
) -> Result<Vec<Case>, sqlx::Error> {
    let sql = "SELECT * FROM cases WHERE transaction_id = ANY($1) ORDER BY transaction_id";
    let rows = sqlx::query(sql).bind(transactions).fetch_all(db).await?;
    rows.iter().map(case).collect()
}

#[tracing::instrument(name = "db.cases.find", skip_all)]
pub(crate) async fn find_case_of_order(
    db: impl PgExecutor<'_>,
    order_id: Uuid,
) -> Result<Option<Case>, sqlx::Error> {
    let sql = "SELECT * FROM cases WHERE order_id = $1";
    let row = sqlx::query(sql).bind(order_id).fetch_optional(db).await?;
    row.as_ref().map(case).transpose()
}

/// The review queue, oldest first, from behind the cursor.
#[tracing::instrument(name = "db.cases.list", skip_all)]
pub(crate) async fn list_held(
    db: impl PgExecutor<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Case>, sqlx::Error> {
    let sql = "
        SELECT *
          FROM cases
         WHERE verdict = 'held' AND transaction_id > $1
         ORDER BY transaction_id
         LIMIT $2";
    let after = after.unwrap_or(Uuid::nil());
    let rows = sqlx::query(sql)
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(case).collect()
}

#[tracing::instrument(name = "db.labels.save", skip_all)]
pub(crate) async fn save_label(
    tx: &mut PgConnection,
    transaction_id: Uuid,
    label: &Label,
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO labels (transaction_id, label, reviewer, note, at)
        VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(transaction_id)
        .bind(label.ruling.name())
        .bind(&label.reviewer)
        .bind(&label.note)
        .bind(label.at)
        .execute(tx)
        .await?;
    Ok(())
}
