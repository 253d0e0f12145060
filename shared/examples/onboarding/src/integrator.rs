//! From a new user to what a provider is told.

use serde_json::{Value, json};
use shared::batch::{Batch, HandlerError, Outgoing};
use shared::consumer::{Consumes, EventHandler};
use shared::delivery::{self, Request};
use sqlx::PgConnection;

use crate::contract::UserSignedUp;

/// What a provider is told of a user.
pub(crate) type Work = fn(&UserSignedUp) -> Value;

pub(crate) fn invitation(user: &UserSignedUp) -> Value {
    let text = format!("Welcome, {}!", user.name);
    json!({ "user_id": user.user_id, "email": user.email, "text": text })
}

pub(crate) fn booking(user: &UserSignedUp) -> Value {
    let title = format!("First steps with {}", user.name);
    json!({ "user_id": user.user_id, "attendee": user.email, "title": title, "minutes": 30 })
}

pub(crate) struct Integrator {
    /// Of the service, and of its one lane.
    pub(crate) name: &'static str,
    pub(crate) work: Work,
}

impl EventHandler for Integrator {
    type Incoming = UserSignedUp;

    fn consumes() -> Consumes<UserSignedUp> {
        Consumes::new().on::<UserSignedUp>(|event| event)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<UserSignedUp>,
    ) -> Result<Outgoing, HandlerError> {
        let requests = batch.events().iter().map(|received| Request {
            lane: self.name.to_owned(),
            key: received.event.user_id.to_string(),
            payload: (self.work)(&received.event),
            cause: received.cause.clone(),
        });
        delivery::request(tx, requests).await?;

        Ok(Outgoing::none())
    }
}
