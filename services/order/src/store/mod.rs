//! Every SQL statement of this service.

use sqlx::PgConnection;

use crate::domain::progress::Progress;

/// What was ordered, the price list, and the keys of requests.
pub(crate) mod orders;
/// How far orders are.
pub(crate) mod sagas;
/// What happened to them.
pub(crate) mod timeline;

/// Saves what a transaction did to the sagas it had locked.
pub(crate) async fn save(tx: &mut PgConnection, progress: &Progress) -> Result<(), sqlx::Error> {
    sagas::save(tx, progress.changed()).await?;
    sagas::save_acks(tx, progress.acks()).await?;
    timeline::append(tx, progress.entries()).await
}

/// A value in the database that this version does not know.
fn unreadable(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} holds the unknown value `{value}`").into())
}
