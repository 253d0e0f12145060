//! How far an order is: what its process manager knows and remembers.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> pending : placed
//!     pending --> confirmed : stock reserved and verdict approved
//!     confirmed --> shipped : first parcel dispatched (the pivot)
//!     shipped --> completed : all parcels delivered
//!     pending --> cancelling : no stock, fraud, customer, carrier, deadline
//!     confirmed --> cancelling : late fraud, customer, carrier, deadline
//!     cancelling --> cancelled : inventory and shipment have acknowledged
//!     cancelling --> shipped : dispatch won the race
//!     completed --> [*]
//!     cancelled --> [*]
//! ```
//!
//! Before the pivot everything can be undone; after it, only forward. A dispatch is a fact whatever
//! we believed, so it leads to `shipped` from `pending` as well, should it ever come there.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::contract::order::CancelReason;
use utoipa::ToSchema;
use uuid::Uuid;

use super::named;

named! {
    /// The order's state, as everybody sees it.
    State {
        /// Stock and verdict are awaited.
        Pending = "pending",
        /// The warehouse may pick it.
        Confirmed = "confirmed",
        /// A parcel has left.
        Shipped = "shipped",
        /// Every parcel has arrived.
        Completed = "completed",
        /// Participants are undoing their part.
        Cancelling = "cancelling",
        /// Nothing of it is left anywhere.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Nothing more is to come, except a recall.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

named! {
    /// What fraud thinks of the transaction.
    Verdict {
        Awaited = "awaited",
        /// A reviewer decides.
        Held = "held",
        /// Nothing came in time, and the amount is too high to go on without.
        Overdue = "overdue",
        Approved = "approved",
        /// Nothing came in time, and the amount is low enough to go on without.
        ApprovedByPolicy = "approved_by_policy",
        Blocked = "blocked",
    }
}

named! {
    /// What inventory answered.
    Stock {
        Awaited = "awaited",
        Reserved = "reserved",
        Rejected = "rejected",
    }
}

named! {
    /// The customer's money.
    Charge {
        Authorized = "authorized",
        /// Taken when the first parcel left.
        Captured = "captured",
        /// Given free when the order was cancelled.
        Voided = "voided",
    }
}

named! {
    /// Who has something to undo when an order is cancelled.
    Participant {
        Inventory = "inventory",
        Shipment = "shipment",
    }
}

named! {
    /// What falls due.
    Due {
        /// Policy decides without a verdict.
        Verdict = "verdict",
        /// The reviewer took too long.
        Hold = "hold",
        /// Inventory is silent.
        Stock = "stock",
        /// Nothing was dispatched.
        Dispatch = "dispatch",
        /// A participant has not acknowledged the cancellation.
        Acks = "acks",
    }
}

/// When the next thing falls due, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    pub at: DateTime<Utc>,
    pub due: Due,
}

/// Why an order is not to be. It stays on an order whose dispatch won the race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    pub reason: CancelReason,
    /// For the customer.
    pub detail: String,
    pub was_confirmed: bool,
}

/// One parcel on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parcel {
    pub shipment_id: Uuid,
    pub warehouse: String,
    pub carrier: String,
    pub tracking_number: String,
    pub dispatched_at: DateTime<Utc>,
    pub delivered_at: Option<DateTime<Utc>>,
}

/// All that decides what happens next to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    pub order_id: Uuid,
    pub customer_id: String,
    pub amount_minor: i64,
    pub state: State,
    /// When the state was entered.
    pub since: DateTime<Utc>,
    /// Aggregate version of the last event on `order.events`.
    pub version: i32,
    pub verdict: Verdict,
    /// When the verdict became what it is.
    pub verdict_at: DateTime<Utc>,
    pub stock: Stock,
    /// Known once stock is reserved: one parcel per warehouse.
    pub parcels_expected: Option<i32>,
    pub parcels: Vec<Parcel>,
    pub charge: Charge,
    pub cancellation: Option<Cancellation>,
    /// While cancelling: who has not yet acknowledged.
    pub awaits: BTreeSet<Participant>,
    /// Times that acknowledgements were overdue.
    pub acks_overdue: i32,
    /// Fraud was found after dispatch, and staff were told.
    pub recalled: bool,
    pub deadline: Option<Deadline>,
    /// When something of this last changed.
    pub updated_at: DateTime<Utc>,
}

/// The reason's name on the wire.
pub fn reason_name(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Unknown => "UNKNOWN",
        CancelReason::Customer => "CUSTOMER",
        CancelReason::OutOfStock => "OUT_OF_STOCK",
        CancelReason::Fraud => "FRAUD",
        CancelReason::Carrier => "CARRIER",
        CancelReason::Deadline => "DEADLINE",
    }
}

/// The inverse. A name that a later version wrote is `Unknown`.
pub fn reason_named(name: &str) -> CancelReason {
    [
        CancelReason::Customer,
        CancelReason::OutOfStock,
        CancelReason::Fraud,
        CancelReason::Carrier,
        CancelReason::Deadline,
    ]
    .into_iter()
    .find(|reason| reason_name(*reason) == name)
    .unwrap_or(CancelReason::Unknown)
}

#[cfg(test)]
mod tests {
    use super::{Charge, Due, Participant, State, Stock, Verdict};

    const MIGRATION: &str = include_str!("../../../../migrations/order/0002_orders.sql");

    /// The values of a constraint, as the migration has them.
    #[track_caller]
    fn check(constraint: &str, names: &[&str]) {
        let start = MIGRATION
            .find(&format!("CONSTRAINT {constraint} "))
            .unwrap_or_else(|| panic!("no constraint {constraint}"));
        let rest = &MIGRATION[start..];
        let list =
            &rest[rest.find(" IN (").expect("a list") + 5..rest.find("))").expect("its end")];
        let values: Vec<_> = list
            .split(',')
            .map(|value| value.trim().trim_matches('\''))
            .collect();
        assert_eq!(values, names, "{constraint}");
    }

    #[test]
    fn the_database_knows_the_same_states_as_the_code() {
        let states: Vec<_> = State::ALL.iter().map(|value| value.as_str()).collect();
        check("order_state_known", &states);
        let verdicts: Vec<_> = Verdict::ALL.iter().map(|value| value.as_str()).collect();
        check("saga_verdict_known", &verdicts);
        let stock: Vec<_> = Stock::ALL.iter().map(|value| value.as_str()).collect();
        check("saga_stock_known", &stock);
        let charges: Vec<_> = Charge::ALL.iter().map(|value| value.as_str()).collect();
        check("saga_charge_known", &charges);
        let due: Vec<_> = Due::ALL.iter().map(|value| value.as_str()).collect();
        check("saga_due_known", &due);
        let participants: Vec<_> = Participant::ALL
            .iter()
            .map(|value| value.as_str())
            .collect();
        check("saga_participant_known", &participants);
    }
}
