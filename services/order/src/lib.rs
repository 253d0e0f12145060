//! Owns orders and what becomes of them: it is the saga's process manager.
//!
//! Publishes: `OrderPlaced`, `TransactionCreated`, `OrderConfirmed`, `OrderCancelled`,
//! `OrderCompleted`, `OrderRecalled`.
//! Consumes: `StockReserved`, `StockRejected`, `StockReleased`, `TransactionApproved`,
//! `TransactionBlocked`, `TransactionHeld`, `PickingListCreated`, `PickingListVoided`,
//! `ShipmentDispatched`, `ShipmentDelivered`, `ShipmentFailed`, `NotificationSent`,
//! `NotificationFailed`.

/// What an order is and how far it can be.
pub mod domain;
/// What happens next to it.
pub mod saga;

/// The three doors: Kafka, HTTP, the clock.
pub mod event_handlers;
mod http;
mod timekeeper;

/// Every SQL statement.
mod store;
/// Wakes requests that wait for news.
mod watch;

mod config;

use std::sync::Arc;

pub use config::Config;
use shared::contract::order::{
    OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRecalled, TransactionCreated,
};
use shared::service::Service;
use sqlx::migrate::Migrator;

pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/order");

pub fn service(config: Config) -> Service {
    let rules = Arc::new(config.rules());
    let watch = watch::Watch::default();
    let orders = http::Orders::of(&config, &rules, &watch);
    let events = event_handlers::OrderEvents {
        rules: Arc::clone(&rules),
        watch: watch.clone(),
    };
    Service::new("order", 8080, &MIGRATIONS)
        .publishes::<OrderPlaced>()
        .publishes::<TransactionCreated>()
        .publishes::<OrderConfirmed>()
        .publishes::<OrderCancelled>()
        .publishes::<OrderCompleted>()
        .publishes::<OrderRecalled>()
        .routes(move |rail| http::router(rail, orders))
        .consumes(events)
        .task("deadlines", move |rail| {
            timekeeper::keep_deadlines(rail, Arc::clone(&rules), watch.clone())
        })
        .task("idempotency keys", timekeeper::expire_keys)
}

/// The handler alone, for tests that decide themselves what a batch is.
pub fn event_handler(config: &Config) -> impl shared::consumer::EventHandler + use<> {
    event_handlers::OrderEvents {
        rules: Arc::new(config.rules()),
        watch: watch::Watch::default(),
    }
}
