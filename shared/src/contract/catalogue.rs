use super::{fraud, inventory, notification, order, shipment};
use crate::event::Schema;

/// Every event of the suite: what `ticketrail init` registers.
pub const CATALOGUE: &[Schema] = &[
    Schema::of::<order::OrderPlaced>(),
    Schema::of::<order::TransactionCreated>(),
    Schema::of::<order::OrderConfirmed>(),
    Schema::of::<order::OrderCancelled>(),
    Schema::of::<order::OrderCompleted>(),
    Schema::of::<order::OrderRecalled>(),
    Schema::of::<inventory::StockReserved>(),
    Schema::of::<inventory::StockRejected>(),
    Schema::of::<inventory::StockReleased>(),
    Schema::of::<inventory::StockLevelChanged>(),
    Schema::of::<inventory::LowStock>(),
    Schema::of::<fraud::TransactionApproved>(),
    Schema::of::<fraud::TransactionBlocked>(),
    Schema::of::<fraud::TransactionHeld>(),
    Schema::of::<shipment::PickingListCreated>(),
    Schema::of::<shipment::PickingListVoided>(),
    Schema::of::<shipment::ShipmentDispatched>(),
    Schema::of::<shipment::ShipmentDelivered>(),
    Schema::of::<shipment::ShipmentFailed>(),
    Schema::of::<notification::NotificationSent>(),
    Schema::of::<notification::NotificationFailed>(),
];
