//! From an event type's name to the code that decodes it: a service's table of contents.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::avro::Codec;
use crate::batch::{Batch, HandlerError, Outgoing, Reject};
use crate::event::{Event, Schema, Topic};

/// The one batch handler of a service.
pub trait EventHandler: Send + Sync + 'static {
    /// An enum with one variant per event it listens to.
    type Incoming: Send + Sync + 'static;

    /// One line per event, in the order of the story.
    fn consumes() -> Consumes<Self::Incoming>;

    /// Load, decide, save, return. The transaction is borrowed: **only the frame commits.**
    ///
    /// An error means that the whole batch rolls back and comes again.
    fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Self::Incoming>,
    ) -> impl Future<Output = Result<Outgoing, HandlerError>> + Send;
}

/// What a service listens to.
pub struct Consumes<I> {
    events: HashMap<&'static str, Listened<I>>,
    order: Vec<Schema>,
}

pub(crate) struct Listened<I> {
    pub(crate) topic: Topic,
    pub(crate) decode: Decode<I>,
}

/// The key that the event itself asks for, and the event.
type Decode<I> = Box<dyn Fn(&Codec, u32, &[u8]) -> Result<(String, I), Reject> + Send + Sync>;

impl<I: 'static> Default for Consumes<I> {
    fn default() -> Self {
        Self {
            events: HashMap::new(),
            order: Vec::new(),
        }
    }
}

impl<I: 'static> Consumes<I> {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn on<E: Event>(
        mut self,
        incoming: impl Fn(E) -> I + Copy + Send + Sync + 'static,
    ) -> Self {
        let decode: Decode<I> = Box::new(move |codec, schema_id, datum| {
            let event: E = codec.decode(schema_id, datum)?;
            event.check()?;
            Ok((event.partition_key(), incoming(event)))
        });
        let known = self.events.insert(
            E::TYPE,
            Listened {
                topic: E::TOPIC,
                decode,
            },
        );
        assert!(known.is_none(), "{} is registered twice", E::TYPE);
        self.order.push(Schema::of::<E>());
        self
    }

    /// The events, in the order they were registered.
    pub fn schemas(&self) -> &[Schema] {
        &self.order
    }

    /// The topics to subscribe to.
    pub fn topics(&self) -> Vec<Topic> {
        let mut topics: Vec<_> = self.order.iter().map(|schema| schema.topic).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    pub(crate) fn find(&self, event_type: &str) -> Option<&Listened<I>> {
        self.events.get(event_type)
    }
}
