//! What inventory publishes.

use crate::contract::topic;
use crate::event::{Event, Topic};

pub use super::generated::{
    AllocatedLine, ChannelLevel, ReleasedLine, ReleasedStock, StockAllocation, StockShortfall,
};
pub use super::generated::{
    LowStock, StockLevelChanged, StockRejected, StockReleased, StockReserved,
};

impl Event for StockReserved {
    const TYPE: &'static str = "StockReserved";
    const TOPIC: Topic = topic::INVENTORY_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/inventory/stock_reserved.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for StockRejected {
    const TYPE: &'static str = "StockRejected";
    const TOPIC: Topic = topic::INVENTORY_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/inventory/stock_rejected.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for StockReleased {
    const TYPE: &'static str = "StockReleased";
    const TOPIC: Topic = topic::INVENTORY_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/inventory/stock_released.avsc");

    fn partition_key(&self) -> String {
        self.order_id.to_string()
    }
}

impl Event for StockLevelChanged {
    const TYPE: &'static str = "StockLevelChanged";
    const TOPIC: Topic = topic::STOCK_EVENTS;
    const SCHEMA: &'static str =
        include_str!("../../../schemas/inventory/stock_level_changed.avsc");

    fn partition_key(&self) -> String {
        self.sku.clone()
    }
}

impl Event for LowStock {
    const TYPE: &'static str = "LowStock";
    const TOPIC: Topic = topic::STOCK_EVENTS;
    const SCHEMA: &'static str = include_str!("../../../schemas/inventory/low_stock.avsc");

    fn partition_key(&self) -> String {
        self.sku.clone()
    }
}
