//! What the customer asks for.

use chrono::{DateTime, Utc};
use shared::contract::order::CancelReason;

use super::Rules;
use crate::domain::progress::Step;
use crate::domain::state::{Saga, State};

/// The pivot is behind us.
#[derive(Debug, PartialEq, Eq)]
pub struct AlreadyShipped;

impl Saga {
    /// `None`: it is being cancelled already.
    pub fn cancel_on_request(
        &mut self,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Result<Option<Step>, AlreadyShipped> {
        match self.state {
            State::Pending | State::Confirmed => {
                let detail = "cancelled at the customer's request";
                let events = self.cancel(CancelReason::Customer, detail, now, rules);
                Ok(Some(Step::with(detail, events)))
            }
            State::Cancelling | State::Cancelled => Ok(None),
            State::Shipped | State::Completed => Err(AlreadyShipped),
        }
    }
}
