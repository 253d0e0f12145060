//! What has to be true after a run, or it has no figure.

use std::collections::HashSet;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Each is asked for the orders it knows; all of them must know exactly those that were accepted.
const WITNESSES: [(&str, &str); 4] = [
    ("orders", "SELECT id FROM orders"),
    ("idempotency keys", "SELECT order_id FROM idempotency_keys"),
    ("sagas", "SELECT order_id FROM sagas"),
    (
        "OrderPlaced in the outbox",
        "SELECT key::uuid FROM outbox WHERE type = 'OrderPlaced'",
    ),
];

pub(super) async fn check(url: &str, accepted: &HashSet<Uuid>) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let mut wrong = Vec::new();
    for (witness, question) in WITNESSES {
        let known: Vec<Uuid> = sqlx::query_scalar(question)
            .fetch_all(&mut connection)
            .await?;
        let unique: HashSet<Uuid> = known.iter().copied().collect();
        let (known, accepted_count) = (known.len(), accepted.len());
        if known != accepted_count || unique != *accepted {
            wrong.push(format!(
                "{known} {witness} for {accepted_count} accepted orders"
            ));
        }
    }
    connection.close().await?;
    Ok(wrong)
}
