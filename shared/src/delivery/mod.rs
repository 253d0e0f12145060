//! The way to somebody outside: what is to be told to a provider is a row of the transaction that
//! caused it, and is told afterwards, lane by lane.
//!
//! ```text
//! handler ─► request ─COMMIT─► lane: own, take in order, pace, ask ─► settle
//! ```
//!
//! - **No transaction is open and no partition waits while a provider is asked.**
//! - **A lane has one owner at a time** (an advisory lock, as the relay's shards), who asks in the
//!   order of the requests.
//! - **At least once, always under the same idempotency key**: that a repeat has no second effect
//!   is the provider's part.
//! - **What a provider missed or forgot can be repaired**, where it can be asked what it knows.
//! - **A provider that is away costs a probe now and then**; everything else of its lane waits, and
//!   what waits is a gauge.

mod answer;
mod lane;
mod reconcile;
mod store;

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use uuid::Uuid;

pub use answer::Answer;
pub(crate) use lane::run;
pub use lane::{Ask, Lane};
pub use reconcile::Known;
pub(crate) use reconcile::run as reconcile;

use crate::batch::Cause;

/// The tables of this module, for services that deliver.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/deliveries");

/// What a provider is to be told.
#[derive(Debug, Clone)]
pub struct Request {
    pub lane: String,
    /// What it is about: a user, a SKU. There is one delivery for each; a newer request that asks
    /// for something else takes its place.
    pub key: String,
    pub payload: Value,
    pub cause: Cause,
}

/// A request that waits to be told, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub lane: String,
    pub key: String,
    /// 1, 2, 3 … whenever something else, or the same once more, is asked for.
    pub revision: i32,
    pub payload: Value,
    pub attempts: i32,
    pub correlation_id: String,
    pub causation_id: Uuid,
    traceparent: Option<String>,
}

impl Delivery {
    /// The same for every attempt, by which the provider knows a repeat.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}-{}", self.lane, self.key, self.revision)
    }
}

/// Writes down what is to be told. Asking again for what was asked for changes nothing, so a
/// request has one effect however often its event comes.
pub async fn request(
    tx: &mut PgConnection,
    requests: impl IntoIterator<Item = Request>,
) -> Result<(), sqlx::Error> {
    store::request(tx, latest(requests)).await
}

/// The last request for each key, where the first one stood.
fn latest(requests: impl IntoIterator<Item = Request>) -> Vec<Request> {
    let mut latest: Vec<Request> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for request in requests {
        let place = *places
            .entry((request.lane.clone(), request.key.clone()))
            .or_insert(latest.len());
        if place == latest.len() {
            latest.push(request);
        } else {
            latest[place] = request;
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Request, latest};
    use crate::batch::Cause;

    #[test]
    fn of_requests_for_one_key_the_last_one_counts() {
        let asked = |key: &str, level: i32| Request {
            lane: "amazon".to_owned(),
            key: key.to_owned(),
            payload: json!(level),
            cause: Cause::stored(crate::event::new_id(), "x", None),
        };

        let left = latest([asked("KETTLE", 3), asked("MUG", 7), asked("KETTLE", 2)]);

        let left: Vec<_> = left
            .iter()
            .map(|request| (request.key.as_str(), request.payload.clone()))
            .collect();
        assert_eq!(left, [("KETTLE", json!(2)), ("MUG", json!(7))]);
    }
}
