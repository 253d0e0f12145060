//! What an event is: a generated struct, its facts, and the envelope around it.

use std::any::Any;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::batch::Reject;

/// A topic's name without the namespace that a test puts before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub &'static str);

/// The facts of an event that the schema does not say. They live here and nowhere else.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Short record name of the schema.
    const TYPE: &'static str;
    const TOPIC: Topic;
    /// The text of the schema file: what is registered is what is compiled in.
    const SCHEMA: &'static str;

    /// The aggregate's id. What must stay in order shares it.
    fn partition_key(&self) -> String;

    /// What the schema promises in words and Avro cannot say. An event that breaks it is a dead
    /// letter of every consumer, before a handler sees it.
    fn check(&self) -> Result<(), Reject> {
        Ok(())
    }
}

/// An event type without its Rust type, for the registry.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    pub event_type: &'static str,
    pub topic: Topic,
    pub text: &'static str,
}

impl Schema {
    pub const fn of<E: Event>() -> Self {
        Self {
            event_type: E::TYPE,
            topic: E::TOPIC,
            text: E::SCHEMA,
        }
    }
}

/// An event behind a pointer, so that one batch can return several types.
pub trait AnyEvent: Send + Sync + 'static {
    fn schema(&self) -> Schema;
    fn partition_key(&self) -> String;
    fn as_any(&self) -> &dyn Any;
    fn encode(
        &self,
        writer: &apache_avro::writer::datum::GenericDatumWriter<'static>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), apache_avro::Error>;
}

impl<E: Event> AnyEvent for E {
    fn schema(&self) -> Schema {
        Schema::of::<E>()
    }

    fn partition_key(&self) -> String {
        Event::partition_key(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn encode(
        &self,
        writer: &apache_avro::writer::datum::GenericDatumWriter<'static>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), apache_avro::Error> {
        writer.write_ser(bytes, self).map(|_| ())
    }
}

/// What travels beside an event.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Fixed when the outbox row is written, never at publish: the deduplication key.
    pub event_id: Uuid,
    pub event_type: String,
    /// Also the record's key.
    pub aggregate_id: String,
    /// 1, 2, 3 … per aggregate and producer.
    pub aggregate_version: i32,
    pub occurred_at: DateTime<Utc>,
    /// The conversation: the order id where there is one.
    pub correlation_id: String,
    /// The event or request that caused this one.
    pub causation_id: Uuid,
}

/// A new time-ordered id. Ids of one process rise, so those of one batch stand side by side in an
/// index.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where ids come from"
)]
pub fn new_id() -> Uuid {
    crate::crash::skewed_id(Uuid::now_v7())
}
