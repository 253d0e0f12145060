//! The Kafka door. It writes rows and knows no index: **what is found was committed.**

use shared::batch::{Batch, HandlerError, Outgoing};
use shared::consumer::{Consumes, EventHandler};
use sqlx::PgConnection;

use super::store;
use crate::contract::ImageUploaded;

pub(crate) struct Search;

impl EventHandler for Search {
    type Incoming = ImageUploaded;

    fn consumes() -> Consumes<ImageUploaded> {
        Consumes::new().on::<ImageUploaded>(|event| event)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<ImageUploaded>,
    ) -> Result<Outgoing, HandlerError> {
        let images = batch.events().iter().map(|received| &received.event);
        store::save_images(tx, images).await?;

        Ok(Outgoing::none())
    }
}
