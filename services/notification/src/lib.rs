//! Owns notifications and contacts.
//! Publishes: `NotificationSent`, `NotificationFailed`.
//! Consumes: `OrderPlaced`, `OrderConfirmed`, `OrderCancelled`, `OrderRecalled`,
//! `ShipmentDispatched`, `LowStock`.
//!
//! - **A batch only writes down what to tell.** Mail servers are slow and away at times; that holds
//!   up no partition.
//! - **At least once outside, once in our tables.** Each cause has one row, and its success is
//!   recorded and published once per request to send. A mail that the server accepted while this
//!   process died before recording it is sent again, with the same Message-ID.
//! - **No transaction is open while a mail is on its way.**

pub mod config;
pub mod domain;
pub mod event_handlers;
pub mod http;

mod mailer;
mod sender;
mod smtp;
mod store;
mod templates;

use shared::contract::notification::{NotificationFailed, NotificationSent};
use shared::service::Service;
use sqlx::migrate::Migrator;

pub use config::Config;

pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/notification");

/// Everything that runs in this process.
pub fn service(config: Config) -> Service {
    Service::new("notification", 8084, &MIGRATIONS)
        .publishes::<NotificationSent>()
        .publishes::<NotificationFailed>()
        .routes(http::router)
        .consumes(event_handlers::Handler::new(config.addressing()))
        .task("mail sender", move |rail| {
            sender::send_mails(rail, config.clone())
        })
}

/// The handler alone, for tests that decide themselves what a batch is.
pub fn event_handler(config: &Config) -> impl shared::consumer::EventHandler + use<> {
    event_handlers::Handler::new(config.addressing())
}
