//! Owns what each marketplace was told about our stock.
//!
//! Publishes: nothing. Consumes: `StockLevelChanged`.
//!
//! - **A marketplace that is slow or away delays no other**: each has a lane of its own.
//! - **What a marketplace missed or forgot is repaired**: it is asked what it knows, and told what
//!   it does not.

mod event_handlers;
mod listings;

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use shared::delivery::Lane;
use shared::service::Service;

use event_handlers::Marketplaces;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Channels and where their marketplaces are: `amazon=http://127.0.0.1:8191,ebay=…`
    #[arg(long, env = "MARKETPLACES", value_delimiter = ',', value_parser = marketplace)]
    marketplaces: Vec<Marketplace>,
    /// Requests a second that a marketplace takes from us.
    #[arg(long, env = "MARKETPLACE_PER_SECOND", default_value = "20")]
    marketplace_per_second: NonZeroU32,
    /// How often a marketplace is asked what it knows.
    #[arg(long, env = "RECONCILE_INTERVAL_MS", default_value_t = 2000)]
    reconcile_interval_ms: u64,
}

/// One channel's marketplace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marketplace {
    channel: String,
    url: String,
}

pub fn service(config: Config) -> Service {
    let service = Service::new("marketplaces", 8101, None)
        .conversation("sku")
        .consumes(Marketplaces::new(&config.marketplaces));
    let interval = Duration::from_millis(config.reconcile_interval_ms);
    config
        .marketplaces
        .into_iter()
        .fold(service, |service, marketplace| {
            let lane = Lane {
                name: marketplace.channel.clone(),
                per_second: config.marketplace_per_second,
                // A level stands for itself, so the order between SKUs does not matter.
                at_once: 8,
                probe_every_max: Duration::from_secs(4),
            };
            let listings = format!("{}/listings", marketplace.url);
            let theirs = listings.clone();
            service
                .delivers(lane, move |client, delivery| {
                    client
                        .put(format!("{listings}/{}", delivery.key))
                        .json(&delivery.payload)
                })
                .reconciles(marketplace.channel, interval, move |client| {
                    listings::look(client, theirs.clone())
                })
        })
}

fn marketplace(text: &str) -> Result<Marketplace, String> {
    let (channel, url) = text
        .split_once('=')
        .filter(|(channel, url)| !channel.is_empty() && url.starts_with("http"))
        .ok_or_else(|| format!("{text:?} is not CHANNEL=URL"))?;
    Ok(Marketplace {
        channel: channel.to_owned(),
        url: url.trim_end_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Marketplace, marketplace};

    #[test]
    fn a_marketplace_is_a_channel_and_an_address() {
        let amazon = Marketplace {
            channel: "amazon".to_owned(),
            url: "http://127.0.0.1:8191".to_owned(),
        };
        assert_eq!(marketplace("amazon=http://127.0.0.1:8191/"), Ok(amazon));
        assert!(marketplace("amazon").is_err());
        assert!(marketplace("=http://127.0.0.1:8191").is_err());
    }
}
