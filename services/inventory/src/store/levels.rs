//! What the feed of levels has told.

use sqlx::{PgConnection, PgExecutor};

use crate::domain::Told;

/// SKUs whose level differs from what was told, as far as can be seen without their locks.
#[tracing::instrument(name = "db.skus.changed", skip_all)]
pub(crate) async fn changed_skus(
    db: impl PgExecutor<'_>,
    skus_max: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT k.sku
         FROM skus AS k
         JOIN (SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved
               FROM stock
               GROUP BY sku) AS s USING (sku)
         WHERE (k.published_on_hand, k.published_reserved)
               IS DISTINCT FROM (s.on_hand, s.reserved)
         ORDER BY k.sku
         LIMIT $1",
    )
    .bind(skus_max)
    .fetch_all(db)
    .await
}

/// Locks these SKUs in order, then reads. Two statements: the second sees what the holder of the
/// lock had committed.
#[tracing::instrument(name = "db.skus.load", skip_all)]
pub(crate) async fn load_told_levels(
    tx: &mut PgConnection,
    skus: &[String],
) -> Result<Vec<Told>, sqlx::Error> {
    type Row = (String, i32, Option<i64>, Option<i64>, i64, i64);
    sqlx::query("SELECT FROM skus WHERE sku = ANY($1) ORDER BY sku FOR UPDATE")
        .bind(skus)
        .execute(&mut *tx)
        .await?;

    let rows: Vec<Row> = sqlx::query_as(
        "SELECT k.sku, k.version, k.published_on_hand, k.published_reserved,
                sum(s.on_hand)::bigint, sum(s.reserved)::bigint
         FROM skus AS k
         JOIN stock AS s USING (sku)
         WHERE k.sku = ANY($1)
         GROUP BY k.sku
         ORDER BY k.sku",
    )
    .bind(skus)
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(
            |(sku, version, told_on_hand, told_reserved, on_hand, reserved)| Told {
                sku,
                version,
                on_hand,
                reserved,
                told: told_on_hand.zip(told_reserved),
            },
        )
        .collect())
}

#[tracing::instrument(name = "db.skus.save_told", skip_all)]
pub(crate) async fn save_told_levels(
    tx: &mut PgConnection,
    levels: &[Told],
) -> Result<(), sqlx::Error> {
    let skus: Vec<&str> = levels.iter().map(|level| level.sku.as_str()).collect();
    let versions: Vec<i32> = levels.iter().map(|level| level.version).collect();
    let on_hand: Vec<i64> = levels.iter().map(|level| level.on_hand).collect();
    let reserved: Vec<i64> = levels.iter().map(|level| level.reserved).collect();
    sqlx::query(
        "UPDATE skus AS k
         SET version = c.version,
             published_on_hand = c.on_hand,
             published_reserved = c.reserved
         FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
             AS c (sku, version, on_hand, reserved)
         WHERE k.sku = c.sku",
    )
    .bind(skus)
    .bind(versions)
    .bind(on_hand)
    .bind(reserved)
    .execute(tx)
    .await?;
    Ok(())
}
