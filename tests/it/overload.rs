//! More ask than can be answered, and then something breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use ticketrail::Proxy;
use uuid::Uuid;

use crate::harness::until;
use crate::harness::world::{Settings, World};

/// One way. A connection takes several round trips to open: a third of what a request may wait.
const DELAY: Duration = Duration::from_millis(20);
/// More than can be served in the time that each of them waits.
const CLIENTS: usize = 400;
const ANSWERS: usize = 100;

/// A pool whose turn and whose opening share one time limit never opens a connection again here:
/// who comes first in line has no time left for it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_come_again_after_all_connections_broke_under_load() {
    let mut world = World::empty().await;
    let database = world.database_url("order").to_owned();
    let (_, behind) = database.split_once('@').expect("a user");
    let (behind, _) = behind.split_once('/').expect("a database");
    let far_away = Proxy::start(behind.parse().expect("an address"))
        .await
        .expect("a port");
    far_away.delay(DELAY);
    world.init.order_database_url = Some(far_away.url(&database));
    world.run("order", &Settings::default()).await;

    let url = world.url("order", &format!("/v1/orders/{}", Uuid::nil()));
    let client = Arc::new(world.client("alice"));
    let (answered, over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (url, client) = (url.clone(), Arc::clone(&client));
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get(&url).await.expect("an answer");
                    if answer.status == 404 {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(answer.status, 503, "{}", answer.body);
                    }
                }
            })
        })
        .collect();
    let some_are_answered = async || {
        let before = answered.load(Ordering::Relaxed);
        until("some to be answered", async || {
            let more = answered.load(Ordering::Relaxed) - before;
            if more >= ANSWERS {
                Ok(())
            } else {
                Err(format!("{more} were"))
            }
        })
        .await;
    };
    some_are_answered().await;
    // By now everybody has waited in line.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut postgres = PgConnection::connect(&database)
        .await
        .expect("a connection");
    let broken: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'order/api'",
    )
    .fetch_one(&mut postgres)
    .await
    .expect("an answer");
    assert!(broken > 0, "there were connections to break");
    some_are_answered().await;

    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every answer was one or the other");
    }
    world.init.order_database_url = Some(database);
    world.close().await;
}
