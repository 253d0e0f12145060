use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use apache_avro::Schema as AvroSchema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use sqlx::{PgPool, Row};

use super::recursion::find_recursion;
use super::registry::{Registry, subject};
use super::{configure_library, frame, full_name};
use crate::batch::Reject;
use crate::event::{AnyEvent, Event, Schema};

/// An id that the registry does not know is not asked for again within this.
const UNKNOWN_ID_FOR: Duration = Duration::from_secs(10);

/// Encodes and decodes events. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Codec(Arc<Inner>);

struct Inner {
    registry: Registry,
    pool: PgPool,
    /// By event type. Fixed at start.
    compiled: HashMap<&'static str, Compiled>,
    /// By schema id. Grows when a newer writer appears.
    writers: RwLock<HashMap<u32, Arc<Writer>>>,
    unknown: RwLock<HashMap<u32, Instant>>,
}

/// A schema that this program was built with.
struct Compiled {
    id: u32,
    full_name: String,
    schema: &'static AvroSchema,
    writer: GenericDatumWriter<'static>,
    /// For bytes written with the very same schema: no resolution is needed.
    reader: GenericDatumReader<'static>,
}

/// A schema that some program wrote with.
struct Writer {
    full_name: String,
    schema: &'static AvroSchema,
    /// By event type: this writer's bytes into that reader's schema, resolved once.
    resolving: RwLock<HashMap<&'static str, Arc<GenericDatumReader<'static>>>>,
}

/// Why bytes are not the event they claim to be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("schema id {0} is not known to the registry")]
    UnknownSchema(u32),
    #[error("the bytes are a {actual}, not a {expected}")]
    WrongRecord { actual: String, expected: String },
    #[error("{0} bytes are left over after the event")]
    TrailingBytes(usize),
    #[error("the bytes do not decode: {0}")]
    Malformed(String),
}

impl From<DecodeError> for Reject {
    fn from(error: DecodeError) -> Self {
        let code = match error {
            DecodeError::UnknownSchema(_) => "unknown-schema",
            DecodeError::WrongRecord { .. } => "wrong-record",
            DecodeError::TrailingBytes(_) => "trailing-bytes",
            DecodeError::Malformed(_) => "malformed",
        };
        Self::new(code, error.to_string())
    }
}

/// What became of looking a schema id up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    Known,
    /// The registry is well and has no such id.
    Unknown,
}

impl Codec {
    /// Finds the ids of `schemas`: in the service's own table, else in the registry.
    pub async fn load(
        registry: Registry,
        pool: PgPool,
        schemas: impl IntoIterator<Item = Schema>,
    ) -> anyhow::Result<Self> {
        configure_library();
        let stored = sqlx::query("SELECT id, subject, schema FROM schema_ids")
            .fetch_all(&pool)
            .await
            .context("cannot read schema_ids; run `ticketrail init` first")?;
        let mut compiled = HashMap::new();
        let mut writers = HashMap::new();
        for row in &stored {
            let (id, text): (i32, &str) = (row.try_get("id")?, row.try_get("schema")?);
            writers.insert(id.cast_unsigned(), Arc::new(Writer::parse(text)?));
        }
        for schema in schemas {
            let parsed = leak(schema.text)
                .with_context(|| format!("the schema of {} is not usable", schema.event_type))?;
            let subject = subject(&schema)?;
            let known = stored.iter().find_map(|row| {
                (row.get::<&str, _>("subject") == subject
                    && row.get::<&str, _>("schema") == schema.text)
                    .then(|| row.get::<i32, _>("id").cast_unsigned())
            });
            let id = match known {
                Some(id) => id,
                None => look_up(&registry, &pool, &subject, schema.text).await?,
            };
            let entry = Compiled::of(id, parsed)?;
            writers
                .entry(id)
                .or_insert(Arc::new(Writer::parse(schema.text)?));
            compiled.insert(schema.event_type, entry);
        }
        Ok(Self(Arc::new(Inner {
            registry,
            pool,
            compiled,
            writers: RwLock::new(writers),
            unknown: RwLock::new(HashMap::new()),
        })))
    }

    /// The record's value, as it goes on the wire.
    pub fn encode(&self, event: &dyn AnyEvent) -> anyhow::Result<Vec<u8>> {
        let event_type = event.schema().event_type;
        let compiled = self.0.compiled.get(event_type).with_context(|| {
            format!("{event_type} is not published by this service: name its topic in `publishes`")
        })?;
        frame(compiled.id, |bytes| event.encode(&compiled.writer, bytes))
            .with_context(|| format!("{event_type} does not encode"))
    }

    /// `ticketrail.order.OrderPlaced` for `OrderPlaced`.
    pub fn full_name(&self, event_type: &str) -> Option<&str> {
        self.0
            .compiled
            .get(event_type)
            .map(|compiled| compiled.full_name.as_str())
    }

    pub fn knows(&self, id: u32) -> bool {
        let writers = self.0.writers.read().expect("no holder panics");
        writers.contains_key(&id)
    }

