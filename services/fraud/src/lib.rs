//! Owns transactions, rolling windows per customer and card, decisions and the review queue.
//! Publishes: `TransactionApproved`, `TransactionBlocked`, `TransactionHeld`.
//! Consumes: `TransactionCreated`, `OrderCancelled`.
//!
//! How a verdict comes about, and how to reach each from outside, stands in [`domain`].

pub mod config;
pub mod domain;
pub mod event_handlers;
pub mod http;
pub mod model;

mod bureau;
mod store;

use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::service::Service;
use sqlx::migrate::Migrator;

pub use config::Config;

pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/fraud");

/// Everything that runs in this process.
pub fn service(config: Config) -> Service {
    let policy = config.policy();
    Service::new("fraud", 8085, &MIGRATIONS)
        .publishes::<TransactionApproved>()
        .publishes::<TransactionHeld>()
        .publishes::<TransactionBlocked>()
        .routes(http::router)
        .consumes(event_handlers::Handler::new(policy, config.scoring_delay()))
        .task("bureau answers", move |rail| {
            bureau::take_answers(rail, policy)
        })
}

/// The handler alone, for tests that decide themselves what a batch is.
pub fn event_handler(config: &Config) -> impl shared::consumer::EventHandler + use<> {
    event_handlers::Handler::new(config.policy(), config.scoring_delay())
}
