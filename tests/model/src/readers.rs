//! Who reads which facts, as the services' own doors take them.

use chrono::{DateTime, Utc};
use shared::batch::{Cause, Received};
use shared::event::Envelope;
use uuid::Uuid;

use crate::facts::{Fact, Told};

macro_rules! reads {
    ($name:ident, $service:ident: $($event:ident),+ $(,)?) => {
        /// `None`: the service has not registered for it.
        pub(crate) fn $name(fact: &Fact) -> Option<$service::event_handlers::Incoming> {
            match fact {
                $(Fact::$event(event) => {
                    Some($service::event_handlers::Incoming::$event(event.clone()))
                })+
                _ => None,
            }
        }
    };
}

reads!(for_order, order:
    StockReserved, StockRejected, StockReleased,
    TransactionApproved, TransactionHeld, TransactionBlocked,
    PickingListCreated, PickingListVoided,
    ShipmentDispatched, ShipmentDelivered, ShipmentFailed,
);
reads!(for_inventory, inventory:
    OrderPlaced, OrderCancelled, PickingListVoided, ShipmentDispatched,
);
reads!(for_shipment, shipment:
    OrderPlaced, StockReserved, OrderConfirmed, OrderCancelled,
);
reads!(for_fraud, fraud: TransactionCreated, OrderCancelled);

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
