//! A service's handler in its frame, and what it leaves in its tables.

use sqlx::{AssertSqlSafe, PgPool};

/// Tables of the rail that are about delivery, not about effects.
const OF_DELIVERY: [&str; 5] = [
    "consumer_offsets",
    "dead_letters",
    "outbox_watermark",
    "schema_ids",
    "_sqlx_migrations",
];

/// Every row of every table, without what is new each time: times, random ids, transaction ids.
pub(crate) async fn effects(pool: &PgPool) -> Vec<String> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name, string_agg(format('%I', column_name), ', ' ORDER BY ordinal_position)
         FROM information_schema.columns
         JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public'
           AND table_type = 'BASE TABLE'
           AND NOT table_name ~ '_([0-9]{8}|default)$'
           AND NOT (data_type = 'timestamp with time zone' OR udt_name = 'xid8')
           AND is_identity = 'NO'
           AND NOT (udt_name = 'uuid'
                    AND column_name NOT IN ('order_id', 'transaction_id', 'causation_id',
                                            'event_id')
                 OR table_name = 'outbox'
                    AND column_name IN ('id', 'event_id', 'headers', 'payload')
                 OR column_name IN ('traceparent', 'trace_id', 'due_at', 'message_id'))
         GROUP BY table_name
         ORDER BY table_name",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogue");
    let mut effects = Vec::new();
    for (table, columns) in tables {
        if OF_DELIVERY.contains(&table.as_str()) {
            continue;
        }
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT '{table}' || row({columns})::text FROM {table} ORDER BY 1"
        )))
        .fetch_all(pool)
        .await
        .unwrap_or_else(|error| panic!("{table}: {error}"));
        effects.extend(rows);
    }
    effects
}
