//! Our stock on three marketplaces, each of which is slow, strict, away or forgetful at times.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::provider::Provider;
use crate::harness::world::{Settings, order_of};
use crate::harness::{World, defaults, until};

const CHANNELS: [&str; 3] = ["amazon", "ebay", "shopify"];

struct Market {
    world: World,
    providers: Vec<Provider>,
}

impl Market {
    async fn open(services: &[&'static str]) -> Self {
        let mut world = World::empty().await;
        let mut providers = Vec::new();
        for _ in CHANNELS {
            providers.push(Provider::start().await);
        }
        for name in services {
            world.run(name, &Settings::default()).await;
        }
        let places: Vec<String> = CHANNELS
            .iter()
            .zip(&providers)
            .map(|(channel, provider)| format!("{channel}={}", provider.url("")))
            .collect();
        let places = places.join(",");
        let service = || {
            marketplaces::service(defaults::of(&[
                "--marketplaces",
                &places,
                "--reconcile-interval-ms",
                "250",
            ]))
        };
        world.join("marketplaces", service).await;
        Self { world, providers }
    }

    /// What a channel offers of a SKU.
    async fn offers(&self, channel: usize, sku: &str) -> Result<i64, String> {
        let items = self.providers[channel].items("listings").await?;
        let item = items.iter().find(|item| item["key"] == sku);
        item.and_then(|item| item["value"]["available"].as_i64())
            .ok_or_else(|| format!("{} does not list {sku}", CHANNELS[channel]))
    }

    async fn until_offered(&self, channel: usize, sku: &str, units: i64) {
        let what = format!("{} to offer {units} of {sku}", CHANNELS[channel]);
        until(&what, async || match self.offers(channel, sku).await? {
            offered if offered == units => Ok(()),
            offered => Err(format!("it offers {offered}")),
        })
        .await;
    }

    async fn sell(&self, channel: usize, sku: &str, quantity: u32) -> Uuid {
        let mut order = order_of(&[(sku, quantity)]);
        order["channel"] = json!(CHANNELS[channel]);
        order["external_ref"] = json!(shared::event::new_id().to_string());
        self.world.place("shopper", order).await
    }

    async fn set_buffer(&self, channel: &str, body: &Value) -> (u16, Value) {
        let url = self
            .world
            .url("inventory", &format!("/v1/channels/{channel}/buffer"));
        let staff = self.world.staff("stock-keeper", "stock");
        let answer = staff.put(&url, body).await.expect("inventory answers");
        (answer.status.as_u16(), answer.body)
    }
}

#[tokio::test]
async fn what_one_channel_sells_every_other_stops_offering() {
    let market = Market::open(&["order", "inventory"]).await;
    market.until_offered(0, "APRON", 5).await;

    market.sell(0, "APRON", 2).await;

    for channel in 0..CHANNELS.len() {
        market.until_offered(channel, "APRON", 3).await;
    }
    market.world.close().await;
}

#[tokio::test]
async fn a_dead_marketplace_delays_no_other_and_is_right_when_it_returns() {
    let mut market = Market::open(&["order", "inventory"]).await;
    market.until_offered(1, "APRON", 5).await;

    market.providers[1].kill();
    market.sell(0, "APRON", 1).await;
    market.until_offered(0, "APRON", 4).await;
    market.until_offered(2, "APRON", 4).await;
    market.providers[1].restart().await;

    market.until_offered(1, "APRON", 4).await;
    // What had been told before it lost its memory is told again.
    market.until_offered(1, "KNIFE", 0).await;
    market.until_offered(1, "TRAY", 30).await;
    market.world.close().await;
}

#[tokio::test]
async fn a_marketplace_that_forgets_is_told_again() {
    let market = Market::open(&["inventory"]).await;
    market.until_offered(2, "TRAY", 30).await;

    let forgotten = reqwest::Client::new()
        .delete(market.providers[2].url("/listings"))
        .send()
        .await;
    assert!(forgotten.expect("it answers").status().is_success());

    market.until_offered(2, "TRAY", 30).await;
    market.world.close().await;
}

#[tokio::test]
async fn a_slow_strict_and_faulty_marketplace_ends_up_right() {
    let market = Market::open(&["order", "inventory"]).await;
    let faults = json!({ "latency_ms": 100, "per_second": 5, "fail_every": 3 });
    market.providers[0].suffer(faults).await;

    for _ in 0..4 {
        market.sell(1, "TRAY", 1).await;
    }

    market.until_offered(1, "TRAY", 26).await;
    market.until_offered(0, "TRAY", 26).await;
    market.world.close().await;
}

#[tokio::test]
async fn a_buffer_is_kept_back_from_its_channel_alone() {
    let market = Market::open(&["inventory"]).await;
    market.until_offered(1, "APRON", 5).await;

    let (status, view) = market.set_buffer("ebay", &json!({ "buffer": 4 })).await;

    assert_eq!((status, &view["buffer"]), (200, &json!(4)));
    market.until_offered(1, "APRON", 1).await;
    market.until_offered(1, "KNIFE", 0).await;
    market.until_offered(0, "APRON", 5).await;
    let reader = market.world.client("reader");
    let url = market.world.url("inventory", "/v1/stock/APRON");
    let stock = reader.get(&url).await.expect("inventory answers").body;
    let expected = json!({ "amazon": 5, "ebay": 1, "shopify": 5, "web": 5 });
    assert_eq!(stock["channels"], expected);
    market.world.close().await;
}

#[tokio::test]
async fn a_buffer_that_makes_no_sense_is_refused() {
    let market = Market::open(&["inventory"]).await;
    let refused = async |channel: &str, body: Value| market.set_buffer(channel, &body).await.0;

    assert_eq!(refused("ebay", json!({ "buffer": -1 })).await, 422);
    assert_eq!(refused("ebay", json!({ "buffer": 1_000_001 })).await, 422);
    assert_eq!(refused("ebay", json!({ "buffer": "4" })).await, 422);
    assert_eq!(
        refused("ebay", json!({ "buffer": 4, "sku": "MUG" })).await,
        422
    );
    assert_eq!(refused("etsy", json!({ "buffer": 4 })).await, 404);
    let url = market.world.url("inventory", "/v1/channels/ebay/buffer");
    let customer = market.world.client("customer");
    let answer = customer.put(&url, &json!({ "buffer": 4 })).await;
    assert_eq!(answer.expect("inventory answers").status, 403);
    market.world.close().await;
}

#[tokio::test]
async fn of_the_last_units_that_two_channels_sell_none_is_sold_twice() {
    let names = ["order", "inventory", "shipment", "notification", "fraud"];
    let market = Market::open(&names).await;

    let (first, second) = tokio::join!(market.sell(0, "APRON", 3), market.sell(1, "APRON", 3));

    let mut ends = Vec::new();
    for order in [first, second] {
        let what = format!("order {order} to be decided");
        let end = until(&what, async || {
            let view = market.world.order("shopper", order).await;
            match view["status"].as_str() {
                Some(status @ ("confirmed" | "cancelled")) => Ok(status.to_owned()),
                _ => Err(view.to_string()),
            }
        });
        ends.push(end.await);
    }
    ends.sort();
    assert_eq!(ends, ["cancelled", "confirmed"]);
    for channel in 0..CHANNELS.len() {
        market.until_offered(channel, "APRON", 2).await;
    }
    market.world.close().await;
}
