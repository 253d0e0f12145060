//! The notification service.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notification::domain::{Audience, Notification, Outcome, State, announce, settle};
use notification::event_handlers::{Incoming, notice};
use shared::batch::{Batch, Cause, Events, Outgoing};

use super::super::dice::Dice;
use super::super::node::Handler;
use crate::facts::Fact;
use crate::readers::for_notification;

#[derive(Clone, Default)]
pub(in super::super) struct Mails {
    /// By subject and kind: one mail per cause.
    pub(in super::super) mails: BTreeMap<(String, String), Notification>,
    versions: BTreeMap<String, i32>,
}

impl Mails {
    pub(in super::super) fn pending(&self) -> Vec<(String, String)> {
        let mails = self.mails.iter();
        mails
            .filter(|(_, mail)| matches!(mail.state, State::Pending { .. }))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// A try to send one, and what others hear of it.
    pub(in super::super) fn send(
        &mut self,
        key: &(String, String),
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> (Cause, Events) {
        let mail = self.mails.get_mut(key).expect("it is pending");
        mail.attempts += 1;
        settle(mail, outcome, now);
        let cause = Cause::stored(mail.causation_id, &mail.correlation_id, None);
        if matches!(mail.state, State::Pending { .. }) {
            return (cause, Events::none());
        }
        let version = self.versions.entry(mail.subject_id.clone()).or_default();
        *version += 1;
        (cause, announce(mail, *version))
    }
}

impl Handler for Mails {
    type Incoming = Incoming;
    const NAME: &'static str = "notification";

    fn read(fact: &Fact) -> Option<Incoming> {
        for_notification(fact)
    }

    fn handle(&mut self, batch: &Batch<Incoming>, dice: &mut Dice) -> Outgoing {
        batch.fold(|received| {
            let notice = notice(received);
            let id = dice.id();
            let mail = Notification {
                id,
                customer_id: match &notice.audience {
                    Audience::Customer(customer_id) => Some(customer_id.clone()),
                    Audience::Operations => None,
                },
                recipient: "somebody@example.com".to_owned(),
                recipient_name: None,
                content: notice.content,
                state: State::Pending {
                    next_attempt_at: batch.now,
                },
                attempts: 0,
                resends: 0,
                message_id: format!("<{id}@example.com>"),
                causation_id: received.envelope.event_id,
                correlation_id: received.envelope.correlation_id.clone(),
                traceparent: None,
                created_at: batch.now,
                sent_at: None,
                last_error: None,
                subject_id: notice.subject_id.clone(),
                kind: notice.kind.clone(),
            };
            // What was asked for already stays as it is.
            let key = (notice.subject_id, notice.kind);
            self.mails.entry(key).or_insert(mail);
            Ok(Events::none())
        })
    }
}
