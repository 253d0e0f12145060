//! Each of the real binaries stops in time when it is asked to, with nothing lost.

use std::time::{Duration, Instant};

use shared::avro::registry::Registry;
use shared::event::new_id;
use sqlx::{Connection, PgConnection};
use ticketrail::poison::{self, Draw, SchemaIds};

use crate::harness::deployed::Deployed;
use crate::harness::probe::{self, Seen};
use crate::harness::until;
use crate::harness::world::order_of;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_drains_on_sigterm_and_goes_on_where_it_stopped() {
    let suite = Deployed::start().await;
    let mut orders = Vec::new();
    for service in ticketrail::services::NAMES {
        let customer = format!("before-{service}");
        let order = suite.place(&customer, &order_of(&[("KETTLE", 1)])).await;
        orders.push((customer, order));

        let asked = Instant::now();
        suite.stack.stop(service).await.expect("it was running");
        // Past the drain's bound it would have been killed.
        assert!(
            asked.elapsed() < Duration::from_secs(20),
            "{service} did not end in time"
        );
        suite.stack.restart(service).await.expect("it starts again");
    }

    let ends = suite.until_ended(&orders).await;
    assert!(ends.iter().all(|end| end == "completed"), "{ends:?}");
    suite.assert_every_law_holds().await;
    suite.close().await;
}

/// Whether a schema exists cannot be said while the registry is down, so such a record waits, and
/// what comes after it waits behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_registry_at_a_stop_is_not_passed_by() {
    let suite = Deployed::start().await;
    let endpoints = suite.layout.endpoints();
    let registry = Registry::new(&endpoints.registry).expect("an address");
    let ids = SchemaIds::load(&registry)
        .await
        .expect("registered schemas");
    let kind = poison::all().find(|kind| kind.name == "a schema nobody knows");
    let kind = kind.expect("it is one");
    let draw = Draw {
        ids: &ids,
        subject: new_id(),
        event_id: new_id(),
        now: shared::clock::process_now(),
    };
    let record = kind.draw("OrderPlaced", &draw).record;

    suite.stack.kill("registry").await.expect("it was running");
    let (partition, offset) = probe::publish_all(&endpoints.kafka, "", [&record]).await[0];
    until("shipment to wait", async || {
        let parts = suite.stack.status().await.map_err(|e| e.to_string())?;
        let shipment = parts.iter().find(|part| part.name == "shipment");
        if shipment.is_some_and(|shipment| !shipment.healthy) {
            return Ok(());
        }
        Err("it is ready".to_owned())
    })
    .await;
    until("something to wait behind it", async || {
        suite.place("alice", &order_of(&[("KETTLE", 1)])).await;
        let seen = probe::read_all(&endpoints.kafka, "order.events").await;
        let is_behind = |seen: &Seen| seen.partition == partition && seen.offset > offset;
        if seen.iter().any(is_behind) {
            Ok(())
        } else {
            Err("nothing yet")
        }
    })
    .await;
    // It is polled at once, and then waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    suite.stack.stop("shipment").await.expect("it was running");
    let restarted = async |name| suite.stack.restart(name).await.expect("it starts again");
    restarted("registry").await;
    restarted("shipment").await;

    let url = &suite.layout.databases()["shipment"];
    let mut database = PgConnection::connect(url).await.expect("Postgres is up");
    until("what waited to be put aside", async || {
        let put_aside =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM dead_letters WHERE event_id = $1)");
        match put_aside.bind(draw.event_id).fetch_one(&mut database).await {
            Ok(true) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    suite.close().await;
}
