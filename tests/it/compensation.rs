//! Every way in which an order ends early, with everything undone.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::harness::world::{Settings, World, order_of};

async fn assert_undone(world: &World, customer: &str, order: Uuid, reason: &str) {
    let view = world.until_status(customer, order, "cancelled").await;
    assert_eq!(view["cancellation"]["reason"], reason, "{view}");
    assert_eq!(view["charge"], "voided", "{view}");
    world.until_quiet().await;
    let held: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM reservations WHERE order_id = $1 AND state <> 'released'",
    )
    .bind(order)
    .fetch_one(world.pool("inventory"))
    .await
    .expect("reservations");
    assert_eq!(held, 0, "stock is free again");
    let alive: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM picking_lists WHERE order_id = $1 AND state <> 'void'",
    )
    .bind(order)
    .fetch_one(world.pool("shipment"))
    .await
    .expect("picking lists");
    assert_eq!(alive, 0, "no list is left");
}

fn with_card(lines: &[(&str, u32)], card: &str) -> serde_json::Value {
    let mut order = order_of(lines);
    order["payment"] = json!({ "card_token": card });
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_stock_is_cancelled_and_the_customer_is_told_why() {
    let world = World::start().await;
    let order = world.place("alice", order_of(&[("KNIFE", 1)])).await;
    assert_undone(&world, "alice", order, "OUT_OF_STOCK").await;
    let mails = world.mails("alice", 2).await;
    assert!(
        mails.iter().any(|mail| mail.body.contains("KNIFE")),
        "{mails:?}"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_transaction_cancels_the_order() {
    let world = World::start().await;
    let order = world
        .place("alice", with_card(&[("KETTLE", 1)], "tok_stolen"))
        .await;
    assert_undone(&world, "alice", order, "FRAUD").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_transaction_waits_for_a_reviewer_whose_word_is_final() {
    let world = World::start().await;
    for (verdict, status) in [("approve", "confirmed"), ("block", "cancelled")] {
        let customer = format!("{verdict}d");
        let order = world.place(&customer, order_of(&[("ESPRESSO", 1)])).await;
        let transaction = crate::harness::until("the transaction to be held", async || {
            sqlx::query_scalar::<_, Uuid>(
                "SELECT transaction_id FROM decisions WHERE order_id = $1 AND verdict = 'held'",
            )
            .bind(order)
            .fetch_optional(world.pool("fraud"))
            .await
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "not yet".to_owned())
        })
        .await;
        let url = world.url("fraud", &format!("/v1/reviews/{transaction}/{verdict}"));
        let reviewer = world.staff("rita", "review");
        reviewer
            .post(&url, &json!({ "note": "called the customer" }))
            .await
            .expect("an answer")
            .ok()
            .expect("the review is accepted");
        world.until_status(&customer, order, status).await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_cancels_before_dispatch_and_is_refused_after() {
    let world = World::start().await;
    let cancel = async |order: Uuid| {
        let url = world.url("order", &format!("/v1/orders/{order}/cancel"));
        world
            .client("alice")
            .post(&url, &json!({}))
            .await
            .expect("an answer")
    };

    let early = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", early, "confirmed").await;
    let answer = cancel(early).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    assert_undone(&world, "alice", early, "CUSTOMER").await;
    assert!(
        cancel(early).await.status.is_success(),
        "cancelling twice is no error"
    );

    let late = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", late, "confirmed").await;
    world.warehouse(late, &["pick", "pack", "dispatch"]).await;
    world.until_status("alice", late, "shipped").await;
    let refused = cancel(late).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_and_dispatch_at_the_same_moment_have_one_winner() {
    let world = World::start().await;
    for _ in 0..8 {
        let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
        world.until_status("alice", order, "confirmed").await;
        world.warehouse(order, &["pick", "pack"]).await;
        let list = world.picking_lists(order, "packed").await[0];

        let staff = world.staff("warehouse-staff", "warehouse");
        let customer = world.client("alice");
        let dispatch = world.url("shipment", &format!("/v1/picking-lists/{list}/dispatch"));
        let cancel = world.url("order", &format!("/v1/orders/{order}/cancel"));
        let nothing = json!({});
        let (dispatched, cancelled) = tokio::join!(
            staff.post(&dispatch, &nothing),
            customer.post(&cancel, &nothing)
        );
        let (dispatched, _) = (
            dispatched.expect("an answer"),
            cancelled.expect("an answer"),
        );

        if dispatched.status.is_success() {
            world.until_status("alice", order, "shipped").await;
        } else {
            assert_undone(&world, "alice", order, "CUSTOMER").await;
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_refuses_before_dispatch_cancels_the_order() {
    let world = World::start().await;
    let mut order = order_of(&[("KETTLE", 1)]);
    order["ship_to"]["postal_code"] = json!("99999");
    let order = world.place("alice", order).await;
    world.until_status("alice", order, "confirmed").await;
    world.warehouse(order, &["pick", "pack"]).await;
    let list = world.picking_lists(order, "packed").await[0];
    let url = world.url("shipment", &format!("/v1/picking-lists/{list}/dispatch"));
    let staff = world.staff("warehouse-staff", "warehouse");
    let answer = staff.post(&url, &json!({})).await.expect("an answer");
    assert!(!answer.status.is_success(), "{}", answer.body);
    assert_undone(&world, "alice", order, "CARRIER").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_negative_verdict_cancels_what_is_still_here() {
    let settings = Settings {
        order: vec!["--verdict-deadline-ms", "500"],
        fraud: vec!["--late-verdict-ms", "3000"],
        ..Settings::default()
    };
    let world = World::with(&settings).await;
    let order = world
        .place("alice", with_card(&[("KETTLE", 1)], "tok_slow_stolen"))
        .await;
    // Small enough to go on by policy when the deadline passes.
    world.until_status("alice", order, "confirmed").await;
    assert_undone(&world, "alice", order, "FRAUD").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_negative_verdict_recalls_what_has_left() {
    let settings = Settings {
        order: vec!["--verdict-deadline-ms", "500"],
        fraud: vec!["--late-verdict-ms", "6000"],
        ..Settings::default()
    };
    let world = World::with(&settings).await;
    let order = world
        .place("alice", with_card(&[("KETTLE", 1)], "tok_slow_stolen"))
        .await;
    world.until_status("alice", order, "confirmed").await;
    world.warehouse(order, &["pick", "pack", "dispatch"]).await;
    world.until_status("alice", order, "shipped").await;
    crate::harness::until("the recall", async || {
        let recalls: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox WHERE type = 'OrderRecalled'")
                .fetch_one(world.pool("order"))
                .await
                .map_err(|error| error.to_string())?;
        if recalls == 1 {
            Ok(())
        } else {
            Err(format!("{recalls} recalls"))
        }
    })
    .await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_participant_does_not_hang_an_order_past_its_deadline() {
    let mut world = World::start().await;
    world.stop("inventory").await;
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.clock.advance(Duration::from_secs(24 * 3600));
    world.until_status("alice", order, "cancelling").await;

    // It returns, reserves late, and gives everything back.
    world.run("inventory", &Settings::default()).await;
    assert_undone(&world, "alice", order, "DEADLINE").await;
    world.close().await;
}
