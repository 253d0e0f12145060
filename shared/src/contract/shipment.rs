//! What shipment publishes.

use crate::contract::topic;
use crate::event::{Event, Topic};

pub use super::generated::{DispatchedLine, PickingLine};
pub use super::generated::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};

impl Event for PickingListCreated {
    const TYPE: &'static str = "PickingListCreated";
    const TOPIC: Topic = topic::SHIPMENT_EVENTS;
    const SCHEMA: &'static str =
        include_str!("../../../schemas/shipment/picking_list_created.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for PickingListVoided {
    const TYPE: &'static str = "PickingListVoided";
    const TOPIC: Topic = topic::SHIPMENT_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/shipment/picking_list_voided.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for ShipmentDispatched {
    const TYPE: &'static str = "ShipmentDispatched";
    const TOPIC: Topic = topic::SHIPMENT_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/shipment/shipment_dispatched.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for ShipmentDelivered {
    const TYPE: &'static str = "ShipmentDelivered";
    const TOPIC: Topic = topic::SHIPMENT_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/shipment/shipment_delivered.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for ShipmentFailed {
    const TYPE: &'static str = "ShipmentFailed";
    const TOPIC: Topic = topic::SHIPMENT_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/shipment/shipment_failed.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}
