//! An order's whole life, from the request to the last mail.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::world::{World, order_of};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_confirmed_dispatched_and_completed() {
    let world = World::start().await;
    let (free, _) = world.stock("KETTLE").await;

    let order = world
        .place("alice", order_of(&[("KETTLE", 2), ("MUG", 1)]))
        .await;
    world.until_status("alice", order, "confirmed").await;
    assert_eq!(world.stock("KETTLE").await, (free - 2, 2));

    world.deliver(order).await;
    let view = world.until_status("alice", order, "completed").await;
    world.until_quiet().await;

    assert_eq!(
        world.stock("KETTLE").await,
        (free - 2, 0),
        "shipped units are gone"
    );
    assert_eq!(
        view["total"],
        json!({ "amount_minor": total(&view), "currency": "EUR" })
    );
    let mails = world.mails("alice", 3).await;
    let subjects: BTreeSet<_> = mails
        .iter()
        .filter_map(|mail| mail.subject.clone())
        .collect();
    assert_eq!(
        subjects.len(),
        3,
        "received, confirmed, dispatched: {subjects:?}"
    );
    assert_eq!(mails.len(), 3, "one mail per cause");
    world.close().await;
}

fn total(view: &serde_json::Value) -> i64 {
    view["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            let price = line["unit_price"]["amount_minor"]
                .as_i64()
                .expect("a price");
            price * line["quantity"].as_i64().expect("a quantity")
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_no_warehouse_can_fill_alone_is_split_and_completes_when_all_has_arrived() {
    let world = World::start().await;

    let order = world.place("alice", order_of(&[("TRAY", 15)])).await;
    world.until_status("alice", order, "confirmed").await;
    let lists = world.picking_lists(order, "released").await;
    assert_eq!(lists.len(), 2, "two warehouses share it");

    world.warehouse(order, &["pick", "pack", "dispatch"]).await;
    world.until_status("alice", order, "shipped").await;
    let staff = world.staff("warehouse-staff", "warehouse");
    for (position, list) in lists.iter().enumerate() {
        if position == 1 {
            let view = world.order("alice", order).await;
            assert_eq!(view["status"], "shipped", "half of it is still on its way");
        }
        let url = world.url("shipment", &format!("/v1/picking-lists/{list}/deliver"));
        staff
            .post(&url, &json!({}))
            .await
            .expect("an answer")
            .ok()
            .expect("delivered");
        world.until_quiet().await;
    }
    world.until_status("alice", order, "completed").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn low_stock_is_told_to_operations_once_per_crossing() {
    let world = World::start().await;

    let order = world.place("alice", order_of(&[("APRON", 3)])).await;
    world.until_status("alice", order, "confirmed").await;
    let another = world.place("bob", order_of(&[("APRON", 1)])).await;
    world.until_status("bob", another, "confirmed").await;
    world.until_quiet().await;

    let raised: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE type = 'LowStock'")
        .fetch_one(world.pool("inventory"))
        .await
        .expect("the outbox");
    assert_eq!(
        raised, 1,
        "once, although two orders were below the threshold"
    );
    let intents: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM notifications WHERE subject_id = 'APRON'")
            .fetch_all(world.pool("notification"))
            .await
            .expect("notifications");
    assert_eq!(intents.len(), 1, "{intents:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_every_step_and_where_time_went() {
    let world = World::start().await;
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.deliver(order).await;
    world.until_status("alice", order, "completed").await;
    world.mails("alice", 3).await;
    world.until_quiet().await;

    let url = world.url("order", &format!("/v1/orders/{order}/timeline"));
    let timeline = world
        .client("alice")
        .get(&url)
        .await
        .expect("an answer")
        .ok()
        .expect("200");
    let text = timeline.to_string();
    for event in [
        "OrderPlaced",
        "StockReserved",
        "TransactionApproved",
        "OrderConfirmed",
        "PickingListCreated",
        "ShipmentDispatched",
        "ShipmentDelivered",
        "OrderCompleted",
        "NotificationSent",
    ] {
        assert!(text.contains(event), "{event} is missing in {text}");
    }
    assert!(text.contains("waited_in_outbox_ms"), "{text}");
    world.close().await;
}
