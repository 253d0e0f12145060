//! Stories in which something goes wrong that the customer must not notice.

use anyhow::Context;

use super::forward::is_fulfilled;
use super::redelivery::{Repeat, publish_bytes, records, redeliver};
use super::scene::Scene;
use super::wait::{PATIENCE, until};
use crate::basket::Basket;

/// A client that did not hear the answer sends its request again.
pub(super) async fn is_requested_twice(scene: &Scene<'_>) -> anyhow::Result<()> {
    let (key, request) = (
        shared::event::new_id().to_string(),
        Basket::of("POT", 1).request(),
    );
    let first = scene.request(&key, &request).await?.ok()?;
    scene.keep(&first)?;
    let again = scene.request(&key, &request).await?.ok()?;
    let orders = scene.look("").await?["orders"]
        .as_array()
        .map_or(0, Vec::len);
    if orders == 1 && first == again {
        scene.saw("one order, told twice");
    } else {
        scene.saw(format!(
            "{orders} orders, told {} and {}",
            first["order_id"], again["order_id"]
        ));
    }
    is_fulfilled(scene).await
}

/// As after a relay's crash: the same bytes come again under new offsets, to a service that
/// reserves stock upon them and to one that tells what it skipped.
pub(super) async fn is_delivered_twice(scene: &Scene<'_>) -> anyhow::Result<()> {
    const SKU: &str = "TEAPOT";
    scene.place(Basket::of(SKU, 1)).await?;
    scene.until("status", "confirmed").await?;
    let before = scene.stock_book(SKU).await?;
    let skipped_before = duplicates_of_inventory(scene).await?;

    let kafka = scene.stage.layout.endpoints().kafka;
    for (topic, event) in [
        ("order.events", "OrderPlaced"),
        ("inventory.events", "StockReserved"),
    ] {
        let key = scene.order()?.order_id.to_string();
        redeliver(&kafka, Repeat { topic, event, key })
            .await
            .with_context(|| event)?;
    }
    until("both repeats to be skipped", PATIENCE, async || {
        let inventory = duplicates_of_inventory(scene).await? > skipped_before;
        let order = timeline_shows_duplicate(scene, "StockReserved").await?;
        let missing = format!("skipped by inventory: {inventory}, by order: {order}");
        Ok(if inventory && order {
            Ok(())
        } else {
            Err(missing)
        })
    })
    .await?;

    let after = scene.stock_book(SKU).await?;
    if before == after {
        scene.saw("repeats changed nothing");
    } else {
        scene.saw(format!(
            "stock was {} and is {} after the repeats",
            before.0, after.0
        ));
    }
    is_fulfilled(scene).await
}

/// A record that is no event, under the order's own key: every reader sets it aside.
pub(super) async fn outlasts_a_bad_record(scene: &Scene<'_>) -> anyhow::Result<()> {
    const TOPIC: &str = "order.events";
    scene.place(Basket::of("BOARD", 1)).await?;
    let kafka = scene.stage.layout.endpoints().kafka;
    let key = scene.order()?.order_id.to_string();
    publish_bytes(&kafka, TOPIC, &key, b"this is no event").await?;

    let readers = ["inventory", "fraud", "shipment", "notification"];
    let letters = until("every reader's dead letter", PATIENCE, async || {
        let mut letters = 0;
        for reader in readers {
            letters += records(&kafka, format!("{TOPIC}.{reader}.dlt")).await?;
        }
        Ok(if letters >= 4 {
            Ok(letters)
        } else {
            Err(format!("{letters} of 4"))
        })
    })
    .await?;
    scene.saw(format!("{letters} dead letters"));
    is_fulfilled(scene).await
}

/// Others go on without it, and it does its part when it is back.
pub(super) async fn outlasts_shipment(scene: &Scene<'_>) -> anyhow::Result<()> {
    let stage = scene.stage;
    stage.progress.say("demo", "stops shipment");
    stage.stack.stop("shipment").await?;
    scene.place(Basket::of("KETTLE", 1)).await?;
    let meanwhile = scene.until("status", "confirmed").await;
    // Others need it, however this went.
    stage.progress.say("demo", "starts shipment again");
    stage.stack.restart("shipment").await?;
    meanwhile?;
    scene.saw("confirmed meanwhile");
    is_fulfilled(scene).await
}

async fn timeline_shows_duplicate(scene: &Scene<'_>, event: &str) -> anyhow::Result<bool> {
    let timeline = scene
        .look(&format!("/{}/timeline", scene.order()?.order_id))
        .await?;
    let mut entries = timeline["entries"].as_array().into_iter().flatten();
    Ok(entries.any(|entry| entry["duplicate"] == true && entry["type"] == event))
}

/// What inventory has skipped so far. Its metrics are the only place that tells.
async fn duplicates_of_inventory(scene: &Scene<'_>) -> anyhow::Result<f64> {
    const COUNTER: &str = "ticketrail_inbox_duplicates_total{";
    let ports = scene
        .stage
        .layout
        .ports()
        .service("inventory")
        .context("inventory has ports")?;
    let url = format!("{}/metrics", ports.operations());
    let http = reqwest::Client::builder().no_proxy().build()?;
    let metrics = http
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let counted = metrics.lines().filter(|line| line.starts_with(COUNTER));
    Ok(counted
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}
