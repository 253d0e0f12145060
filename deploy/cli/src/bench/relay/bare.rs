//! A bare producer.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rdkafka::ClientConfig;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, Producer};
use shared::event::Envelope;
use shared::kafka::headers;
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::topic::Topic;
use crate::bench::kafka::{BareProducer, producer_options, send};
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;

const SENT_WITHIN: Duration = Duration::from_secs(120);

#[derive(FromRow)]
struct Row {
    event_id: Uuid,
    causation_id: Uuid,
    created_at: DateTime<Utc>,
    key: String,
    payload: Vec<u8>,
}

struct Ready {
    key: String,
    payload: Vec<u8>,
    headers: OwnedHeaders,
}

pub(super) async fn run(parts: &Parts, url: &str, topic: &Topic) -> anyhow::Result<Measured> {
    let mut connection = PgConnection::connect(url).await?;
    let question = "SELECT event_id, causation_id, created_at, key, payload FROM outbox
                    WHERE type = 'StockReserved'";
    let rows: Vec<Row> = sqlx::query_as(question).fetch_all(&mut connection).await?;
    connection.close().await?;
    let records: Vec<Ready> = rows.into_iter().map(Ready::from).collect();
    let units = records.len() as u64;
    let kafka = parts.kafka();
    let dir = parts.dir().to_owned();
    let sent_to = topic.name().to_owned();
    let (took, cpu) = tokio::task::spawn_blocking(move || {
        let cpu = Cpu::now(&dir)?;
        let begun = Instant::now();
        produce(&kafka, &sent_to, records)?;
        let took = begun.elapsed();
        anyhow::Ok((took, Cpu::now(&dir)?.since(&cpu)))
    })
    .await??;
    let arrived = topic.records().await?;
    let mut measured = Measured::new(units, took, cpu);
    if arrived != units {
        let wrong = format!("{arrived} of {units} records are on the topic");
        measured.wrong.push(wrong);
    }
    Ok(measured)
}

impl From<Row> for Ready {
    fn from(row: Row) -> Self {
        let envelope = Envelope {
            event_id: row.event_id,
            event_type: "StockReserved".to_owned(),
            aggregate_id: row.key.clone(),
            aggregate_version: 1,
            occurred_at: row.created_at,
            correlation_id: row.key.clone(),
            causation_id: row.causation_id,
        };
        let name = "ticketrail.inventory.StockReserved";
        Self {
            headers: headers::of_event("inventory", name, &envelope, None),
            key: row.key,
            payload: row.payload,
        }
    }
}

fn produce(kafka: &ClientConfig, topic: &str, records: Vec<Ready>) -> anyhow::Result<()> {
    let producer: BareProducer = producer_options(kafka).create()?;
    for ready in records {
        let record = BaseRecord::to(topic)
            .key(&ready.key)
            .payload(&ready.payload)
            .headers(ready.headers);
        send(&producer, record)?;
    }
    Ok(producer.flush(SENT_WITHIN)?)
}
