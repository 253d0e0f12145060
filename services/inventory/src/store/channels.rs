//! Sales channels and their buffers.

use sqlx::{PgConnection, PgExecutor};

use crate::domain::Channel;

/// A channel as readers see it.
#[derive(sqlx::FromRow)]
pub(crate) struct ChannelRow {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) buffer: i64,
}

#[tracing::instrument(name = "db.channels.list", skip_all)]
pub(crate) async fn list_channels(db: impl PgExecutor<'_>) -> Result<Vec<ChannelRow>, sqlx::Error> {
    sqlx::query_as("SELECT code, name, buffer FROM channels ORDER BY code")
        .fetch_all(db)
        .await
}

#[tracing::instrument(name = "db.channels.load", skip_all)]
pub(crate) async fn load_channels(db: impl PgExecutor<'_>) -> Result<Vec<Channel>, sqlx::Error> {
    let rows = list_channels(db).await?;
    let channel = |row: ChannelRow| Channel {
        code: row.code,
        buffer: row.buffer,
    };
    Ok(rows.into_iter().map(channel).collect())
}

/// Nothing where there is no such channel.
#[tracing::instrument(name = "db.channels.set_buffer", skip_all)]
pub(crate) async fn set_buffer(
    tx: &mut PgConnection,
    code: &str,
    buffer: i64,
) -> Result<Option<ChannelRow>, sqlx::Error> {
    sqlx::query_as("UPDATE channels SET buffer = $2 WHERE code = $1 RETURNING code, name, buffer")
        .bind(code)
        .bind(buffer)
        .fetch_optional(tx)
        .await
}

/// Makes the feed tell every level once more. Two statements, so that rows are locked in the order
/// of all writers.
#[tracing::instrument(name = "db.skus.forget_told", skip_all)]
pub(crate) async fn forget_told_levels(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM skus ORDER BY sku FOR UPDATE")
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE skus SET published_on_hand = NULL, published_reserved = NULL")
        .execute(tx)
        .await?;
    Ok(())
}
