//! The Kafka door.

use std::collections::BTreeSet;

use shared::batch::{Batch, Decision, HandlerError, Outgoing};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::order::{OrderCancelled, OrderPlaced};
use shared::contract::shipment::{PickingListVoided, ShipmentDispatched};
use sqlx::PgConnection;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::domain::{self, Book, Network, Order};
use crate::store;

/// The one batch handler.
#[derive(Default)]
pub struct Inventory {
    /// Warehouses change by migration only, so they are read once.
    network: OnceCell<Network>,
}

pub enum Incoming {
    OrderPlaced(OrderPlaced),
    OrderCancelled(OrderCancelled),
    PickingListVoided(PickingListVoided),
    ShipmentDispatched(ShipmentDispatched),
}

impl EventHandler for Inventory {
    type Incoming = Incoming;

    fn consumes() -> Consumes<Incoming> {
        Consumes::new()
            .on::<OrderPlaced>(Incoming::OrderPlaced)
            .on::<OrderCancelled>(Incoming::OrderCancelled)
            .on::<PickingListVoided>(Incoming::PickingListVoided)
            .on::<ShipmentDispatched>(Incoming::ShipmentDispatched)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Incoming>,
    ) -> Result<Outgoing, HandlerError> {
        let network = self
            .network
            .get_or_try_init(|| store::load_network(&mut *tx))
            .await?;
        let orders = store::load_orders(tx, &orders_touched(batch)).await?;
        let skus = skus_touched(batch, orders.values());
        let stock = store::load_stock(tx, &skus).await?;
        let mut book = Book::new(orders, stock);

        let outgoing = batch.fold(|received| {
            let cause = received.envelope.event_id;
            decide(&mut book, network, &received.event, cause)
        });

        store::save(tx, &book, batch.now).await?;

        Ok(outgoing)
    }
}

/// What an event leads to.
pub fn decide(book: &mut Book, network: &Network, event: &Incoming, cause: Uuid) -> Decision {
    match event {
        Incoming::OrderPlaced(event) => domain::reserve(book, network, event, cause),
        Incoming::OrderCancelled(event) => domain::cancel(book, event, cause),
        Incoming::PickingListVoided(event) => domain::void(book, event, cause),
        Incoming::ShipmentDispatched(event) => domain::ship(book, event, cause),
    }
}

impl Incoming {
    fn order_id(&self) -> Uuid {
        match self {
            Self::OrderPlaced(event) => event.order_id,
            Self::OrderCancelled(event) => event.order_id,
            Self::PickingListVoided(event) => event.order_id,
            Self::ShipmentDispatched(event) => event.order_id,
        }
    }
}

/// Sorted, because rows are locked in this order.
fn orders_touched(batch: &Batch<Incoming>) -> Vec<Uuid> {
    let mut orders: Vec<Uuid> = batch
        .events()
        .iter()
        .map(|received| received.event.order_id())
        .collect();
    orders.sort_unstable();
    orders.dedup();
    orders
}

/// Of the orders that come, and of those that were there.
fn skus_touched<'a>(
    batch: &'a Batch<Incoming>,
    orders: impl Iterator<Item = &'a Order>,
) -> Vec<String> {
    let mut skus = BTreeSet::new();
    for received in batch.events() {
        if let Incoming::OrderPlaced(placed) = &received.event {
            skus.extend(placed.lines.iter().map(|line| line.sku.as_str()));
        }
    }
    for order in orders {
        if let Order::Reserved(reservations) = order {
            skus.extend(
                reservations
                    .iter()
                    .flat_map(|held| held.skus.iter().map(String::as_str)),
            );
        }
    }
    skus.into_iter().map(str::to_owned).collect()
}
