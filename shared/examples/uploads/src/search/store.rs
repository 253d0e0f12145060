//! Every SQL statement of search.

use sqlx::{PgConnection, PgExecutor};

use crate::contract::ImageUploaded;

/// The words of an image.
#[derive(sqlx::FromRow)]
pub(super) struct Image {
    pub(super) image_id: String,
    pub(super) title: String,
    pub(super) tags: String,
    /// Every transaction below this had ended when the row was read.
    pub(super) settled: String,
}

/// An image keeps the words it has.
#[tracing::instrument(name = "db.images.save", skip_all)]
pub(super) async fn save_images(
    tx: &mut PgConnection,
    images: impl Iterator<Item = &ImageUploaded> + Clone,
) -> Result<(), sqlx::Error> {
    let image_ids: Vec<_> = images.clone().map(|image| image.image_id).collect();
    let titles: Vec<_> = images.clone().map(|image| image.title.as_str()).collect();
    let tags: Vec<_> = images.map(|image| image.tags.join("\n")).collect();
    sqlx::query(
        "INSERT INTO images (image_id, title, tags)
         SELECT image_id, title, tags
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS row (image_id, title, tags)
         ON CONFLICT ON CONSTRAINT images_pkey DO NOTHING",
    )
    .bind(image_ids)
    .bind(titles)
    .bind(tags)
    .execute(tx)
    .await?;
    Ok(())
}

/// Rows of transactions that had not ended when somebody last looked. Some may have been seen then,
/// and none is missed.
#[tracing::instrument(name = "db.images.unseen", skip_all)]
pub(super) async fn unseen_images(
    db: impl PgExecutor<'_>,
    settled: &str,
) -> Result<Vec<Image>, sqlx::Error> {
    sqlx::query_as(
        "SELECT image_id::text, title, tags,
                pg_snapshot_xmin(pg_current_snapshot())::text AS settled
         FROM images
         WHERE tx_id >= $1::text::xid8",
    )
    .bind(settled)
    .fetch_all(db)
    .await
}
