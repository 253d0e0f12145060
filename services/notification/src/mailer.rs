//! One conversation with the mail server, and what its answer means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::config::Config;
use crate::domain::{Notification, Outcome};
use crate::smtp::{Connections, SendError};
use crate::templates;

/// A server that answers at all answers within this.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Mails on their way at a time: few enough to be welcome, and enough to hide the server's latency.
pub(crate) const CONNECTIONS_MAX: usize = 32;

pub(crate) struct Mailer {
    connections: Connections,
    from: Mailbox,
}

impl Mailer {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            connections: Connections::new(config.smtp_url.clone()),
            from: config.mail_from.clone(),
        }
    }

    pub(crate) async fn send(&self, notification: &Notification, now: DateTime<Utc>) -> Outcome {
        let message = match self.message(notification, now) {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(format!("no mail can be made of it: {error}")),
        };
        match tokio::time::timeout(TIMEOUT, self.connections.send(&message)).await {
            Ok(Ok(())) => Outcome::Accepted,
            Ok(Err(error)) => outcome(&error),
            Err(_) => Outcome::Unreachable(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    /// Addresses and headers are typed values: no text of a user can become a header.
    fn message(&self, notification: &Notification, now: DateTime<Utc>) -> anyhow::Result<Message> {
        let letter = templates::write(notification);
        // lettre panics at a line break in a name; the API lets none in.
        let name = notification.recipient_name.clone();
        let name = name.filter(|name| !name.contains(char::is_control));
        let to = Mailbox::new(name, notification.recipient.parse()?);
        let auto_submitted = HeaderName::new_from_ascii_str("Auto-Submitted");
        Ok(Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject)
            .message_id(Some(notification.message_id.clone()))
            .date(now.into())
            .raw_header(HeaderValue::new(
                auto_submitted,
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))?)
    }
}

fn outcome(error: &SendError) -> Outcome {
    let said = error.to_string();
    let status = match error {
        SendError::Connect(_) => None,
        SendError::Smtp(error) => error.status().map(u16::from),
    };
    match status {
        // About us or about the server, not about this mail: it closes down, wants another
        // sequence or a login.
        Some(421 | 500..=504 | 530 | 534 | 535 | 538) => Outcome::Unreachable(said),
        Some(500..) => Outcome::Refused(said),
        Some(_) => Outcome::Postponed(said),
        None => Outcome::Unreachable(said),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::Mailer;
    use crate::domain::{Content, Notification, State};
    use crate::smtp::Connections;

    fn notification() -> Notification {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        Notification {
            id: Uuid::nil(),
            subject_id: "42".to_owned(),
            kind: "order_confirmed".to_owned(),
            customer_id: Some("alice".to_owned()),
            recipient: "alice@customers.example".to_owned(),
            recipient_name: None,
            content: Content::OrderConfirmed,
            state: State::Pending {
                next_attempt_at: now,
            },
            attempts: 1,
            resends: 0,
            message_id: "<42@ticketrail.example>".to_owned(),
            causation_id: Uuid::nil(),
            correlation_id: "42".to_owned(),
            traceparent: None,
            created_at: now,
            sent_at: None,
            last_error: None,
        }
    }

    fn formatted(notification: &Notification) -> anyhow::Result<String> {
        let mailer = Mailer {
            connections: Connections::new("smtp://127.0.0.1".parse().expect("an address")),
            from: "Ticketrail <orders@ticketrail.example>".parse()?,
        };
        let message = mailer.message(notification, DateTime::UNIX_EPOCH)?;
        Ok(String::from_utf8(message.formatted())?)
    }

    #[test]
    fn a_mail_names_itself_the_same_each_time() {
        let mail = formatted(&notification()).expect("a mail");
        for line in [
            "Message-ID: <42@ticketrail.example>",
            "To: alice@customers.example",
            "Subject: Your order 42 is confirmed",
            "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative",
        ] {
            assert!(mail.contains(&format!("\r\n{line}")), "{line}: {mail}");
        }
    }

    #[test]
    fn a_name_cannot_smuggle_in_a_header() {
        let long = "ä".repeat(100);
        for name in [
            "Al\r\nBcc: eve@example.org",
            "Al\nBcc: eve@example.org",
            "Al, eve@example.org",
            "\"Al\\\" <eve@example.org>",
            "\u{202e}\u{2028}日本 👩‍👧",
            &long,
        ] {
            let name = Some(name.to_owned());
            let mail = Notification {
                recipient_name: name,
                ..notification()
            };
            let mail = formatted(&mail).expect("a mail");
            let headers = mail.split_once("\r\n\r\n").expect("headers end").0;
            let to = headers.matches("alice@customers.example").count();
            assert!(to == 1 && !headers.contains("\nBcc"), "{headers}");
        }
    }
}
