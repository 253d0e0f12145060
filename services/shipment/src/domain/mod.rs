//! The fulfilment of an order: what its warehouses may do, and until when it can be undone.
//!
//! **Void or dispatched is decided here alone**, with the order's row locked. The first dispatch
//! of any list is the pivot of the whole order: before it a cancellation voids every list, after
//! it every list goes forward.
//!
//! States of a picking list:
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> draft: order placed and stock reserved
//!     draft --> released: order confirmed
//!     released --> picked
//!     picked --> packed
//!     packed --> dispatched: the carrier took it
//!     dispatched --> delivered
//!     draft --> void: order cancelled
//!     released --> void
//!     picked --> void
//!     packed --> void
//!     delivered --> [*]
//!     void --> [*]
//! ```

use chrono::{DateTime, Utc};
use shared::contract::inventory::StockAllocation;
use shared::contract::order::ShipTo;
use uuid::Uuid;

mod order;
mod steps;
#[cfg(test)]
mod testing;

pub use order::{allocate, cancel, confirm, place};
pub use steps::{
    Label, NotReady, Step, deliver, dispatch, pack, pick, put_off, ready_to_dispatch, refuse,
};

/// One order, as far as shipment knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fulfilment {
    pub order_id: Uuid,
    /// Of the last event about it.
    pub version: i32,
    pub placed: Option<Placed>,
    /// Kept only until `placed` is known, too: then the lists say it.
    pub allocations: Option<Vec<StockAllocation>>,
    pub confirmed: bool,
    /// The tombstone: nothing that comes later has an effect.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// What the warehouse's steps continue.
    pub traceparent: Option<String>,
    /// One per warehouse, nearest first.
    pub lists: Vec<PickingList>,
}

/// What `OrderPlaced` said.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    pub customer_id: String,
    pub ship_to: ShipTo,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PickingList {
    pub id: Uuid,
    pub warehouse: String,
    pub lines: Vec<Line>,
    pub state: State,
    pub created_at: DateTime<Utc>,
    /// When it came into `state`.
    pub changed_at: DateTime<Utc>,
    /// How often the carrier was asked in vain in this state.
    pub attempts: i32,
    /// Automatic mode leaves the list alone until then.
    pub retry_at: Option<DateTime<Utc>>,
    /// Why the carrier refused the parcel.
    pub failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub sku: String,
    pub quantity: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// On hold until the order is confirmed.
    Draft,
    Released,
    Picked,
    Packed,
    Dispatched(Parcel),
    Delivered(Parcel, DateTime<Utc>),
    Void,
}

/// What left.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    pub shipment_id: Uuid,
    pub carrier: String,
    pub tracking_number: String,
    pub dispatched_at: DateTime<Utc>,
}

impl State {
    /// As it is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Released => "released",
            Self::Picked => "picked",
            Self::Packed => "packed",
            Self::Dispatched(_) => "dispatched",
            Self::Delivered(..) => "delivered",
            Self::Void => "void",
        }
    }

    /// When the parcel arrived, if it has.
    pub fn delivered_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Delivered(_, at) => Some(*at),
            Self::Draft
            | Self::Released
            | Self::Picked
            | Self::Packed
            | Self::Dispatched(_)
            | Self::Void => None,
        }
    }

    /// The parcel, if it has left.
    pub fn parcel(&self) -> Option<&Parcel> {
        match self {
            Self::Dispatched(parcel) | Self::Delivered(parcel, _) => Some(parcel),
            Self::Draft | Self::Released | Self::Picked | Self::Packed | Self::Void => None,
        }
    }
}

impl Fulfilment {
    /// A parcel left: the order only goes forward from here.
    fn past_the_pivot(&self) -> bool {
        self.lists.iter().any(|list| list.state.parcel().is_some())
    }

    /// The version of the event that is about to be returned.
    fn next_version(&mut self) -> i32 {
        self.version += 1;
        self.version
    }
}

impl PickingList {
    /// A new state is a new start with the carrier.
    fn enter(&mut self, state: State, now: DateTime<Utc>) {
        self.state = state;
        self.changed_at = now;
        self.attempts = 0;
        self.retry_at = None;
    }
}
