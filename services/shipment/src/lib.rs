//! Owns picking lists and parcels.
//!
//! Publishes: `PickingListCreated`, `PickingListVoided`, `ShipmentDispatched`, `ShipmentDelivered`,
//! `ShipmentFailed`.
//! Consumes: `OrderPlaced`, `StockReserved`, `OrderConfirmed`, `OrderCancelled`.
//!
//! Part of a choreography until the cancellation; then this service alone decides, under the lock
//! of the order's row, whether the order is void or goes forward.

use std::sync::Arc;
use std::time::Duration;

use shared::contract::shipment::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use shared::service::Service;
use sqlx::migrate::Migrator;

mod config;

pub mod domain;
pub mod event_handlers;
mod http;

mod automatic;
mod carrier;
mod warehouse;

mod store;

pub use config::Config;

use automatic::Pace;
use carrier::{Carrier, SimPost};
use event_handlers::EventHandlers;
use warehouse::Warehouse;

pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/shipment");

pub fn service(config: Config) -> Service {
    let carrier: Arc<dyn Carrier> = Arc::new(SimPost::new(&config));
    let carrier_timeout = Duration::from_millis(config.carrier_timeout_ms);
    let warehouse = move |rail| Warehouse::new(rail, Arc::clone(&carrier), carrier_timeout);
    let staff = warehouse.clone();

    let service = Service::new("shipment", 8083, &MIGRATIONS)
        .publishes::<PickingListCreated>()
        .publishes::<PickingListVoided>()
        .publishes::<ShipmentDispatched>()
        .publishes::<ShipmentDelivered>()
        .publishes::<ShipmentFailed>()
        .routes(move |rail| http::router(warehouse(rail)))
        .consumes(EventHandlers);
    if !config.warehouse_automatic {
        return service;
    }
    let pace = Pace {
        step: Duration::from_millis(config.warehouse_step_ms),
        carrier_repeats: config.carrier_repeats,
    };
    service.task("warehouse staff", move |rail| {
        automatic::run(staff(rail), pace)
    })
}

/// The handler alone, for tests that decide themselves what a batch is.
pub fn event_handler(_: &Config) -> impl shared::consumer::EventHandler + use<> {
    EventHandlers
}
