//! I5 and I6: each event that a service has written, once, in the order of its key.

use sqlx::PgConnection;
use uuid::Uuid;

use super::findings::Findings;
use super::recent::Recent;

/// Of these one cause may lead to several: one per warehouse, shelf or mail. Which of them was
/// written twice, only their values tell.
const SEVERAL_PER_CAUSE: [&str; 5] = [
    "PickingListCreated",
    "NotificationSent",
    "NotificationFailed",
    "LowStock",
    "StockLevelChanged",
];

#[derive(Default)]
pub(super) struct Events {
    versions: Recent<i32>,
    causes: Recent<()>,
}

impl Events {
    /// Reads what no look has seen before; returns the orders that were placed.
    pub(super) async fn read_on(
        &mut self,
        database: &mut PgConnection,
        seen: &str,
        service: &str,
        findings: &Findings,
    ) -> sqlx::Result<Vec<Uuid>> {
        let rows: Vec<(Uuid, Uuid, i32, String, String, String)> = sqlx::query_as(
            "SELECT event_id, causation_id, version, type, topic, coalesce(key, '')
             FROM outbox
             WHERE tx_id >= pg_snapshot_xmin($1::pg_snapshot)
               AND NOT pg_visible_in_snapshot(tx_id, $1::pg_snapshot)
               AND version IS NOT NULL
             ORDER BY id",
        )
        .bind(seen)
        .fetch_all(database)
        .await?;
        let mut placed = Vec::new();
        for (event_id, cause, version, kind, topic, key) in &rows {
            if let Some(before) = self.versions.put((topic, key), *version)
                && *version != before + 1
            {
                findings.violated(
                    "I6",
                    format!("{service}: version {version} of {key} comes after {before}"),
                );
            }
            if !SEVERAL_PER_CAUSE.contains(&kind.as_str())
                && self.causes.put((cause, kind, key), ()).is_some()
            {
                findings.violated(
                    "I5",
                    format!("{service}: {cause} led to {kind} of {key} again ({event_id})"),
                );
            }
            if service == "order"
                && kind == "OrderPlaced"
                && let Ok(order_id) = Uuid::parse_str(key)
            {
                placed.push(order_id);
            }
        }
        findings.checked("I5", rows.len());
        findings.checked("I6", rows.len());
        findings.passed(placed.len(), rows.len());
        Ok(placed)
    }

    /// Whether an event of an order was read in this watch.
    pub(super) fn know(&self, order_id: Uuid) -> bool {
        self.versions
            .has((&"order.events".to_owned(), &order_id.to_string()))
    }
}
