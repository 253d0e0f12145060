//! What falls due.

use chrono::{DateTime, TimeDelta, Utc};
use shared::contract::order::CancelReason;

use super::Rules;
use crate::domain::progress::Step;
use crate::domain::state::{Deadline, Due, Participant, Saga, State, Verdict};

/// A participant that is down for long is asked about once an hour.
const ACK_DEADLINE_MAX: TimeDelta = TimeDelta::hours(1);

impl Saga {
    /// Decides what to do about the deadline that has passed. `None`: none has.
    pub fn fall_due(&mut self, now: DateTime<Utc>, rules: &Rules) -> Option<Step> {
        let deadline = self.deadline.filter(|deadline| deadline.at <= now)?;
        Some(match deadline.due {
            Due::Verdict => self.verdict_due(now, rules),
            Due::Hold => {
                let detail = "the payment could not be checked in time";
                Step::with(
                    detail,
                    self.cancel(CancelReason::Deadline, detail, now, rules),
                )
            }
            Due::Stock => {
                let detail = "stock could not be reserved in time";
                Step::with(
                    detail,
                    self.cancel(CancelReason::Deadline, detail, now, rules),
                )
            }
            Due::Dispatch => {
                let detail = "the order could not be dispatched in time";
                Step::with(
                    detail,
                    self.cancel(CancelReason::Deadline, detail, now, rules),
                )
            }
            Due::Acks => self.acks_due(now, rules),
        })
    }

    fn verdict_due(&mut self, now: DateTime<Utc>, rules: &Rules) -> Step {
        if self.amount_minor <= rules.verdict_policy_amount_minor {
            self.judged(Verdict::ApprovedByPolicy, now);
            let events = self.confirm_when_ready(now, rules);
            return Step::with(
                "no verdict came in time; approved by policy, because the amount is low",
                events,
            );
        }
        self.judged(Verdict::Overdue, now);
        self.await_replies(rules);
        Step::noted("no verdict came in time; the amount is too high to go on without one")
    }

    /// The cancellation is not published again: the rail cannot lose it, so a participant that has
    /// not answered is slow or down, and a second `OrderCancelled` would wait behind the first.
    fn acks_due(&mut self, now: DateTime<Utc>, rules: &Rules) -> Step {
        // Even a millisecond doubled that often is near the maximum.
        let times = 2_i32 << self.acks_overdue.clamp(0, 20);
        let wait = rules
            .ack_deadline
            .checked_mul(times)
            .unwrap_or(ACK_DEADLINE_MAX);
        let wait = wait.min(ACK_DEADLINE_MAX);
        self.acks_overdue = self.acks_overdue.saturating_add(1);
        self.deadline = Some(Deadline {
            at: now + wait,
            due: Due::Acks,
        });
        let whom: Vec<_> = self
            .awaits
            .iter()
            .map(|who: &Participant| who.as_str())
            .collect();
        Step::noted(format!(
            "the cancellation still waits for {}",
            whom.join(" and ")
        ))
    }

    /// Undoing takes longer than it should.
    pub fn compensation_overdue(&self) -> bool {
        self.state == State::Cancelling && self.acks_overdue > 0
    }
}
