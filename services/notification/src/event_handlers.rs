//! The Kafka door.

use std::collections::BTreeSet;

use shared::batch::{Batch, Events, HandlerError, Outgoing, Received};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::inventory::LowStock;
use shared::contract::order::{OrderCancelled, OrderConfirmed, OrderPlaced, OrderRecalled};
use shared::contract::shipment::ShipmentDispatched;
use shared::event::new_id;
use sqlx::PgConnection;

use crate::domain::{self, Addressing, Audience, Notice, Notification, State};
use crate::store::{self, Contacts};

pub enum Incoming {
    OrderPlaced(OrderPlaced),
    OrderConfirmed(OrderConfirmed),
    OrderCancelled(OrderCancelled),
    OrderRecalled(OrderRecalled),
    ShipmentDispatched(ShipmentDispatched),
    LowStock(LowStock),
}

pub struct Handler {
    addressing: Addressing,
}

impl Handler {
    pub fn new(addressing: Addressing) -> Self {
        Self { addressing }
    }

    fn write_down(
        &self,
        received: &Received<Incoming>,
        contacts: &Contacts,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Notification {
        let Notice {
            subject_id,
            kind,
            audience,
            content,
        } = notice(received);
        let customer_id = match &audience {
            Audience::Customer(id) => Some(id.clone()),
            Audience::Operations => None,
        };
        let contact = customer_id.as_ref().and_then(|id| contacts.get(id));
        let recipient = self.addressing.recipient(&audience, contact);
        let id = new_id();
        Notification {
            id,
            subject_id,
            kind,
            customer_id,
            recipient: recipient.email.to_string(),
            recipient_name: recipient.name,
            content,
            state: State::Pending {
                next_attempt_at: now,
            },
            attempts: 0,
            resends: 0,
            message_id: self.addressing.message_id(id),
            causation_id: received.envelope.event_id,
            correlation_id: received.envelope.correlation_id.clone(),
            traceparent: received.cause.traceparent(),
            created_at: now,
            sent_at: None,
            last_error: None,
        }
    }
}

impl EventHandler for Handler {
    type Incoming = Incoming;

    fn consumes() -> Consumes<Incoming> {
        Consumes::new()
            .on::<OrderPlaced>(Incoming::OrderPlaced)
            .on::<OrderConfirmed>(Incoming::OrderConfirmed)
            .on::<OrderCancelled>(Incoming::OrderCancelled)
            .on::<ShipmentDispatched>(Incoming::ShipmentDispatched)
            .on::<OrderRecalled>(Incoming::OrderRecalled)
            .on::<LowStock>(Incoming::LowStock)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Incoming>,
    ) -> Result<Outgoing, HandlerError> {
        let contacts = store::load_contacts(&mut *tx, &customers_touched(batch)).await?;

        let mut notifications = Vec::new();
        let outgoing = batch.fold(|received| {
            notifications.push(self.write_down(received, &contacts, batch.now));
            Ok(Events::none())
        });

        store::save_new(tx, &notifications).await?;

        Ok(outgoing)
    }
}

/// What an event asks to be told.
pub fn notice(received: &Received<Incoming>) -> Notice {
    match &received.event {
        Incoming::OrderPlaced(event) => domain::order_received(event),
        Incoming::OrderConfirmed(event) => domain::order_confirmed(event),
        Incoming::OrderCancelled(event) => domain::order_cancelled(event),
        Incoming::OrderRecalled(event) => domain::order_recalled(event),
        Incoming::ShipmentDispatched(event) => domain::order_dispatched(event),
        Incoming::LowStock(event) => domain::low_stock(event, received.envelope.aggregate_version),
    }
}

fn customers_touched(batch: &Batch<Incoming>) -> BTreeSet<String> {
    let customer = |received: &Received<Incoming>| match &received.event {
        Incoming::OrderPlaced(event) => Some(event.customer_id.clone()),
        Incoming::OrderConfirmed(event) => Some(event.customer_id.clone()),
        Incoming::OrderCancelled(event) => Some(event.customer_id.clone()),
        Incoming::ShipmentDispatched(event) => Some(event.customer_id.clone()),
        // These go to operations.
        Incoming::OrderRecalled(_) | Incoming::LowStock(_) => None,
    };
    batch.events().iter().filter_map(customer).collect()
}
