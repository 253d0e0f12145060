//! The process manager: what happens next to an order.
//!
//! Orchestration: participants act on what order publishes, and answer with events of their own.
//!
//! | step | answered by | compensated by |
//! | --- | --- | --- |
//! | reserve stock (`OrderPlaced`) | `StockReserved`, `StockRejected` | `StockReleased` |
//! | judge charge (`TransactionCreated`) | `TransactionApproved`, `…Held`, `…Blocked` | voided |
//! | draft picking lists (`OrderPlaced`) | `PickingListCreated` | `PickingListVoided` |
//! | **pivot:** dispatch (`OrderConfirmed`) | `ShipmentDispatched`, `ShipmentFailed` | never |
//! | deliver | `ShipmentDelivered` | never |
//!
//! - **`OrderCancelled` is the one signal to compensate**, and an order is `cancelled` only when
//!   inventory and shipment have both acknowledged.
//! - **A late reply never revives an order.** Whoever sent it finds the cancellation on
//!   `order.events` and compensates by itself.
//! - **Every function is safe to repeat** by the state alone, long after the inbox has forgotten an
//!   event.
//! - Who wins, dispatch or cancellation, shipment decides under its row lock; here is only learned
//!   which.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use shared::batch::{Events, Reject};
use shared::contract::order::{
    CancelReason, OrderCancelled, OrderCompleted, OrderConfirmed, OrderRecalled,
};
use uuid::Uuid;

use crate::domain::order::Order;
use crate::domain::progress::Step;
use crate::domain::state::{
    Cancellation, Charge, Deadline, Due, Participant, Saga, State, Stock, Verdict,
};

/// What falls due.
mod deadlines;
/// What inventory and shipment answer.
mod goods;
/// What notification tells.
mod mails;
/// What the customer asks for.
mod requests;
/// What fraud answers.
mod verdicts;

#[cfg(test)]
mod tests;

pub use requests::AlreadyShipped;

/// How long each answer may take, and what is decided without it.
#[derive(Debug, Clone)]
pub struct Rules {
    pub verdict_deadline: TimeDelta,
    /// Without a verdict, orders up to this amount go on, and others wait.
    pub verdict_policy_amount_minor: i64,
    /// For a reviewer, or for a verdict that is overdue on a high amount.
    pub hold_deadline: TimeDelta,
    pub stock_deadline: TimeDelta,
    pub dispatch_deadline: TimeDelta,
    /// Doubles from time to time, up to `ACK_DEADLINE_MAX`.
    pub ack_deadline: TimeDelta,
}

impl Saga {
    /// Begins with an order that was just placed.
    pub fn placed(order: &Order, rules: &Rules) -> Self {
        let mut saga = Self {
            order_id: order.id,
            customer_id: order.customer_id.clone(),
            amount_minor: order.total_minor,
            state: State::Pending,
            since: order.placed_at,
            version: Order::PLACED_VERSION,
            verdict: Verdict::Awaited,
            verdict_at: order.placed_at,
            stock: Stock::Awaited,
            parcels_expected: None,
            parcels: Vec::new(),
            charge: Charge::Authorized,
            cancellation: None,
            awaits: BTreeSet::new(),
            acks_overdue: 0,
            recalled: false,
            deadline: None,
            updated_at: order.placed_at,
        };
        saga.await_replies(rules);
        saga
    }

