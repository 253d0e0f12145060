//! What an operator does when something was lost, with the tools of the command line.

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use crate::harness::deployed::Deployed;
use crate::harness::parts::BINARY;
use crate::harness::probe;
use crate::harness::until;
use crate::harness::world::order_of;

/// A verb's exit code and its documents.
async fn ticketrail(suite: &Deployed, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = Command::new(BINARY)
        .args(args)
        .arg("--json")
        .arg("--dir")
        .arg(&suite.layout.dir)
        .output()
        .await
        .expect("the binary under test starts");
    let documents = String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document on each line"))
        .collect();
    (output.status.code(), documents)
}

async fn database(suite: &Deployed, service: &str) -> PgConnection {
    let url = &suite.layout.databases()[service];
    PgConnection::connect(url).await.expect("the database")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_consumer_lost_is_found_and_published_again() {
    let suite = Deployed::start().await;
    let order = suite.place("alice", &order_of(&[("KETTLE", 1)])).await;
    let orders = [("alice".to_owned(), order)];
    assert_eq!(suite.until_ended(&orders).await, ["completed"]);
    let (code, _) = ticketrail(&suite, &["reconcile"]).await;
    assert_eq!(code, Some(0), "nothing is missing yet");

    // As if a restored backup had forgotten one event and its effect.
    let mut notification = database(&suite, "notification").await;
    let forgotten = "WITH mail AS (DELETE FROM notifications WHERE id = (
                         SELECT min(id::text)::uuid FROM notifications) RETURNING causation_id)
                     DELETE FROM processed_events
                     WHERE event_id IN (SELECT causation_id FROM mail)";
    let forgotten = sqlx::query(forgotten).execute(&mut notification).await;
    assert_eq!(forgotten.expect("deleted").rows_affected(), 1);

    let (code, books) = ticketrail(&suite, &["reconcile"]).await;
    assert_eq!(code, Some(1), "{books:?}");
    let missing: Vec<_> = books.iter().filter(|book| book["missing"] == 1).collect();
    assert_eq!(missing.len(), 2, "a line and the sum: {books:?}");
    assert_eq!(missing[0]["reader"], "notification");

    let since = "2020-01-01T00:00:00Z";
    let (code, books) = ticketrail(&suite, &["reconcile", "--republish-since", since]).await;
    assert_eq!(code, Some(0), "{books:?}");
    let mails: i64 = sqlx::query_scalar("SELECT count(*) FROM notifications")
        .fetch_one(&mut notification)
        .await
        .expect("notifications");
    assert_eq!(mails, 3, "received, confirmed, dispatched: each once");
    suite.close().await;
}

/// A decoder's abort cannot be caught, so this is one on purpose: see `shared::crash`.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_ends_the_process_is_a_dead_letter_after_four_restarts_at_most() {
    let suite = Deployed::start().await;
    let kafka = suite.layout.endpoints().kafka;
    let before = suite.place("alice", &order_of(&[("KETTLE", 1)])).await;
    // Its events are on the topic by then.
    suite.until_ended(&[("alice".to_owned(), before)]).await;
    let mut copy = probe::read_all(&kafka, "order.events").await.swap_remove(0);
    let (event, key) = (
        shared::event::new_id().to_string(),
        shared::event::new_id().to_string(),
    );
    for (header, value) in [
        ("ce_id", event.as_str()),
        ("ce_type", "ticketrail.order.TransactionCreated"),
        ("ce_subject", &key),
        ("ce_partitionkey", &key),
    ] {
        copy.set(header, value);
    }
    let value = shared::crash::PAYLOAD;
    probe::publish(
        &kafka,
        "order.events",
        Some(key.as_bytes()),
        Some(value),
        &copy.headers,
    )
    .await;
    let after = suite.place("bob", &order_of(&[("KETTLE", 1)])).await;

    // Only fraud listens to this type of event.
    let mut fraud = database(&suite, "fraud").await;
    let mut restarts = 0;
    until("the record to be a dead letter", async || {
        let code: Option<String> =
            sqlx::query_scalar("SELECT code FROM dead_letters WHERE event_id = $1::text::uuid")
                .bind(&event)
                .fetch_optional(&mut fraud)
                .await
                .map_err(|error| error.to_string())?;
        if let Some(code) = code {
            assert_eq!(code, "process-ended");
            return Ok(());
        }
        let status = suite
            .stack
            .status()
            .await
            .map_err(|error| error.to_string())?;
        let ended = status
            .iter()
            .any(|part| part.name == "fraud" && part.detail == "its process has ended");
        if ended {
            restarts += 1;
            suite
                .stack
                .restart("fraud")
                .await
                .map_err(|error| error.to_string())?;
        }
        Err(format!("{restarts} restarts"))
    })
    .await;
    assert!((1..=4).contains(&restarts), "{restarts} restarts");

    let orders = [("alice".to_owned(), before), ("bob".to_owned(), after)];
    assert_eq!(suite.until_ended(&orders).await, ["completed", "completed"]);
    let (code, listed) = ticketrail(&suite, &["dead-letters", "list", "--service", "fraud"]).await;
    assert_eq!(
        (code, listed[0]["groups"][0]["letters"].as_i64()),
        (Some(0), Some(1))
    );

    // What was put aside is not looked into again when it comes once more.
    suite.stack.stop("fraud").await.expect("it stops");
    probe::rewind(&kafka, "fraud", "order.events").await;
    suite.stack.restart("fraud").await.expect("it starts");
    let again = [(
        "carol".to_owned(),
        suite.place("carol", &order_of(&[("KETTLE", 1)])).await,
    )];
    assert_eq!(suite.until_ended(&again).await, ["completed"]);
    let status = suite.stack.status().await.expect("the stack runs");
    let fraud = status.iter().find(|part| part.name == "fraud");
    assert!(
        fraud.is_some_and(|fraud| fraud.detail != "its process has ended"),
        "the record ended fraud again"
    );
    suite.close().await;
}
