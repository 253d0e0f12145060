//! The Kafka door: each level becomes a request to each marketplace that sells it.

use serde_json::json;
use shared::batch::{Batch, HandlerError, Outgoing, Received};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::inventory::StockLevelChanged;
use shared::delivery::{self, Request};
use sqlx::PgConnection;

use crate::Marketplace;

pub(crate) struct Marketplaces {
    channels: Vec<String>,
}

impl Marketplaces {
    pub(crate) fn new(marketplaces: &[Marketplace]) -> Self {
        let channels = marketplaces
            .iter()
            .map(|marketplace| marketplace.channel.clone());
        Self {
            channels: channels.collect(),
        }
    }

    /// A channel that inventory does not know gets nothing to sell.
    fn requests(&self, received: &Received<StockLevelChanged>) -> impl Iterator<Item = Request> {
        self.channels.iter().map(|channel| {
            let level = received
                .event
                .channels
                .iter()
                .find(|level| level.channel == *channel);
            Request {
                lane: channel.clone(),
                key: received.event.sku.clone(),
                payload: json!({ "available": level.map_or(0, |level| level.available) }),
                cause: received.cause.clone(),
            }
        })
    }
}

impl EventHandler for Marketplaces {
    type Incoming = StockLevelChanged;

    fn consumes() -> Consumes<StockLevelChanged> {
        Consumes::new().on::<StockLevelChanged>(|event| event)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<StockLevelChanged>,
    ) -> Result<Outgoing, HandlerError> {
        let requests = batch
            .events()
            .iter()
            .flat_map(|received| self.requests(received));
        delivery::request(tx, requests).await?;

        Ok(Outgoing::none())
    }
}
