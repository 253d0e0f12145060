//! More instances of a service share its partitions and its relay's shards.

use crate::harness::world::{Settings, World, order_of};

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_of_each_service_share_the_work_and_double_nothing() {
    let mut world = World::start().await;
    for name in ticketrail::services::NAMES {
        world.run(name, &Settings::default()).await;
    }
    let (free, _) = world.stock("KETTLE").await;

    let mut orders = Vec::new();
    for number in 0..20 {
        let customer = format!("customer-{number}");
        orders.push((
            customer.clone(),
            world.place(&customer, order_of(&[("KETTLE", 1)])).await,
        ));
    }
    for (customer, order) in &orders {
        world.until_status(customer, *order, "confirmed").await;
    }
    world.until_quiet().await;

    assert_eq!(world.stock("KETTLE").await, (free - 20, 20));
    world.close().await;
}
