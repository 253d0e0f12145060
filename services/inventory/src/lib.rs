//! Owns stock levels, reservations and the stock ledger.
//!
//! Publishes: `StockReserved`, `StockRejected`, `StockReleased`, `StockLevelChanged`, `LowStock`.
//! Consumes: `OrderPlaced`, `OrderCancelled`, `PickingListVoided`, `ShipmentDispatched`.

use shared::contract::inventory::{
    LowStock, StockLevelChanged, StockRejected, StockReleased, StockReserved,
};
use shared::service::Service;
use sqlx::migrate::Migrator;

pub mod config;

pub mod domain;
pub mod event_handlers;
mod feed;
mod http;
mod store;

use config::Config;

pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/inventory");

pub fn service(config: Config) -> Service {
    Service::new("inventory", 8082, &MIGRATIONS)
        .publishes::<StockReserved>()
        .publishes::<StockRejected>()
        .publishes::<StockReleased>()
        .publishes::<StockLevelChanged>()
        .publishes::<LowStock>()
        .routes(http::router)
        .consumes(event_handlers::Inventory::default())
        .task("stock level feed", move |rail| {
            feed::run(rail, config.stock_level_interval())
        })
}

/// The handler alone, for tests that decide themselves what a batch is.
pub fn event_handler(_: &Config) -> impl shared::consumer::EventHandler + use<> {
    event_handlers::Inventory::default()
}