    /// Makes an id's schema known before `decode` needs it. An error means that the registry cannot
    /// say now: wait, and keep the order.
    pub async fn learn(&self, id: u32) -> anyhow::Result<Learned> {
        if self.knows(id) {
            return Ok(Learned::Known);
        }
        let recently = self
            .0
            .unknown
            .read()
            .expect("no holder panics")
            .get(&id)
            .copied();
        if recently.is_some_and(|since| since.elapsed() < UNKNOWN_ID_FOR) {
            return Ok(Learned::Unknown);
        }
        let found = self
            .0
            .registry
            .find_schema(id)
            .await
            .map_err(|error| anyhow::anyhow!("cannot look up schema id {id}: {error}"))?;
        let writer = found.as_deref().and_then(|text| Writer::parse(text).ok());
        let (Some(text), Some(writer)) = (found, writer) else {
            let mut unknown = self.0.unknown.write().expect("no holder panics");
            unknown.retain(|_, since| since.elapsed() < UNKNOWN_ID_FOR);
            unknown.insert(id, Instant::now());
            return Ok(Learned::Unknown);
        };
        remember(&self.0.pool, id, &writer.full_name, &text).await?;
        self.0
            .writers
            .write()
            .expect("no holder panics")
            .insert(id, Arc::new(writer));
        Ok(Learned::Known)
    }

    pub fn decode<E: Event>(&self, schema_id: u32, datum: &[u8]) -> Result<E, DecodeError> {
        let compiled = self
            .0
            .compiled
            .get(E::TYPE)
            .expect("`load` was given every consumed event");
        let mut rest = datum;
        let event = if schema_id == compiled.id {
            compiled.reader.read_deser(&mut rest).map_err(malformed)?
        } else {
            let reader = self.resolving_reader::<E>(schema_id, compiled)?;
            let value = reader.read_value(&mut rest).map_err(malformed)?;
            apache_avro::from_value(&value).map_err(malformed)?
        };
        if rest.is_empty() {
            Ok(event)
        } else {
            Err(DecodeError::TrailingBytes(rest.len()))
        }
    }

    fn resolving_reader<E: Event>(
        &self,
        schema_id: u32,
        compiled: &Compiled,
    ) -> Result<Arc<GenericDatumReader<'static>>, DecodeError> {
        let writer = self
            .0
            .writers
            .read()
            .expect("no holder panics")
            .get(&schema_id)
            .cloned()
            .ok_or(DecodeError::UnknownSchema(schema_id))?;
        // The library resolves a record of another name without complaint.
        if writer.full_name != compiled.full_name {
            return Err(DecodeError::WrongRecord {
                actual: writer.full_name.clone(),
                expected: compiled.full_name.clone(),
            });
        }
        if let Some(reader) = writer
            .resolving
            .read()
            .expect("no holder panics")
            .get(E::TYPE)
        {
            return Ok(Arc::clone(reader));
        }
        let reader = GenericDatumReader::builder(writer.schema)
            .reader_schema(compiled.schema)
            .build()
            .map(Arc::new)
            .map_err(malformed)?;
        writer
            .resolving
            .write()
            .expect("no holder panics")
            .insert(E::TYPE, Arc::clone(&reader));
        Ok(reader)
    }
}

impl Compiled {
    fn of(id: u32, parsed: &'static AvroSchema) -> anyhow::Result<Self> {
        Ok(Self {
            id,
            full_name: full_name(parsed).context("an event is a record")?,
            schema: parsed,
            writer: GenericDatumWriter::builder(parsed)
                .human_readable(true)
                .build()?,
            reader: GenericDatumReader::builder(parsed)
                .human_readable(true)
                .build()?,
        })
    }
}

impl Writer {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let schema = leak(text)?;
        Ok(Self {
            full_name: full_name(schema).context("an event is a record")?,
            schema,
            resolving: RwLock::new(HashMap::new()),
        })
    }
}

/// Schemas live as long as the process: there are few, and resolved readers borrow from them.
fn leak(text: &str) -> anyhow::Result<&'static AvroSchema> {
    let schema = AvroSchema::parse_str(text)?;
    if let Some(name) = find_recursion(&schema) {
        bail!("{name} holds itself: a few bytes could nest without end, so list its parts instead");
    }
    Ok(Box::leak(Box::new(schema)))
}

fn malformed(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed(error.to_string())
}

async fn look_up(
    registry: &Registry,
    pool: &PgPool,
    subject: &str,
    text: &str,
) -> anyhow::Result<u32> {
    match registry.find_id(subject, text).await {
        Ok(Some(id)) => {
            remember(pool, id, subject, text).await?;
            Ok(id)
        }
        Ok(None) => bail!("{subject} is not registered in this form; run `ticketrail init` first"),
        Err(error) => bail!(
            "the id of {subject} is not stored here and the registry does not answer: {error}"
        ),
    }
}

/// Writes an id down, so that it is known without the registry.
pub async fn remember(pool: &PgPool, id: u32, subject: &str, text: &str) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO schema_ids (id, subject, schema) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, schema = excluded.schema",
    )
    .bind(id.cast_signed())
    .bind(subject)
    .bind(text)
    .execute(pool)
    .await?;
    Ok(())
}
