//! Kafka, Postgres and the registry go away under load and come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::deployed::Deployed;
use crate::harness::world::order_of;

/// As many orders as two cores finish while everything around them is killed.
const PACE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_below_may_go_away_and_come_back_under_load() {
    let suite = Deployed::start().await;
    let broken = AtomicBool::new(true);
    let load = async {
        let mut orders = Vec::new();
        let mut number = 0;
        let mut pace = tokio::time::interval(PACE);
        // A few more after everything has returned.
        while broken.load(Ordering::Relaxed) || number % 10 != 0 {
            pace.tick().await;
            let customer = format!("customer-{number}");
            let order = suite.place(&customer, &order_of(&[("KETTLE", 1)])).await;
            orders.push((customer, order));
            number += 1;
        }
        orders
    };
    let faults = async {
        for part in ["kafka", "postgres", "registry", "mail", "jaeger"] {
            suite.stack.kill(part).await.expect("it was running");
            suite.stack.restart(part).await.expect("it starts again");
        }
        broken.store(false, Ordering::Relaxed);
    };
    let (orders, ()) = tokio::join!(load, faults);

    let ends = suite.until_ended(&orders).await;
    assert!(ends.iter().all(|end| end == "completed"), "{ends:?}");
    suite.assert_every_law_but_traces_holds().await;
    suite.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_and_run_while_the_registry_is_down() {
    let suite = Deployed::start().await;
    suite.stack.kill("registry").await.expect("it was running");
    for service in ticketrail::services::NAMES {
        suite.stack.stop(service).await.expect("it was running");
    }
    for service in ticketrail::services::NAMES {
        suite
            .stack
            .restart(service)
            .await
            .expect("the known schemas are enough");
    }

    let order = suite.place("alice", &order_of(&[("KETTLE", 1)])).await;
    let ends = suite.until_ended(&[("alice".to_owned(), order)]).await;
    assert_eq!(ends, ["completed"]);
    suite.close().await;
}
