//! What fraud answers.
//!
//! **Scores and reasons stay with staff**: what is noted here the customer reads, and a fraudster
//! would learn from it. Fraud's own API tells them to reviewers.

use chrono::{DateTime, Utc};
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::order::CancelReason;

use super::Rules;
use crate::domain::progress::{Decided, Step};
use crate::domain::state::{Saga, State, Verdict};

/// What the customer is told.
const DECLINED: &str = "the payment was declined";

impl Saga {
    pub fn transaction_approved(
        &mut self,
        _event: &TransactionApproved,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let what = "the transaction is approved";
        match self.state {
            State::Pending if self.verdict != Verdict::Approved => {
                self.judged(Verdict::Approved, now);
                let events = self.confirm_when_ready(now, rules);
                Ok(Step::with(what, events))
            }
            // Policy went on without a verdict, and was right.
            State::Confirmed | State::Shipped | State::Completed
                if self.verdict == Verdict::ApprovedByPolicy =>
            {
                self.judged(Verdict::Approved, now);
                Ok(Step::noted(what))
            }
            State::Pending | State::Confirmed | State::Shipped | State::Completed => {
                Ok(Step::noted(what))
            }
            State::Cancelling | State::Cancelled => Ok(Step::noted(format!(
                "{what}; the order is cancelled all the same"
            ))),
        }
    }

    pub fn transaction_held(
        &mut self,
        _event: &TransactionHeld,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let what = "the transaction is held for a reviewer";
        match (self.state, self.verdict) {
            (State::Pending, Verdict::Awaited | Verdict::Overdue | Verdict::ApprovedByPolicy) => {
                self.judged(Verdict::Held, now);
                self.await_replies(rules);
                Ok(Step::noted(what))
            }
            // A hold that comes again must not put off the reviewer's deadline.
            (State::Pending, Verdict::Held | Verdict::Approved | Verdict::Blocked)
            | (
                State::Confirmed
                | State::Shipped
                | State::Completed
                | State::Cancelling
                | State::Cancelled,
                _,
            ) => Ok(Step::noted(what)),
        }
    }

    pub fn transaction_blocked(
        &mut self,
        event: &TransactionBlocked,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let what = "the transaction is blocked";
        if self.verdict != Verdict::Blocked && self.state != State::Cancelled {
            self.judged(Verdict::Blocked, now);
        }
        match self.state {
            State::Pending | State::Confirmed => {
                let events = self.cancel(CancelReason::Fraud, DECLINED, now, rules);
                Ok(Step::with(what, events))
            }
            // Remembered: should dispatch win the race, the goods must be recalled.
            State::Cancelling | State::Cancelled => Ok(Step::noted(what)),
            State::Shipped | State::Completed => {
                let events = self.recall(&event.reasons.join("; "));
                Ok(Step::with(
                    format!("{what}; the goods have left and are recalled"),
                    events,
                ))
            }
        }
    }
}
