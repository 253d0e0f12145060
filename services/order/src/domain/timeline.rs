//! What happened to an order, entry by entry.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::state::{Participant, State};

/// One thing that happened: an event came, a customer asked, a deadline passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub order_id: Uuid,
    /// Of the event, the request or the deadline. An entry is written once per id.
    pub event_id: Uuid,
    pub kind: String,
    /// The event had been processed before, and had no effect now.
    pub duplicate: bool,
    /// As a sentence.
    pub what: String,
    pub at: DateTime<Utc>,
    /// Only of what came by Kafka.
    pub journey: Journey,
    /// From and to, where the state changed. An order begins from nothing.
    pub from: Option<State>,
    pub to: Option<State>,
    pub trace_id: Option<[u8; 16]>,
    /// Types of the events that followed from it.
    pub led_to: Vec<&'static str>,
}

/// When an event happened at its producer, was handed to Kafka, and was polled here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Journey {
    pub occurred_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
    pub received_at: Option<DateTime<Utc>>,
}

/// A participant has nothing of a cancelled order any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub order_id: Uuid,
    pub participant: Participant,
    pub at: DateTime<Utc>,
}
