//! Every event has one effect, however often it comes.

use crate::harness::probe;
use crate::harness::world::{World, order_id, order_of};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_published_again_has_no_second_effect() {
    let world = World::start().await;
    let order = world.place("alice", order_of(&[("KETTLE", 2)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.until_quiet().await;
    let stock = world.stock("KETTLE").await;

    // Everything of the order comes once more under new offsets, as after a relay's crash.
    let kafka = &world.parts.endpoints.kafka;
    for topic in [
        "order.events",
        "inventory.events",
        "fraud.events",
        "shipment.events",
    ] {
        let topic = format!("{}{topic}", world.namespace);
        for record in probe::read_all(kafka, &topic).await {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            probe::publish(kafka, &topic, key, value, &record.headers).await;
        }
    }
    world.until_quiet().await;

    assert_eq!(world.stock("KETTLE").await, stock);
    assert_eq!(world.order("alice", order).await["status"], "confirmed");
    assert_eq!(
        world.mails("alice", 2).await.len(),
        2,
        "received and confirmed, once each"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_under_one_key_are_one_order() {
    let world = World::start().await;
    let requests =
        (0..100).map(|_| world.place_with_key("alice", "the-same-key", order_of(&[("MUG", 1)])));
    let answers = futures::future::join_all(requests).await;

    let first = order_id(&answers[0].body);
    for answer in &answers {
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(order_id(&answer.body), first);
    }
    let other = world
        .place_with_key("alice", "the-same-key", order_of(&[("MUG", 2)]))
        .await;
    assert_eq!(other.status, 422, "{}", other.body);
    let bobs = world
        .place_with_key("bob", "the-same-key", order_of(&[("MUG", 1)]))
        .await;
    assert_ne!(order_id(&bobs.body), first, "keys are each customer's own");

    world.until_status("alice", first, "confirmed").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewound_consumer_group_repeats_nothing() {
    let mut world = World::start().await;
    let order = world.place("alice", order_of(&[("KETTLE", 2)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.until_quiet().await;
    let stock = world.stock("KETTLE").await;

    world.stop("inventory").await;
    let group = format!("{}inventory", world.namespace);
    probe::rewind(
        &world.parts.endpoints.kafka,
        &group,
        &format!("{}order.events", world.namespace),
    )
    .await;
    world
        .run("inventory", &crate::harness::world::Settings::default())
        .await;
    let again = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", again, "confirmed").await;

    assert_eq!(world.stock("KETTLE").await, (stock.0 - 1, stock.1 + 1));
    world.close().await;
}
