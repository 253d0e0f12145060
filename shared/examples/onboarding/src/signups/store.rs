//! Who has signed up.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Whether the address is new. A twin that is under way is waited for.
pub(super) async fn add_user(
    tx: &mut PgConnection,
    user_id: Uuid,
    email: &str,
    name: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO users (user_id, email, name, signed_up_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT users_email_unique DO NOTHING",
    )
    .bind(user_id)
    .bind(email)
    .bind(name)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(added.rows_affected() == 1)
}

pub(super) async fn find_user(tx: &mut PgConnection, email: &str) -> Result<Uuid, sqlx::Error> {
    sqlx::query_scalar("SELECT user_id FROM users WHERE email = $1")
        .bind(email)
        .fetch_one(tx)
        .await
}
