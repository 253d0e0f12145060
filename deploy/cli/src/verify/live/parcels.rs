//! I9 of shipment: what its warehouses work on.

use sqlx::PgConnection;

use super::findings::Findings;

/// Of the lists that an index of their own keeps few.
pub(super) async fn check(database: &mut PgConnection, findings: &Findings) -> sqlx::Result<()> {
    let (open, buried): (i64, Vec<String>) = sqlx::query_as(
        "SELECT count(*),
                coalesce(array_agg(format('order %s was cancelled and its list in %s is %s',
                                          p.order_id, p.warehouse, p.state))
                         FILTER (WHERE f.cancelled_at IS NOT NULL), '{}')
         FROM picking_lists AS p
         LEFT JOIN fulfilments AS f USING (order_id)
         WHERE p.state IN ('released', 'picked', 'packed', 'dispatched')",
    )
    .fetch_one(database)
    .await?;
    for example in buried {
        findings.violated("I9", example);
    }
    findings.checked("I9", usize::try_from(open).unwrap_or_default());
    Ok(())
}
