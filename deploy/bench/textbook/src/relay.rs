//! Publishes what the outbox holds: claim a page, send it, mark it.

use std::time::Duration;

use futures::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Map, Value};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::Textbook;

const PAGE: i64 = 500;
/// When less than a page was found.
const PAUSE: Duration = Duration::from_millis(100);
const SENT_WITHIN: Duration = Duration::from_secs(30);

#[derive(FromRow)]
struct Row {
    id: Uuid,
    topic: String,
    key: String,
    headers: sqlx::types::Json<Map<String, Value>>,
    payload: Vec<u8>,
}

pub(crate) async fn run(textbook: &Textbook, pool: &PgPool) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &textbook.kafka_bootstrap_servers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        .create()?;
    loop {
        if publish(pool, &producer).await? < PAGE as usize {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn publish(pool: &PgPool, producer: &FutureProducer) -> anyhow::Result<usize> {
    let mut tx = pool.begin().await?;
    let page: Vec<Row> = sqlx::query_as(
        "SELECT id, topic, key, headers, payload
         FROM outbox
         WHERE published_at IS NULL
         ORDER BY created_at
         LIMIT $1
         FOR UPDATE SKIP LOCKED",
    )
    .bind(PAGE)
    .fetch_all(&mut *tx)
    .await?;
    let sent = page.iter().map(|row| {
        let record = FutureRecord::to(&row.topic)
            .key(&row.key)
            .headers(headers(&row.headers))
            .payload(&row.payload);
        producer.send(record, SENT_WITHIN)
    });
    try_join_all(sent).await.map_err(|(error, _)| error)?;
    let ids: Vec<Uuid> = page.iter().map(|row| row.id).collect();
    sqlx::query("UPDATE outbox SET published_at = now() WHERE id = ANY($1)")
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(page.len())
}

fn headers(packed: &Map<String, Value>) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(packed.len());
    packed.iter().fold(headers, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: value.as_str(),
        })
    })
}
