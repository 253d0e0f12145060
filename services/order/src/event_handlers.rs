//! The Kafka door: what participants answer.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::batch::{Batch, Decision, Events, HandlerError, Outgoing, Received};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::inventory::{StockRejected, StockReleased, StockReserved};
use shared::contract::notification::{NotificationFailed, NotificationSent};
use shared::contract::shipment::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::progress::{Decided, Origin, Progress, unknown_order};
use crate::domain::state::Saga;
use crate::saga::Rules;
use crate::store;
use crate::watch::Watch;

pub struct OrderEvents {
    pub(crate) rules: Arc<Rules>,
    pub(crate) watch: Watch,
}

pub enum Incoming {
    StockReserved(StockReserved),
    StockRejected(StockRejected),
    StockReleased(StockReleased),
    TransactionApproved(TransactionApproved),
    TransactionBlocked(TransactionBlocked),
    TransactionHeld(TransactionHeld),
    PickingListCreated(PickingListCreated),
    PickingListVoided(PickingListVoided),
    ShipmentDispatched(ShipmentDispatched),
    ShipmentDelivered(ShipmentDelivered),
    ShipmentFailed(ShipmentFailed),
    NotificationSent(NotificationSent),
    NotificationFailed(NotificationFailed),
}

impl EventHandler for OrderEvents {
    type Incoming = Incoming;

    fn consumes() -> Consumes<Incoming> {
        Consumes::new()
            .on::<StockReserved>(Incoming::StockReserved)
            .on::<StockRejected>(Incoming::StockRejected)
            .on::<TransactionApproved>(Incoming::TransactionApproved)
            .on::<TransactionBlocked>(Incoming::TransactionBlocked)
            .on::<TransactionHeld>(Incoming::TransactionHeld)
            .on::<PickingListCreated>(Incoming::PickingListCreated)
            .on::<ShipmentFailed>(Incoming::ShipmentFailed)
            .on::<ShipmentDispatched>(Incoming::ShipmentDispatched)
            .on::<ShipmentDelivered>(Incoming::ShipmentDelivered)
            .on::<StockReleased>(Incoming::StockReleased)
            .on::<PickingListVoided>(Incoming::PickingListVoided)
            .on::<NotificationSent>(Incoming::NotificationSent)
            .on::<NotificationFailed>(Incoming::NotificationFailed)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Incoming>,
    ) -> Result<Outgoing, HandlerError> {
        let sagas = store::sagas::load(tx, &orders_touched(batch)).await?;
        let mut progress = Progress::new(sagas, batch.now);

        let outgoing = batch.fold(|received| match order_of(&received.envelope.aggregate_id) {
            Some(order_id) => progress.step(order_id, Origin::event(received), |saga| {
                decide(saga, received, batch.now, &self.rules)
            }),
            None => about_no_order(received),
        });
        for envelope in batch.duplicates() {
            if let Some(order_id) = order_of(&envelope.aggregate_id) {
                progress.duplicate(order_id, envelope);
            }
        }

        store::save(tx, &progress).await?;

        self.watch.changed(progress.orders());
        Ok(outgoing)
    }
}

/// What an answer leads to.
pub fn decide(
    saga: &mut Saga,
    received: &Received<Incoming>,
    now: DateTime<Utc>,
    rules: &Rules,
) -> Decided {
    // A parcel left and arrived when shipment says so, however late we hear of it.
    let at = received.envelope.occurred_at;
    match &received.event {
        Incoming::StockReserved(event) => saga.stock_reserved(event, now, rules),
        Incoming::StockRejected(event) => saga.stock_rejected(event, now, rules),
        Incoming::StockReleased(event) => saga.stock_released(event, now, rules),
        Incoming::TransactionApproved(event) => saga.transaction_approved(event, now, rules),
        Incoming::TransactionBlocked(event) => saga.transaction_blocked(event, now, rules),
        Incoming::TransactionHeld(event) => saga.transaction_held(event, now, rules),
        Incoming::PickingListCreated(event) => saga.picking_list_created(event),
        Incoming::PickingListVoided(event) => saga.picking_list_voided(event, now),
        Incoming::ShipmentDispatched(event) => saga.shipment_dispatched(event, at, now),
        Incoming::ShipmentDelivered(event) => saga.shipment_delivered(event, at, now),
        Incoming::ShipmentFailed(event) => saga.shipment_failed(event, now, rules),
        Incoming::NotificationSent(event) => saga.notification_sent(event),
        Incoming::NotificationFailed(event) => saga.notification_failed(event),
    }
}

/// In key order, so that two transactions cannot wait for each other.
fn orders_touched(batch: &Batch<Incoming>) -> Vec<Uuid> {
    let events = batch.events().iter().map(|received| &received.envelope);
    let mut orders: Vec<_> = events
        .chain(batch.duplicates())
        .filter_map(|envelope| order_of(&envelope.aggregate_id))
        .collect();
    orders.sort_unstable();
    orders.dedup();
    orders
}

/// Only mails may be about something else: a SKU that runs low.
fn about_no_order(received: &Received<Incoming>) -> Decision {
    match received.event {
        Incoming::NotificationSent(_) | Incoming::NotificationFailed(_) => Ok(Events::none()),
        Incoming::StockReserved(_)
        | Incoming::StockRejected(_)
        | Incoming::StockReleased(_)
        | Incoming::TransactionApproved(_)
        | Incoming::TransactionBlocked(_)
        | Incoming::TransactionHeld(_)
        | Incoming::PickingListCreated(_)
        | Incoming::PickingListVoided(_)
        | Incoming::ShipmentDispatched(_)
        | Incoming::ShipmentDelivered(_)
        | Incoming::ShipmentFailed(_) => Err(unknown_order(&received.envelope.aggregate_id)),
    }
}

fn order_of(aggregate_id: &str) -> Option<Uuid> {
    Uuid::try_parse(aggregate_id).ok()
}
