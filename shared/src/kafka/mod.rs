//! Kafka: client options with their reasons, and what travels in record headers.

pub mod admin;
pub mod client;
pub mod headers;

/// Names with the namespace that a test puts before them; in production it is empty.
#[derive(Debug, Clone, Default)]
pub struct Names {
    namespace: String,
}

impl Names {
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
        }
    }

    pub fn topic(&self, topic: &str) -> String {
        format!("{}{topic}", self.namespace)
    }

    pub fn group(&self, group: &str) -> String {
        format!("{}{group}", self.namespace)
    }

    /// A topic's name as the contract knows it.
    pub fn bare<'a>(&self, topic: &'a str) -> &'a str {
        topic.strip_prefix(self.namespace.as_str()).unwrap_or(topic)
    }
}

/// `order.events.inventory.dlt`.
pub fn dead_letter_topic(topic: &str, group: &str) -> String {
    format!("{topic}.{group}.dlt")
}
