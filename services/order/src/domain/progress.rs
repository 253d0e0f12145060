//! What the steps of one transaction add up to: sagas to save, and what to tell about them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use shared::batch::{Cause, Decision, Events, Received, Reject};
use shared::event::Envelope;
use uuid::Uuid;

use super::state::{Participant, Saga};
use super::timeline::{Ack, Entry, Journey};

/// What one event, request or deadline led to.
pub struct Step {
    /// For the timeline, as a sentence.
    pub what: String,
    pub events: Events,
    /// Who acknowledged the cancellation by it.
    pub acked: Option<Participant>,
}

pub type Decided = Result<Step, Reject>;

impl Step {
    pub fn noted(what: impl Into<String>) -> Self {
        Self::with(what, Events::none())
    }

    pub fn with(what: impl Into<String>, events: Events) -> Self {
        Self {
            what: what.into(),
            events,
            acked: None,
        }
    }
}

/// Events about an order that was never placed here.
pub fn unknown_order(order_id: &str) -> Reject {
    Reject::new(
        "unknown-order",
        format!("order {order_id} was never placed"),
    )
}

/// The sagas that a transaction has locked, and what has happened to them in it.
pub struct Progress {
    now: DateTime<Utc>,
    sagas: HashMap<Uuid, Saga>,
    changed: BTreeSet<Uuid>,
    acks: Vec<Ack>,
    entries: Vec<Entry>,
}

/// Where a step comes from, for the timeline.
pub struct Origin {
    pub id: Uuid,
    pub kind: String,
    pub journey: Journey,
    pub trace_id: Option<[u8; 16]>,
}

impl Origin {
    pub fn event<E>(received: &Received<E>) -> Self {
        Self {
            id: received.envelope.event_id,
            kind: received.envelope.event_type.clone(),
            journey: Journey {
                occurred_at: Some(received.envelope.occurred_at),
                published_at: Some(received.published_at),
                received_at: Some(received.received_at),
            },
            trace_id: trace_id(&received.cause),
        }
    }

    /// A request or a deadline.
    pub fn cause(kind: &str, cause: &Cause) -> Self {
        Self {
            id: cause.id,
            kind: kind.to_owned(),
            journey: Journey::default(),
            trace_id: trace_id(cause),
        }
    }
}

pub fn trace_id(cause: &Cause) -> Option<[u8; 16]> {
    cause
        .span
        .is_valid()
        .then(|| cause.span.trace_id().to_bytes())
}

impl Progress {
    pub fn new(sagas: Vec<Saga>, now: DateTime<Utc>) -> Self {
        Self {
            now,
            sagas: sagas
                .into_iter()
                .map(|saga| (saga.order_id, saga))
                .collect(),
            changed: BTreeSet::new(),
            acks: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Decides what an event leads to, and keeps what it did.
    pub fn step(
        &mut self,
        order_id: Uuid,
        origin: Origin,
        decide: impl FnOnce(&mut Saga) -> Decided,
    ) -> Decision {
        let events = self.advance(order_id, origin, |saga| decide(saga).map(Some))?;
        events.ok_or_else(|| unknown_order(&order_id.to_string()))
    }

    /// The same for what may lead to nothing, and then leaves no entry.
    pub fn advance<E>(
        &mut self,
        order_id: Uuid,
        origin: Origin,
        decide: impl FnOnce(&mut Saga) -> Result<Option<Step>, E>,
    ) -> Result<Option<Events>, E> {
        let Some(saga) = self.sagas.get_mut(&order_id) else {
            return Ok(None);
        };
        let before = saga.clone();
        let Some(step) = decide(saga)? else {
            return Ok(None);
        };
        if *saga != before {
            saga.updated_at = self.now;
            self.changed.insert(order_id);
        }
        let moved = saga.state != before.state;
        self.acks.extend(step.acked.map(|participant| Ack {
            order_id,
            participant,
            at: self.now,
        }));
        self.entries.push(Entry {
            order_id,
            event_id: origin.id,
            kind: origin.kind,
            duplicate: false,
            what: step.what,
            at: self.now,
            journey: origin.journey,
            from: moved.then_some(before.state),
            to: moved.then_some(saga.state),
            trace_id: origin.trace_id,
            led_to: step.events.types(),
        });
        Ok(Some(step.events))
    }

    /// An event that had been processed came again. It had no effect, and that is worth a line.
    pub fn duplicate(&mut self, order_id: Uuid, envelope: &Envelope) {
        if !self.sagas.contains_key(&order_id) {
            return;
        }
        self.entries.push(Entry {
            order_id,
            event_id: envelope.event_id,
            kind: envelope.event_type.clone(),
            duplicate: true,
            what: "came again and was skipped".to_owned(),
            at: self.now,
            journey: Journey {
                occurred_at: Some(envelope.occurred_at),
                ..Journey::default()
            },
            from: None,
            to: None,
            trace_id: None,
            led_to: Vec::new(),
        });
    }

    /// In key order.
    pub fn changed(&self) -> impl Iterator<Item = &Saga> {
        self.changed
            .iter()
            .filter_map(|order_id| self.sagas.get(order_id))
    }

    pub fn acks(&self) -> &[Ack] {
        &self.acks
    }

    /// In the order in which things happened.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Orders about which there is news.
    pub fn orders(&self) -> impl Iterator<Item = Uuid> {
        self.entries.iter().map(|entry| entry.order_id)
    }
}
