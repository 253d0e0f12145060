//! Where mails go, and what they are called.

use lettre::Address;
use lettre::message::Mailbox;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Audience;

/// Where mails go.
#[derive(Debug, Clone)]
pub struct Addressing {
    pub operations: Mailbox,
    /// Of customers who left no address.
    pub customer_domain: String,
    pub message_domain: String,
}

impl Addressing {
    /// `contact` is the customer's, if there is one.
    pub fn recipient(&self, audience: &Audience, contact: Option<&Mailbox>) -> Mailbox {
        match (audience, contact) {
            (Audience::Operations, _) => self.operations.clone(),
            (Audience::Customer(_), Some(contact)) => contact.clone(),
            (Audience::Customer(id), None) => Mailbox::new(None, self.fallback(id)),
        }
    }

    /// Two customers never share a fallback address: a reference that cannot stand before the `@`
    /// as it is goes by its hash.
    fn fallback(&self, customer_id: &str) -> Address {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
        let readable = customer_id.chars().all(plain)
            && !customer_id.starts_with("c-")
            && customer_id.len() <= 64;
        let address = readable.then(|| Address::new(customer_id, &self.customer_domain).ok());
        address.flatten().unwrap_or_else(|| {
            let digest = Sha256::digest(customer_id);
            let digest: String = digest[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Address::new(format!("c-{digest}"), &self.customer_domain)
                .expect("hex digits stand before a domain that was checked at start")
        })
    }

    pub fn message_id(&self, notification_id: Uuid) -> String {
        format!("<{notification_id}@{}>", self.message_domain)
    }
}
