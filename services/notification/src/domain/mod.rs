//! What is told to whom, and what becomes of a try to tell it.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> pending: an event asks for it
//!     pending --> pending: tried in vain, comes again with backoff
//!     pending --> sent: the mail server accepted it
//!     pending --> failed: the mail server refused it for good
//!     sent --> pending: somebody asks to send it again
//!     failed --> pending: somebody asks to send it again
//! ```

use chrono::{DateTime, TimeDelta, Utc};
use lettre::message::Mailbox;
use shared::batch::{Events, Reject};
use shared::contract::notification::{NotificationFailed, NotificationSent};
use uuid::Uuid;

mod addressing;
mod notices;
#[cfg(test)]
mod tests;

pub use addressing::Addressing;
pub use notices::{
    Audience, Content, Line, Notice, PricedLine, low_stock, order_cancelled, order_confirmed,
    order_dispatched, order_recalled, order_received,
};

/// Backoff between tries, doubling from the first to the second.
const RETRY_MIN: TimeDelta = TimeDelta::seconds(1);
const RETRY_MAX: TimeDelta = TimeDelta::seconds(60);
/// Asking more often is no longer about a lost mail.
const RESENDS_MAX: i32 = 10;

/// One mail, from the moment it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub id: Uuid,
    pub subject_id: String,
    pub kind: String,
    /// None for mails to operations.
    pub customer_id: Option<String>,
    pub recipient: String,
    pub recipient_name: Option<String>,
    pub content: Content,
    pub state: State,
    /// Tries so far, the running one included.
    pub attempts: i32,
    pub resends: i32,
    pub message_id: String,
    pub causation_id: Uuid,
    pub correlation_id: String,
    pub traceparent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Due at a time; while a worker holds it, that is when others may take it over.
    Pending {
        next_attempt_at: DateTime<Utc>,
    },
    Sent,
    Failed,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    pub fn next_attempt_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Pending { next_attempt_at } => Some(next_attempt_at),
            Self::Sent | Self::Failed => None,
        }
    }
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took it.
    Accepted,
    /// It will never take it.
    Refused(String),
    /// It may take it later.
    Postponed(String),
    /// It could not be asked.
    Unreachable(String),
    /// Nobody asked it: it is known to be away, or the process stops.
    Untried,
}

/// Books a try.
pub fn settle(notification: &mut Notification, outcome: &Outcome, now: DateTime<Utc>) {
    match outcome {
        Outcome::Accepted => {
            notification.state = State::Sent;
            notification.sent_at = Some(now);
            notification.last_error = None;
        }
        Outcome::Refused(why) => {
            notification.state = State::Failed;
            notification.last_error = Some(why.clone());
        }
        Outcome::Postponed(why) | Outcome::Unreachable(why) => {
            let next_attempt_at = now + backoff(notification.attempts);
            notification.state = State::Pending { next_attempt_at };
            notification.last_error = Some(why.clone());
        }
        Outcome::Untried => {
            notification.attempts -= 1;
            notification.state = State::Pending {
                next_attempt_at: now,
            };
        }
    }
}

/// What others hear about a notification that was settled, as its subject's next version.
pub fn announce(notification: &Notification, version: i32) -> Events {
    match notification.state {
        State::Sent => Events::one(
            version,
            NotificationSent {
                notification_id: notification.id,
                subject_id: notification.subject_id.clone(),
                kind: notification.kind.clone(),
                message_id: notification.message_id.clone(),
                attempts: notification.attempts,
            },
        ),
        State::Failed => Events::one(
            version,
            NotificationFailed {
                notification_id: notification.id,
                subject_id: notification.subject_id.clone(),
                kind: notification.kind.clone(),
                detail: notification.last_error.clone().unwrap_or_default(),
                attempts: notification.attempts,
            },
        ),
        State::Pending { .. } => Events::none(),
    }
}

/// Who asks to send a mail again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    /// The request, and the trace it belongs to.
    pub causation_id: Uuid,
    pub traceparent: Option<String>,
    /// Where to, if the customer has said so since.
    pub contact: Option<Mailbox>,
}

/// Asks for the same mail once more, under the same Message-ID. One that is on its way stays so.
pub fn resend(
    notification: &mut Notification,
    resend: Resend,
    now: DateTime<Utc>,
) -> Result<bool, Reject> {
    if matches!(notification.state, State::Pending { .. }) {
        return Ok(false);
    }
    if notification.resends >= RESENDS_MAX {
        return Err(Reject::new(
            "resend-limit",
            format!(
                "notification {} was sent again {RESENDS_MAX} times",
                notification.id
            ),
        ));
    }
    if let Some(contact) = resend.contact {
        notification.recipient = contact.email.to_string();
        notification.recipient_name = contact.name;
    }
    notification.resends += 1;
    notification.state = State::Pending {
        next_attempt_at: now,
    };
    notification.causation_id = resend.causation_id;
    notification.traceparent = resend.traceparent;
    Ok(true)
}

fn backoff(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(6);
    (RETRY_MIN * 2_i32.pow(doublings)).min(RETRY_MAX)
}
