//! What travels between the services.

use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::inventory::{LowStock, StockRejected, StockReleased, StockReserved};
use shared::contract::notification::{NotificationFailed, NotificationSent};
use shared::contract::order::{
    OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRecalled, TransactionCreated,
};
use shared::contract::shipment::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use shared::event::{AnyEvent, Event, Schema};

/// An event that somebody published, and its version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) version: i32,
    pub(crate) fact: Fact,
}

macro_rules! facts {
    ($($event:ident),+ $(,)?) => {
        /// Any event of the suite that can come of an order.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Fact {
            $($event($event)),+
        }

        impl Fact {
            pub(crate) fn of(event: &dyn AnyEvent) -> Self {
                $(if let Some(event) = event.as_any().downcast_ref::<$event>() {
                    return Self::$event(event.clone());
                })+
                panic!("{} cannot come of an order", event.schema().event_type)
            }

            pub(crate) fn schema(&self) -> Schema {
                match self {
                    $(Self::$event(_) => Schema::of::<$event>()),+
                }
            }

            pub(crate) fn key(&self) -> String {
                match self {
                    $(Self::$event(event) => Event::partition_key(event)),+
                }
            }
        }
    };
}

facts!(
    OrderPlaced,
    TransactionCreated,
    OrderConfirmed,
    OrderCancelled,
    OrderCompleted,
    OrderRecalled,
    StockReserved,
    StockRejected,
    StockReleased,
    LowStock,
    TransactionApproved,
    TransactionHeld,
    TransactionBlocked,
    PickingListCreated,
    PickingListVoided,
    ShipmentDispatched,
    ShipmentDelivered,
    ShipmentFailed,
    NotificationSent,
    NotificationFailed,
);

impl Fact {
    pub(crate) fn name(&self) -> &'static str {
        self.schema().event_type
    }
}

/// What a decision published, in order.
pub(crate) fn told(events: &shared::batch::Events) -> Vec<Told> {
    events
        .iter()
        .map(|(version, event)| Told {
            version,
            fact: Fact::of(event),
        })
        .collect()
}
