//! What a handler is given and what it gives back.
//!
//! **A handler never sees an offset, and cannot commit, acknowledge or publish.** It borrows a
//! transaction, folds the events over the state it loaded, and returns what follows from them.

use chrono::{DateTime, Utc};
use opentelemetry::trace::SpanContext;
use uuid::Uuid;

use crate::event::{AnyEvent, Envelope, Event};
use crate::telemetry::propagation;

/// The decoded, first-seen events of one poll, in order.
pub struct Batch<E> {
    /// The database's time when the transaction began: the only `now` a decision may use.
    pub now: DateTime<Utc>,
    pub(crate) events: Vec<Received<E>>,
    pub(crate) duplicates: Vec<Envelope>,
}

/// One event as it arrived.
pub struct Received<E> {
    pub event: E,
    pub envelope: Envelope,
    /// When the relay handed it to Kafka.
    pub published_at: DateTime<Utc>,
    /// When this process polled it.
    pub received_at: DateTime<Utc>,
    /// What follows from this event says that it was caused by it, and continues its trace.
    pub cause: Cause,
}

/// Why something happens: the event or request behind it, the conversation, the trace.
#[derive(Debug, Clone)]
pub struct Cause {
    pub id: Uuid,
    /// `None` where the conversation begins with the outgoing event itself.
    pub correlation_id: Option<String>,
    pub span: SpanContext,
}

impl Cause {
    /// A request that is being served: an id of its own, the trace of the current span.
    pub fn request() -> Self {
        Self {
            id: crate::event::new_id(),
            correlation_id: None,
            span: crate::telemetry::current_span_context(),
        }
    }

    /// What was written down to be acted on later: a deadline, a mail to send.
    pub fn stored(id: Uuid, correlation_id: impl Into<String>, traceparent: Option<&str>) -> Self {
        Self {
            id,
            correlation_id: Some(correlation_id.into()),
            span: propagation::from_traceparent(traceparent),
        }
    }

    /// To write it down.
    pub fn traceparent(&self) -> Option<String> {
        propagation::to_traceparent(&self.span)
    }
}

impl<E> Batch<E> {
    pub fn new(now: DateTime<Utc>, events: Vec<Received<E>>, duplicates: Vec<Envelope>) -> Self {
        Self {
            now,
            events,
            duplicates,
        }
    }

    pub fn events(&self) -> &[Received<E>] {
        &self.events
    }

    /// Events of this batch that had been processed before. They have no effect, and are here only
    /// so that a timeline can show that they came again.
    pub fn duplicates(&self) -> &[Envelope] {
        &self.duplicates
    }

    /// Decides event after event, in order. Pairs what each returns with its cause, and collects
    /// the rejections; the frame dead-letters those while the rest of the batch goes on.
    pub fn fold(&self, mut decide: impl FnMut(&Received<E>) -> Decision) -> Outgoing {
        let mut outgoing = Outgoing::none();
        for (index, received) in self.events.iter().enumerate() {
            match decide(received) {
                Ok(events) => outgoing.add(&received.cause, events),
                Err(reject) => outgoing.rejects.push((index, reject)),
            }
        }
        outgoing
    }
}

/// What one event leads to: further events, or the refusal to accept it.
pub type Decision = Result<Events, Reject>;

/// Events that a domain function returns, each with its aggregate version.
#[derive(Default)]
pub struct Events(Vec<(i32, Box<dyn AnyEvent>)>);

impl Events {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn one(version: i32, event: impl Event) -> Self {
        Self::none().and(version, event)
    }

    #[must_use]
    pub fn and(mut self, version: i32, event: impl Event) -> Self {
        self.0.push((version, Box::new(event)));
        self
    }

    pub fn push(&mut self, version: i32, event: impl Event) {
        self.0.push((version, Box::new(event)));
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of the events, in order.
    pub fn types(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .map(|(_, event)| event.schema().event_type)
            .collect()
    }

    /// In order, each with its version.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &dyn AnyEvent)> {
        self.0.iter().map(|(version, event)| (*version, &**event))
    }

    /// The first event of a type, with its version.
    pub fn find<E: Event>(&self) -> Option<(i32, &E)> {
        self.0.iter().find_map(|(version, event)| {
            event
                .as_any()
                .downcast_ref::<E>()
                .map(|event| (*version, event))
        })
    }
}

/// What a handler returns: the events to enqueue, each with its cause, and the rejections.
#[derive(Default)]
pub struct Outgoing {
    pub(crate) events: Vec<OutgoingEvent>,
    pub(crate) rejects: Vec<(usize, Reject)>,
}

pub(crate) struct OutgoingEvent {
    pub(crate) cause: Cause,
    pub(crate) version: i32,
    pub(crate) event: Box<dyn AnyEvent>,
}

impl Outgoing {
    pub fn none() -> Self {
        Self::default()
    }

    /// For the doors that have no incoming event: HTTP requests, deadlines, workers.
    pub fn caused_by(cause: &Cause, events: Events) -> Self {
        let mut outgoing = Self::none();
        outgoing.add(cause, events);
        outgoing
    }

    pub fn add(&mut self, cause: &Cause, events: Events) {
        self.events
            .extend(events.0.into_iter().map(|(version, event)| OutgoingEvent {
                cause: cause.clone(),
                version,
                event,
            }));
    }

    /// In order, each with its cause and version.
    pub fn events(&self) -> impl Iterator<Item = (&Cause, i32, &dyn AnyEvent)> {
        let events = self.events.iter();
        events.map(|outgoing| (&outgoing.cause, outgoing.version, &*outgoing.event))
    }

    /// With the position of each among the batch's events.
    pub fn rejects(&self) -> &[(usize, Reject)] {
        &self.rejects
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.rejects.is_empty()
    }
}

/// The event can never succeed here: it becomes a dead letter, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Reject {
    /// Stable name, by which dead letters are grouped.
    pub code: &'static str,
    pub detail: String,
    /// Whether later events of the same key may go on without this one.
    pub(crate) stands_alone: bool,
}

impl Reject {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            stands_alone: false,
        }
    }

    /// Nothing that comes later for the same key depends on this event, so nothing waits for it.
    #[must_use]
    pub fn standing_alone(self) -> Self {
        Self {
            stands_alone: true,
            ..self
        }
    }
}

/// The batch could not be processed now: it rolls back and comes again.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}
