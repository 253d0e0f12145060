//! More ask than can be answered, and then something breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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
    world.init.order_database_url = Some(far_away(&database).await);
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

/// The address of the same database at the end of a long way.
async fn far_away(url: &str) -> String {
    let (before, rest) = url.split_once('@').expect("a user");
    let (postgres, after) = rest.split_once('/').expect("a database");
    let postgres = postgres.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let near = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&postgres).await.expect("Postgres");
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(carry(from_client, to_server));
            tokio::spawn(carry(from_server, to_client));
        }
    });
    format!("{before}@{near}/{after}")
}

async fn carry(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(DELAY).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
