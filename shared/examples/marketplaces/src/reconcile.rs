//! Asks a marketplace what it knows, and tells it once more what it does not.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use shared::delivery;
use shared::rail::Rail;
use tokio::time::MissedTickBehavior;

use crate::Marketplace;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Listings {
    items: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    key: String,
    value: Value,
}

/// Runs until the service stops.
pub(crate) async fn run(
    rail: Rail,
    marketplace: Marketplace,
    interval: Duration,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut differed = HashSet::new();
    loop {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // While it is away its lane keeps what is new, and the next look finds what is missing.
        match look(&client, &marketplace).await {
            Ok(known) => differed = repair(&rail, &marketplace.channel, &known, differed).await?,
            Err(error) => tracing::debug!(error = %error, "{error:#}"),
        }
    }
}

async fn look(
    client: &reqwest::Client,
    marketplace: &Marketplace,
) -> anyhow::Result<HashMap<String, Value>> {
    let answer = client
        .get(marketplace.listings())
        .send()
        .await?
        .error_for_status()?;
    let listings: Listings = answer.json().await.context("its listings are unreadable")?;
    let listed = listings
        .items
        .into_iter()
        .map(|listing| (listing.key, listing.value));
    Ok(listed.collect())
}

/// What differs twice in a row is told again. Once may be a sale that we have not heard of yet: to
/// repair that would offer the unit for sale a second time.
async fn repair(
    rail: &Rail,
    channel: &str,
    known: &HashMap<String, Value>,
    differed: HashSet<String>,
) -> anyhow::Result<HashSet<String>> {
    let told = delivery::settled(rail.pool(), channel).await?;
    let differs: HashSet<String> = told
        .into_iter()
        .filter(|(sku, payload)| known.get(sku) != Some(payload))
        .map(|(sku, _)| sku)
        .collect();
    let again: Vec<String> = differs.intersection(&differed).cloned().collect();
    if !again.is_empty() {
        let repeated = delivery::repeat(rail.pool(), channel, &again).await?;
        tracing::info!(
            channel,
            repeated,
            "{channel} did not know {repeated} levels"
        );
    }
    Ok(differs)
}
