//! Every SQL statement of thumbnails.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// An image keeps the thumbnail it has.
#[tracing::instrument(name = "db.thumbnails.save", skip_all)]
pub(super) async fn save_thumbnails(
    tx: &mut PgConnection,
    thumbnails: Vec<(Uuid, Vec<u8>)>,
) -> Result<(), sqlx::Error> {
    let (image_ids, pngs): (Vec<_>, Vec<_>) = thumbnails.into_iter().unzip();
    sqlx::query(
        "INSERT INTO thumbnails (image_id, png)
         SELECT image_id, png FROM unnest($1::uuid[], $2::bytea[]) AS row (image_id, png)
         ON CONFLICT ON CONSTRAINT thumbnails_pkey DO NOTHING",
    )
    .bind(image_ids)
    .bind(pngs)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.thumbnails.find", skip_all)]
pub(super) async fn find_thumbnail(
    db: impl PgExecutor<'_>,
    image_id: Uuid,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT png FROM thumbnails WHERE image_id = $1")
        .bind(image_id)
        .fetch_optional(db)
        .await
}