    /// Whose move it is.
    pub fn waits_for(&self) -> Vec<&'static str> {
        match self.state {
            State::Pending => {
                let mut waits = Vec::new();
                if self.stock == Stock::Awaited {
                    waits.push("inventory");
                }
                match self.verdict {
                    Verdict::Held => waits.push("reviewer"),
                    Verdict::Awaited | Verdict::Overdue => waits.push("fraud"),
                    Verdict::Approved | Verdict::ApprovedByPolicy | Verdict::Blocked => {}
                }
                waits
            }
            State::Confirmed => vec!["shipment"],
            State::Shipped => vec!["delivery"],
            State::Cancelling => self.awaits.iter().map(|who| who.as_str()).collect(),
            State::Completed | State::Cancelled => Vec::new(),
        }
    }

    /// While pending, the earliest of what is still awaited falls due.
    fn await_replies(&mut self, rules: &Rules) {
        let stock = (self.stock == Stock::Awaited).then(|| Deadline {
            at: self.since + rules.stock_deadline,
            due: Due::Stock,
        });
        let verdict = match self.verdict {
            Verdict::Awaited => Some(Deadline {
                at: self.since + rules.verdict_deadline,
                due: Due::Verdict,
            }),
            Verdict::Held | Verdict::Overdue => Some(Deadline {
                at: self.verdict_at + rules.hold_deadline,
                due: Due::Hold,
            }),
            Verdict::Approved | Verdict::ApprovedByPolicy | Verdict::Blocked => None,
        };
        self.deadline = stock
            .into_iter()
            .chain(verdict)
            .min_by_key(|deadline| deadline.at);
    }

    fn enter(&mut self, state: State, deadline: Option<Deadline>, now: DateTime<Utc>) {
        self.state = state;
        self.since = now;
        self.deadline = deadline;
    }

    fn judged(&mut self, verdict: Verdict, now: DateTime<Utc>) {
        self.verdict = verdict;
        self.verdict_at = now;
    }

    fn next_version(&mut self) -> i32 {
        self.version += 1;
        self.version
    }

    /// Confirms once stock is reserved and the verdict is good, in whichever order they came.
    fn confirm_when_ready(&mut self, now: DateTime<Utc>, rules: &Rules) -> Events {
        let approved = matches!(self.verdict, Verdict::Approved | Verdict::ApprovedByPolicy);
        if self.state != State::Pending {
            return Events::none();
        }
        if !approved || self.stock != Stock::Reserved {
            self.await_replies(rules);
            return Events::none();
        }
        let deadline = Deadline {
            at: now + rules.dispatch_deadline,
            due: Due::Dispatch,
        };
        self.enter(State::Confirmed, Some(deadline), now);
        let event = OrderConfirmed {
            order_id: self.order_id,
            customer_id: self.customer_id.clone(),
        };
        Events::one(self.next_version(), event)
    }

    /// Completes once every parcel that inventory packed stock for has arrived.
    fn complete_when_delivered(&mut self, now: DateTime<Utc>) -> Events {
        let expected = self
            .parcels_expected
            .and_then(|expected| usize::try_from(expected).ok());
        let delivered = self
            .parcels
            .iter()
            .filter(|parcel| parcel.delivered_at.is_some())
            .count();
        if self.state != State::Shipped || expected.is_none_or(|expected| delivered < expected) {
            return Events::none();
        }
        self.enter(State::Completed, None, now);
        let event = OrderCompleted {
            order_id: self.order_id,
            customer_id: self.customer_id.clone(),
        };
        Events::one(self.next_version(), event)
    }

    /// Tells everybody to undo their part. **Only from `pending` and `confirmed`.**
    fn cancel(
        &mut self,
        reason: CancelReason,
        detail: impl Into<String>,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Events {
        let cancellation = Cancellation {
            reason,
            detail: detail.into(),
            was_confirmed: self.state == State::Confirmed,
        };
        let deadline = Deadline {
            at: now + rules.ack_deadline,
            due: Due::Acks,
        };
        self.enter(State::Cancelling, Some(deadline), now);
        self.awaits = Participant::ALL.iter().copied().collect();
        let event = OrderCancelled {
            order_id: self.order_id,
            customer_id: self.customer_id.clone(),
            reason,
            detail: cancellation.detail.clone(),
            was_confirmed: cancellation.was_confirmed,
        };
        self.cancellation = Some(cancellation);
        Events::one(self.next_version(), event)
    }

    fn acknowledged(&mut self, by: Participant, now: DateTime<Utc>) -> Step {
        let what = match by {
            Participant::Inventory => "inventory holds nothing of the order any more",
            Participant::Shipment => "nothing of the order leaves a warehouse any more",
        };
        match self.state {
            State::Cancelling => {
                let acked = self.awaits.remove(&by).then_some(by);
                if !self.awaits.is_empty() {
                    return Step {
                        acked,
                        ..Step::noted(what)
                    };
                }
                self.enter(State::Cancelled, None, now);
                self.charge = Charge::Voided;
                let what = format!("{what}; all is undone and the charge is voided");
                Step {
                    acked,
                    ..Step::noted(what)
                }
            }
            State::Pending
            | State::Confirmed
            | State::Shipped
            | State::Completed
            | State::Cancelled => Step::noted(what),
        }
    }

    /// Raises the alarm that goods of a fraud are on their way; once.
    fn recall(&mut self, detail: &str) -> Events {
        if self.recalled {
            return Events::none();
        }
        self.recalled = true;
        let event = OrderRecalled {
            order_id: self.order_id,
            customer_id: self.customer_id.clone(),
            detail: detail.to_owned(),
        };
        Events::one(self.next_version(), event)
    }
}

fn unknown_parcel(order_id: Uuid, shipment_id: Uuid) -> Reject {
    Reject::new(
        "unknown-parcel",
        format!("parcel {shipment_id} of order {order_id} was never dispatched"),
    )
}
