//! The Kafka door.

use shared::batch::{Batch, Events, HandlerError, Outgoing};
use shared::consumer::{Consumes, EventHandler};
use sqlx::PgConnection;

use super::store;
use crate::contract::ImageUploaded;

pub(crate) struct Profiles;

impl EventHandler for Profiles {
    type Incoming = ImageUploaded;

    fn consumes() -> Consumes<ImageUploaded> {
        Consumes::new().on::<ImageUploaded>(|event| event)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<ImageUploaded>,
    ) -> Result<Outgoing, HandlerError> {
        let users = batch.events().iter().map(|image| &image.event.user_id);
        let mut profiles = store::load_profiles(tx, users).await?;

        let outgoing = batch.fold(|received| {
            let image = &received.event;
            profiles
                .entry(image.user_id.clone())
                .or_default()
                .add(image);
            Ok(Events::none())
        });

        store::save_profiles(tx, profiles).await?;

        Ok(outgoing)
    }
}
