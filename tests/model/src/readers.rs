//! Who reads which facts, as the services' own doors take them.

use chrono::{DateTime, Utc};
use shared::batch::{Cause, Received};
use shared::consumer::EventHandler;
use shared::event::Envelope;
use uuid::Uuid;

use crate::facts::{Fact, Told};

macro_rules! reads {
    ($name:ident, $all:ident, $service:ident: $($event:ident),+ $(,)?) => {
        /// `None`: the service has not registered for it.
        pub(crate) fn $name(fact: &Fact) -> Option<$service::event_handlers::Incoming> {
            match fact {
                $(Fact::$event(event) => {
                    Some($service::event_handlers::Incoming::$event(event.clone()))
                })+
                _ => None,
            }
        }

        const $all: &[&str] = &[$(stringify!($event)),+];
    };
}

reads!(for_order, ORDER, order:
    StockReserved, StockRejected, StockReleased,
    TransactionApproved, TransactionHeld, TransactionBlocked,
    PickingListCreated, PickingListVoided,
    ShipmentDispatched, ShipmentDelivered, ShipmentFailed,
    NotificationSent, NotificationFailed,
);
reads!(for_inventory, INVENTORY, inventory:
    OrderPlaced, OrderCancelled, PickingListVoided, ShipmentDispatched,
);
reads!(for_shipment, SHIPMENT, shipment:
    OrderPlaced, StockReserved, OrderConfirmed, OrderCancelled,
);
reads!(for_fraud, FRAUD, fraud: TransactionCreated, OrderCancelled);
reads!(for_notification, NOTIFICATION, notification:
    OrderPlaced, OrderConfirmed, OrderCancelled, OrderRecalled, ShipmentDispatched, LowStock,
);

/// As the frame hands it to a handler.
pub(crate) fn received<I>(
    event: I,
    told: &Told,
    event_id: Uuid,
    occurred_at: DateTime<Utc>,
) -> Received<I> {
    let key = told.fact.key();
    Received {
        event,
        envelope: Envelope {
            event_id,
            event_type: told.fact.name().to_owned(),
            aggregate_id: key.clone(),
            aggregate_version: told.version,
            occurred_at,
            correlation_id: key.clone(),
            causation_id: event_id,
        },
        published_at: occurred_at,
        received_at: occurred_at,
        cause: Cause::stored(event_id, key, None),
    }
}

#[test]
fn they_read_what_the_services_have_registered_for() {
    #[track_caller]
    fn check<H: EventHandler>(read: &[&str]) {
        let consumes = H::consumes();
        let mut registered: Vec<_> = consumes
            .schemas()
            .iter()
            .map(|schema| schema.event_type)
            .collect();
        let mut read = read.to_vec();
        registered.sort_unstable();
        read.sort_unstable();
        assert_eq!(read, registered);
    }
    check::<order::event_handlers::OrderEvents>(ORDER);
    check::<inventory::event_handlers::Inventory>(INVENTORY);
    check::<shipment::event_handlers::EventHandlers>(SHIPMENT);
    check::<fraud::event_handlers::Handler>(FRAUD);
    check::<notification::event_handlers::Handler>(NOTIFICATION);
}
