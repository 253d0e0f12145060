//! The Kafka door.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use shared::batch::{Batch, Decision, HandlerError, Outgoing, Received};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::inventory::StockReserved;
use shared::contract::order::{OrderCancelled, OrderConfirmed, OrderPlaced};
use shared::event::new_id;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{self, Fulfilment};
use crate::store;

/// The one batch handler.
pub struct EventHandlers;

/// What shipment listens to.
pub enum Incoming {
    OrderPlaced(OrderPlaced),
    StockReserved(StockReserved),
    OrderConfirmed(OrderConfirmed),
    OrderCancelled(OrderCancelled),
}

impl EventHandler for EventHandlers {
    type Incoming = Incoming;

    fn consumes() -> Consumes<Incoming> {
        Consumes::new()
            .on::<OrderPlaced>(Incoming::OrderPlaced)
            .on::<StockReserved>(Incoming::StockReserved)
            .on::<OrderConfirmed>(Incoming::OrderConfirmed)
            .on::<OrderCancelled>(Incoming::OrderCancelled)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Incoming>,
    ) -> Result<Outgoing, HandlerError> {
        let mut fulfilments = store::load_fulfilments(tx, orders_touched(batch)).await?;

        let outgoing = batch.fold(|received| {
            let fulfilment = fulfilments.of(received.event.order_id());
            decide(fulfilment, received, batch.now, new_id)
        });

        store::save_fulfilments(tx, &fulfilments).await?;

        Ok(outgoing)
    }
}

/// What an event leads to.
pub fn decide(
    fulfilment: &mut Fulfilment,
    received: &Received<Incoming>,
    now: DateTime<Utc>,
    new_id: impl FnMut() -> Uuid,
) -> Decision {
    match &received.event {
        Incoming::OrderPlaced(event) => domain::place(fulfilment, event, now, new_id),
        Incoming::StockReserved(event) => domain::allocate(fulfilment, event, now, new_id),
        Incoming::OrderConfirmed(_) => {
            domain::confirm(fulfilment, received.cause.traceparent(), now)
        }
        Incoming::OrderCancelled(_) => domain::cancel(fulfilment, now),
    }
}

impl Incoming {
    fn order_id(&self) -> Uuid {
        match self {
            Self::OrderPlaced(event) => event.order_id,
            Self::StockReserved(event) => event.order_id,
            Self::OrderConfirmed(event) => event.order_id,
            Self::OrderCancelled(event) => event.order_id,
        }
    }
}

fn orders_touched(batch: &Batch<Incoming>) -> BTreeSet<Uuid> {
    batch
        .events()
        .iter()
        .map(|received| received.event.order_id())
        .collect()
}
