//! What notification tells. It changes nothing; it belongs to the order's story.

use shared::contract::notification::{NotificationFailed, NotificationSent};

use crate::domain::progress::{Decided, Step};
use crate::domain::state::Saga;

impl Saga {
    pub fn notification_sent(&self, event: &NotificationSent) -> Decided {
        Ok(Step::noted(format!(
            "the mail `{}` was sent (attempt {}, {})",
            event.kind, event.attempts, event.message_id
        )))
    }

    pub fn notification_failed(&self, event: &NotificationFailed) -> Decided {
        Ok(Step::noted(format!(
            "the mail `{}` was refused after {} attempts: {}",
            event.kind, event.attempts, event.detail
        )))
    }
}
