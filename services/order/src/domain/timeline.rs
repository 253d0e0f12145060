//! What happened to an order, entry by entry.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::state::{Participant, State};

/// One thing that happened: an event came, a customer asked, a deadline passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) order_id: Uuid,
    /// Of the event, the request or the deadline. An entry is written once per id.
    pub(crate) event_id: Uuid,
    pub(crate) kind: String,
    /// The event had been processed before, and had no effect now.
    pub(crate) duplicate: bool,
    /// As a sentence.
    pub(crate) what: String,
    pub(crate) at: DateTime<Utc>,
    /// Only of what came by Kafka.
    pub(crate) journey: Journey,
    /// From and to, where the state changed. An order begins from nothing.
    pub(crate) from: Option<State>,
    pub(crate) to: Option<State>,
    pub(crate) trace_id: Option<[u8; 16]>,
    /// Types of the events that followed from it.
    pub(crate) led_to: Vec<&'static str>,
}

/// When an event happened at its producer, was handed to Kafka, and was polled here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Journey {
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    pub(crate) published_at: Option<DateTime<Utc>>,
    pub(crate) received_at: Option<DateTime<Utc>>,
}

/// A participant has nothing of a cancelled order any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) order_id: Uuid,
    pub(crate) participant: Participant,
    pub(crate) at: DateTime<Utc>,
}
