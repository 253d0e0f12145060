//! Every SQL statement of uploads.

use sqlx::PgConnection;
use uuid::Uuid;

use super::body::Accepted;

/// Whether the key is new. A twin that is under way is waited for.
#[tracing::instrument(name = "db.uploads.add", skip_all)]
pub(super) async fn add_upload(
    tx: &mut PgConnection,
    user_id: &str,
    key: &str,
    fingerprint: &[u8],
    accepted: &Accepted,
) -> Result<bool, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO uploads (user_id, idempotency_key, fingerprint, image_id, trace_id)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT ON CONSTRAINT uploads_pkey DO NOTHING",
    )
    .bind(user_id)
    .bind(key)
    .bind(fingerprint)
    .bind(accepted.image_id)
    .bind(&accepted.trace_id)
    .execute(tx)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// What this very request was answered before.
#[tracing::instrument(name = "db.uploads.find", skip_all)]
pub(super) async fn find_upload(
    tx: &mut PgConnection,
    user_id: &str,
    key: &str,
    fingerprint: &[u8],
) -> Result<Option<Accepted>, sqlx::Error> {
    let row: Option<(Uuid, Option<String>)> = sqlx::query_as(
        "SELECT image_id, trace_id
         FROM uploads
         WHERE user_id = $1 AND idempotency_key = $2 AND fingerprint = $3",
    )
    .bind(user_id)
    .bind(key)
    .bind(fingerprint)
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|(image_id, trace_id)| Accepted { image_id, trace_id }))
}

/// Locks the user, so that versions are told in their order.
#[tracing::instrument(name = "db.uploaders.next", skip_all)]
pub(super) async fn next_version(tx: &mut PgConnection, user_id: &str) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO uploaders (user_id, version) VALUES ($1, 1)
         ON CONFLICT ON CONSTRAINT uploaders_pkey
         DO UPDATE SET version = uploaders.version + 1
         RETURNING version",
    )
    .bind(user_id)
    .fetch_one(tx)
    .await
}
