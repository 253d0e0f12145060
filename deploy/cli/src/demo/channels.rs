//! Stories of stock that is sold on several marketplaces.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::forward::is_fulfilled;
use super::scene::Scene;
use super::stage::Stage;
use super::wait::{PATIENCE, until};
use crate::basket::Basket;
use crate::beside::MARKETPLACES;

const RIGHT_WITHIN: Duration = Duration::from_secs(5);
const RIGHT_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// Whoever sells, all others soon offer no more than is left.
pub(super) async fn is_sold_on_one(scene: &Scene<'_>) -> anyhow::Result<()> {
    const SKU: &str = "POT";
    scene.place(Basket::of(SKU, 2).on("amazon")).await?;
    let left = free(scene, SKU).await?;
    match offered_everywhere(scene.stage, SKU, left, &[], RIGHT_WITHIN).await {
        Ok(()) => scene.saw("every channel right in 5 s"),
        Err(error) => scene.saw(format!("{error:#}")),
    }
    is_fulfilled(scene).await
}

/// One marketplace is gone while another sells; it comes back and has forgotten everything.
pub(super) async fn outlasts_a_marketplace(scene: &Scene<'_>) -> anyhow::Result<()> {
    const SKU: &str = "MUG";
    let stack = &scene.stage.stack;
    stack.kill("ebay").await?;
    scene.place(Basket::of(SKU, 3).on("shopify")).await?;
    let left = free(scene, SKU).await?;
    match offered_everywhere(scene.stage, SKU, left, &["ebay"], RIGHT_WITHIN).await {
        Ok(()) => scene.saw("others right meanwhile"),
        Err(error) => scene.saw(format!("{error:#}")),
    }
    stack.restart("ebay").await?;
    match offered_everywhere(scene.stage, SKU, left, &[], RIGHT_AGAIN_WITHIN).await {
        Ok(()) => scene.saw("right again in 10 s"),
        Err(error) => scene.saw(format!("{error:#}")),
    }
    is_fulfilled(scene).await
}

/// Two marketplaces sell the same last trays before either has heard of the other.
pub(super) async fn sells_the_last(scene: &Scene<'_>) -> anyhow::Result<()> {
    const SKU: &str = "TRAY";
    let last = u64::try_from(free(scene, SKU).await?).context("it is a small number")?;
    let [ours, theirs] =
        ["amazon", "ebay"].map(|channel| Basket::of(SKU, last / 2 + 1).on(channel).request());
    let [our_key, their_key] = [(); 2].map(|()| shared::event::new_id().to_string());
    let (ours, theirs) = tokio::try_join!(
        scene.request(&our_key, &ours),
        scene.request(&their_key, &theirs),
    )?;
    let mut decided = Vec::new();
    for accepted in [ours.ok()?, theirs.ok()?] {
        let path = format!("/{}", accepted["order_id"].as_str().unwrap_or_default());
        let status = until("the order to be decided", PATIENCE, async || {
            let view = scene.look(&path).await?;
            let status = view["status"].as_str().unwrap_or_default().to_owned();
            let is_decided = matches!(status.as_str(), "confirmed" | "cancelled");
            Ok(if is_decided { Ok(status) } else { Err(status) })
        });
        decided.push((status.await?, accepted));
    }
    decided.sort_by(|(a, _), (b, _)| b.cmp(a));
    scene.saw(format!("one {}, one {}", decided[0].0, decided[1].0));
    scene.keep(&decided[0].1)?;
    let left = free(scene, SKU).await?;
    offered_everywhere(scene.stage, SKU, left, &[], RIGHT_AGAIN_WITHIN).await?;
    is_fulfilled(scene).await
}

/// Units that nobody was promised.
async fn free(scene: &Scene<'_>, sku: &str) -> anyhow::Result<i64> {
    // An order that was placed just now has to be booked first.
    if scene.placed().is_some() {
        scene.until("stock", "reserved").await?;
    }
    let (levels, _) = scene.stock_book(sku).await?;
    levels["available"]
        .as_i64()
        .with_context(|| format!("{sku} has no level: {levels}"))
}

/// Waits until every marketplace, but for some, offers so many units.
async fn offered_everywhere(
    stage: &Stage,
    sku: &str,
    units: i64,
    but_for: &[&str],
    within: Duration,
) -> anyhow::Result<()> {
    for marketplace in MARKETPLACES.providers {
        if but_for.contains(&marketplace.name) {
            continue;
        }
        let url = format!("{}/listings", marketplace.url(&stage.layout));
        let what = format!("{} units of {sku} on {}", units, marketplace.name);
        until(&what, within, async || {
            let listings: Value = reqwest::get(&url).await?.json().await?;
            let items = listings["items"].as_array().cloned().unwrap_or_default();
            let item = items.into_iter().find(|item| item["key"] == sku);
            let offered = item.map_or(Value::Null, |item| item["value"]["available"].clone());
            Ok(if offered == json!(units) {
                Ok(())
            } else {
                Err(format!("it offers {offered}"))
            })
        })
        .await?;
    }
    Ok(())
}
