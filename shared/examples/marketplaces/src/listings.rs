//! What a marketplace says that it offers.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use shared::delivery::Known;

#[derive(Deserialize)]
struct Listings {
    items: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    key: String,
    value: Value,
}

pub(crate) async fn look(client: reqwest::Client, url: String) -> anyhow::Result<Known> {
    let answer = client.get(url).send().await?.error_for_status()?;
    let listings: Listings = answer.json().await.context("its listings are unreadable")?;
    let listed = listings.items.into_iter();
    Ok(listed.map(|listing| (listing.key, listing.value)).collect())
}
