//! `kill -9` in the middle of work: every acknowledged order still ends, and every law holds.

use crate::harness::deployed::Deployed;
use crate::harness::world::order_of;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_may_be_killed_in_the_middle_of_work() {
    let suite = Deployed::start().await;
    let mut orders = Vec::new();
    for victim in ticketrail::services::NAMES {
        for number in 0..6 {
            let customer = format!("{victim}-{number}");
            let lines: &[(&str, u32)] = if number == 5 {
                &[("KNIFE", 1)]
            } else {
                &[("KETTLE", 1), ("MUG", 2)]
            };
            let order = suite.place(&customer, &order_of(lines)).await;
            orders.push((customer, order));
            if number == 3 {
                suite.stack.kill(victim).await.expect("it was running");
            }
            // While it is away, the others take orders; the order service cannot.
            if number == 4 && victim != "order" || number == 3 && victim == "order" {
                suite.stack.restart(victim).await.expect("it starts again");
            }
        }
    }

    let ends = suite.until_ended(&orders).await;
    let completed = ends.iter().filter(|end| *end == "completed").count();
    assert_eq!(completed, 25, "what can be filled is completed: {ends:?}");
    suite.assert_every_law_but_traces_holds().await;
    suite.close().await;
}
