//! For tests: the frame without Kafka, so that the test decides what a batch is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rdkafka::message::{BorrowedHeaders, Headers as _};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::avro::Codec;
use crate::avro::registry::Registry;
use crate::clock::Clock;
use crate::consumer::ConsumerContext;
use crate::consumer::frame::{Frame, ends};
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::{Consumes, EventHandler};
use crate::consumer::store::{self, Progress};
use crate::db;
use crate::event::{AnyEvent, Envelope, Schema};
use crate::http::health::Health;
use crate::kafka::Names;
use crate::kafka::headers::{Packed, of_event};
use crate::outbox::Wake;

/// One service's handler in its frame, on a database of its own.
pub struct Driver<H: EventHandler> {
    frame: Frame<H>,
    connection: PgConnection,
    codec: Codec,
    epochs: HashMap<&'static str, i64>,
}

/// A record that was never on Kafka.
#[derive(Debug, Clone)]
pub struct TestRecord(Record);

impl TestRecord {
    /// What the record's value becomes.
    #[must_use]
    pub fn with_value(mut self, value: Option<Vec<u8>>) -> Self {
        self.0.value = value;
        self
    }

    pub fn value(&self) -> Option<&[u8]> {
        self.0.value.as_deref()
    }

    /// The same record as published again: another offset, everything else the same.
    #[must_use]
    pub fn at(mut self, offset: i64) -> Self {
        self.0.offset = offset;
        self
    }
}

impl<H: EventHandler> Driver<H> {
    pub async fn new(
        service: &'static str,
        handler: H,
        database_url: &str,
        registry_url: &str,
        publishes: &[Schema],
    ) -> anyhow::Result<Self> {
        let pool = PgPool::connect(database_url).await?;
        let consumes: Consumes<H::Incoming> = H::consumes();
        let schemas = consumes.schemas().iter().chain(publishes).copied();
        let codec = Codec::load(Registry::new(registry_url)?, pool, schemas).await?;
        let database = db::options_of_own_work(database_url, service)?;
        let context = ConsumerContext {
            service,
            client: rdkafka::ClientConfig::new(),
            names: Names::default(),
            database: database.clone(),
            batch_records_max: 2000,
            dead_letters_surge: 200,
            codec: codec.clone(),
            clock: Clock::default(),
            wake: Wake::default(),
            health: Health::default(),
            conversation: "order.id",
            stopping: CancellationToken::new(),
        };
        let topics = consumes.topics();
        let frame = Frame::new(&context, handler, consumes.into());
        let mut connection = database.connect().await?;
        let mut epochs = HashMap::new();
        for topic in topics {
            let fence = store::take_over(&mut connection, topic.0, 0, 0).await?;
            epochs.insert(topic.0, fence.epoch);
        }
        Ok(Self {
            frame,
            connection,
            codec,
            epochs,
        })
    }

    /// An event as the relay would have published it.
    pub fn record(
        &self,
        event: &dyn AnyEvent,
        event_id: Uuid,
        version: i32,
        offset: i64,
        occurred_at: DateTime<Utc>,
        traceparent: Option<&str>,
    ) -> TestRecord {
        let schema = event.schema();
        let key = event.partition_key();
        let envelope = Envelope {
            event_id,
            event_type: schema.event_type.to_owned(),
            aggregate_id: key.clone(),
            aggregate_version: version,
            occurred_at,
            correlation_id: key.clone(),
            causation_id: event_id,
        };
        let full_name = self
            .codec
            .full_name(schema.event_type)
            .expect("it is consumed");
        let headers = of_event("test", full_name, &envelope, traceparent);
        TestRecord(Record {
            topic: schema.topic.0,
            partition: 0,
            offset,
            key: Some(key.into_bytes()),
            value: Some(self.codec.encode(event).expect("it encodes")),
            headers: packed(headers.as_borrowed()),
            published_at: crate::clock::process_now(),
            received_at: occurred_at,
        })
    }

    /// One batch, one transaction.
    pub async fn process(&mut self, records: &[TestRecord]) -> Result<(), String> {
        let progress: Vec<_> = ends(records.iter().map(|record| &record.0))
            .into_iter()
            .map(|((topic, partition), next_offset)| Progress {
                epoch: self.epochs[topic],
                topic,
                partition,
                next_offset,
            })
            .collect();
        let mut records: Vec<Arrived<H::Incoming>> = records
            .iter()
            .map(|record| record.0.clone().into())
            .collect();
        self.frame
            .process(&mut self.connection, &mut records, &progress, None)
            .await
            .map_err(|error| error.to_string())
    }
}

fn packed(headers: &BorrowedHeaders) -> Packed {
    let mut packed = Packed::new();
    for header in headers.iter() {
        packed.push(header.key, header.value);
    }
    packed
}
