//! The Kafka door.

use shared::batch::{Batch, Events, HandlerError, Outgoing};
use shared::consumer::{Consumes, EventHandler};
use sqlx::PgConnection;
use tokio::task::block_in_place;

use super::{domain, store};
use crate::contract::ImageUploaded;

pub(crate) struct Thumbnails;

impl EventHandler for Thumbnails {
    type Incoming = ImageUploaded;

    fn consumes() -> Consumes<ImageUploaded> {
        Consumes::new().on::<ImageUploaded>(|event| event)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<ImageUploaded>,
    ) -> Result<Outgoing, HandlerError> {
        let mut thumbnails = Vec::new();
        // Decoding takes a core for a while; whoever asks for a thumbnail gets another thread.
        let outgoing = block_in_place(|| {
            batch.fold(|received| {
                let image = &received.event;
                let png = domain::thumbnail(&image.picture, &image.content_type)?;
                thumbnails.push((image.image_id, png));
                Ok(Events::none())
            })
        });

        store::save_thumbnails(tx, thumbnails).await?;

        Ok(outgoing)
    }
}
