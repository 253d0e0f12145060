//! The checker at work: it watches a suite that is well, and sees each harm that is done to it.

use std::fs;
use std::path::Path;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use ticketrail::local::Progress;
use ticketrail::verify::live::Watch;
use ticketrail::verify::{History, Source, verify};
use uuid::Uuid;

use crate::harness::deployed::Deployed;
use crate::harness::world::order_of;

/// Law, service, and what is done to its database.
const HARMS: &[(&str, &str, &str)] = &[
    (
        "I2",
        "order",
        "INSERT INTO idempotency_keys
         VALUES (now(), gen_random_uuid(), 'mallory', 'no order', '')",
    ),
    (
        "I3",
        "inventory",
        "UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'KETTLE'",
    ),
    (
        "I4",
        "inventory",
        "UPDATE reservations SET state = 'held' WHERE state = 'shipped'",
    ),
    (
        "I5",
        "order",
        "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key, headers)
         SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000000', n, 0, 'OrderRecalled',
                'order.events', 'x', ''
         FROM generate_series(1, 2) AS n",
    ),
    (
        "I6",
        "fraud",
        "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key, headers)
         SELECT gen_random_uuid(), gen_random_uuid(), n, 0, 'TransactionHeld', 'fraud.events', 'x',
                ''
         FROM unnest('{1,3}'::integer[]) AS n",
    ),
    (
        "I8",
        "order",
        "INSERT INTO order_timeline
             (order_id, event_id, at, duplicate, type, what, from_state, to_state, led_to)
         VALUES (gen_random_uuid(), gen_random_uuid(), now(), false, 'X', 'x', 'completed',
                 'cancelling', '{}')",
    ),
    (
        "I9",
        "inventory",
        "INSERT INTO tombstones SELECT order_id, 'cancelled' FROM reservations",
    ),
    (
        "S9",
        "notification",
        "UPDATE consumer_offsets SET next_offset = 0",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_is_well_is_watched_in_peace_and_every_harm_is_seen() {
    let suite = Deployed::start().await;
    let history = tempfile::tempdir().expect("a folder");
    let mut source = Source::of(&suite.layout);
    source.history = Some(History::Folder(history.path().to_owned()));
    // A look asks Kafka about the partitions that the one before found fences for.
    let first = suite.place("customer-0", &order_of(&[("KETTLE", 1)])).await;
    promise(history.path(), first, "customer-0");
    suite.until_ended(&[("customer-0".to_owned(), first)]).await;
    let watch = Watch::start(&source, &Progress::quiet())
        .await
        .expect("it is set");

    let mut orders = Vec::new();
    for number in 0..12 {
        let customer = format!("customer-{}", number % 3);
        let order = suite.place(&customer, &order_of(&[("KETTLE", 1)])).await;
        promise(history.path(), order, &customer);
        orders.push((customer, order));
    }
    suite.until_ended(&orders).await;
    let calm = watch.stop().await.expect("it could look");
    assert!(calm.ok(), "{calm:#?}");
    assert!(calm.laws_that_checked_nothing().is_empty(), "{calm:#?}");
    assert_eq!(calm.orders, 12);
    judge_at_rest(&source, history.path()).await;

    let watch = Watch::start(&source, &Progress::quiet())
        .await
        .expect("it is set");
    promise(history.path(), Uuid::nil(), "customer-0");
    for (_, service, harm) in HARMS {
        let url = &suite.layout.databases()[*service];
        let mut database = PgConnection::connect(url).await.expect("it is up");
        sqlx::raw_sql(AssertSqlSafe(*harm))
            .execute(&mut database)
            .await
            .expect(harm);
    }
    let harmed = watch.stop().await.expect("it could look");

    let laws: Vec<_> = harmed.laws.iter().map(|law| law.law).collect();
    assert_eq!(harmed.broken(), laws, "{harmed:#?}");
    suite.close().await;
}

/// As a client writes down what it was told.
fn promise(history: &Path, order_id: Uuid, customer_id: &str) {
    let mut acks = fs::read_to_string(history.join("acks.jsonl")).unwrap_or_default();
    let line = json!({"order_id": order_id, "customer_id": customer_id, "key": null,
                      "outcome": "acked"});
    acks.push_str(&format!("{line}\n"));
    fs::write(history.join("acks.jsonl"), acks).expect("it is written");
}

/// With all that clients and chaos may have written down.
async fn judge_at_rest(source: &Source, history: &Path) {
    let stranger = json!({"order_id": Uuid::nil(), "customer_id": "customer-1", "status": null,
                          "at": 0});
    for (name, text) in [
        ("observations.jsonl", format!("{stranger}\n")),
        ("poison.jsonl", String::new()),
        ("kills.jsonl", String::new()),
    ] {
        fs::write(history.join(name), text).expect("it is written");
    }
    let report = verify(source, &Progress::quiet())
        .await
        .expect("it could look");
    assert!(report.ok(), "{report:#?}");
}
