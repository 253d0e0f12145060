//! Each of the real binaries stops in time when it is asked to, with nothing lost.

use std::time::{Duration, Instant};

use crate::harness::deployed::Deployed;
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
