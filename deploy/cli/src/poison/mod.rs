//! Records that are no good, as data: what each looks like, and who has to put it aside.
//!
//! Every record is about an order or article of its own, so whatever a consumer does with later
//! events of a dead letter's key, no healthy order waits behind one.

mod kinds;
mod sample;

use chrono::{DateTime, Utc};
use shared::avro::registry::Registry;
use shared::contract::CATALOGUE;
use shared::contract::topic::TOPICS;
use shared::event::{Event, Topic};
use uuid::Uuid;

pub use kinds::all;
pub use sample::SchemaIds;

use sample::framed;

/// One way to spoil a record.
pub struct Kind {
    pub name: &'static str,
    /// Event types that it is tried on.
    pub events: &'static [&'static str],
    spoil: fn(&mut Record, &Draw<'_>),
    fate: Fate,
}

/// What has to become of a record.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// A dead letter with this code, of every consumer that it concerns.
    DeadLetter(&'static str),
    /// A dead letter of these consumers, each with its code, and of no other.
    DeadLetters(&'static [(&'static str, &'static str)]),
    /// Nobody listens, or what is odd about it does no harm.
    Nothing,
}

/// What makes one record different from every other.
pub struct Draw<'a> {
    pub ids: &'a SchemaIds,
    /// The order, or the article, that it is about.
    pub subject: Uuid,
    pub event_id: Uuid,
    pub now: DateTime<Utc>,
}

/// A record to put on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: Topic,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub value: Option<Vec<u8>>,
}

/// A spoiled record, and what must become of it.
#[derive(Debug, Clone)]
pub struct Poison {
    pub kind: &'static str,
    pub record: Record,
    /// Consumer and code: one dead letter each, and none of anybody else.
    pub dead_letters: Vec<(&'static str, &'static str)>,
}

impl Kind {
    const fn new(
        name: &'static str,
        events: &'static [&'static str],
        fate: Fate,
        spoil: fn(&mut Record, &Draw<'_>),
    ) -> Self {
        Self {
            name,
            events,
            spoil,
            fate,
        }
    }

    /// A good event of this type, spoiled. The type is one of the kind's own.
    pub fn draw(&self, event_type: &str, draw: &Draw<'_>) -> Poison {
        let mut record = sample::record(event_type, draw);
        (self.spoil)(&mut record, draw);
        let dead_letters = match self.fate {
            Fate::DeadLetter(code) => concerned(&record)
                .into_iter()
                .map(|consumer| (consumer, code))
                .collect(),
            Fate::DeadLetters(letters) => letters.to_vec(),
            Fate::Nothing => Vec::new(),
        };
        Poison {
            kind: self.name,
            record,
            dead_letters,
        }
    }
}

impl Poison {
    /// Nobody does anything else with it.
    pub fn is_put_aside_by_all(&self) -> bool {
        let by = |consumer: &&str| self.dead_letters.iter().any(|(other, _)| other == consumer);
        let concerned = concerned(&self.record);
        !concerned.is_empty() && concerned.iter().all(by)
    }
}

/// Who reads the record's topic and listens to its type; everybody there, where it has none.
fn concerned(record: &Record) -> Vec<&'static str> {
    let readers = TOPICS
        .iter()
        .find(|(topic, _)| *topic == record.topic)
        .map_or(&[][..], |(_, groups)| *groups);
    let full_name = record.text("ce_type").filter(|name| !name.is_empty());
    let Some(full_name) = full_name else {
        return readers.to_vec();
    };
    let (_, name) = full_name.rsplit_once('.').unwrap_or(("", full_name));
    let listeners = sample::LISTENERS
        .iter()
        .find(|(event_type, _)| *event_type == name)
        .map_or(&[][..], |(_, groups)| *groups);
    readers
        .iter()
        .copied()
        .filter(|reader| listeners.contains(reader))
        .collect()
}

impl Record {
    /// The first header of this name, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    }

    fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = Some(value.into());
        match self.headers.iter_mut().find(|(header, _)| header == name) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), Some(value.into())));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(header, _)| header != name);
    }

    /// Of a record that still has one.
    fn value(&mut self) -> &mut Vec<u8> {
        self.value.as_mut().expect("a sample has a value")
    }

    /// What stands behind the magic byte and the schema's id.
    fn set_datum(&mut self, datum: &[u8]) {
        let value = self.value();
        value.truncate(5);
        value.extend_from_slice(datum);
    }

    /// Another event of the same type.
    fn say<E: Event>(&mut self, draw: &Draw<'_>, event: &E) {
        self.value = Some(framed(draw.ids, event));
    }
}

impl SchemaIds {
    /// Asks the registry for the id of every schema of the suite.
    pub async fn load(registry: &Registry) -> anyhow::Result<Self> {
        let mut ids = Self::default();
        for schema in CATALOGUE {
            let subject = shared::avro::registry::subject(schema)?;
            let id = registry.find_id(&subject, schema.text).await?;
            let id = id.ok_or_else(|| {
                anyhow::anyhow!("{subject} is not registered; run `ticketrail init` first")
            })?;
            ids.insert(schema.event_type, id);
        }
        Ok(ids)
    }
}
