//! Whatever commits is published, once per owner and in order per key, however late it commits.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, PgConnection};

use crate::harness::probe;
use crate::harness::until;
use crate::harness::world::{Settings, World};

/// Writers that hold their transactions open while others overtake them.
const WRITERS: usize = 16;
const ROUNDS: usize = 40;
const KEYS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn late_commits_of_low_ids_are_published_and_no_key_is_reversed() {
    let mut world = World::empty().await;
    world.run("fraud", &Settings::default()).await;
    let url = world.database_url("fraud").to_owned();
    let mut setup = PgConnection::connect(&url).await.expect("a connection");
    for statement in [
        "CREATE TABLE counters (key text PRIMARY KEY, version int NOT NULL)",
        "INSERT INTO counters SELECT 'key-' || n, 0 FROM generate_series(0, 4) AS n",
    ] {
        sqlx::query(statement)
            .execute(&mut setup)
            .await
            .expect("a table of the test's own");
    }

    // Half of the relay's life is spent without one, and one begins in the middle.
    let writers = (0..WRITERS).map(|writer| {
        let url = url.clone();
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.expect("a connection");
            for round in 0..ROUNDS {
                write(&mut connection, writer, round).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    world.stop("fraud").await;
    world.run("fraud", &Settings::default()).await;
    world.crash("fraud").await;
    world.run("fraud", &Settings::default()).await;
    for writer in writers {
        writer.await.expect("a writer");
    }
    world.until_quiet().await;

    let committed: BTreeSet<String> =
        sqlx::query_scalar::<_, String>("SELECT event_id::text FROM outbox")
            .fetch_all(&mut setup)
            .await
            .expect("the outbox")
            .into_iter()
            .collect();
    let topic = format!("{}fraud.events", world.namespace);
    let published = until("everything on the topic", async || {
        let seen = probe::read_all(&world.parts.endpoints.kafka, &topic).await;
        let ids: BTreeSet<_> = seen
            .iter()
            .filter_map(|seen| seen.header("ce_id").map(str::to_owned))
            .collect();
        if ids == committed {
            Ok(seen)
        } else {
            Err(format!("{} ids", ids.len()))
        }
    })
    .await;

    let mut versions: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
    let mut seen_ids = BTreeSet::new();
    for record in &published {
        if !seen_ids.insert(record.header("ce_id").expect("an id")) {
            continue;
        }
        let version: i32 = record
            .header("ce_aggregateversion")
            .and_then(|v| v.parse().ok())
            .expect("a version");
        let last = versions
            .entry(record.key.clone().expect("a key"))
            .or_default();
        assert_eq!(version, *last + 1, "first occurrences of a key rise by one");
        *last = version;
    }
    // The rows are not verdicts, so nobody but this test may read them.
    world.stop("fraud").await;
    world.close().await;
}

/// Locks an aggregate, writes its event, lingers, and rolls back every fifth time.
async fn write(connection: &mut PgConnection, writer: usize, round: usize) {
    let key = format!("key-{}", (writer + round) % KEYS);
    let mut tx = connection.begin().await.expect("a transaction");
    // An id drawn early by a transaction that ends late.
    sqlx::query("SELECT pg_current_xact_id()")
        .execute(&mut *tx)
        .await
        .expect("an id");
    let linger = f64::from(u32::try_from((writer * 7 + round * 3) % 20).expect("small")) / 1000.0;
    sqlx::query("SELECT pg_sleep($1)")
        .bind(linger)
        .execute(&mut *tx)
        .await
        .expect("a nap");
    let version: i32 = sqlx::query_scalar(
        "UPDATE counters SET version = version + 1 WHERE key = $1 RETURNING version",
    )
    .bind(&key)
    .fetch_one(&mut *tx)
    .await
    .expect("the aggregate");
    sqlx::query(
        "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key, headers,
                             payload)
         VALUES ($1, $1, $2, 0, 'TransactionApproved', 'fraud.events', $3, '', '\\x00')",
    )
    .bind(shared::event::new_id())
    .bind(version)
    .bind(&key)
    .execute(&mut *tx)
    .await
    .expect("the event");
    sqlx::query("SELECT pg_sleep($1)")
        .bind(linger)
        .execute(&mut *tx)
        .await
        .expect("a nap");
    if (writer + round).is_multiple_of(5) {
        tx.rollback().await.expect("a rollback");
    } else {
        tx.commit().await.expect("a commit");
    }
}
