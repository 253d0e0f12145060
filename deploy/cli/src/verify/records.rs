//! From a record to a row: what its headers claim, and what its value says.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::avro::Schema;
use super::rows::Feed;

/// Where records go. Each topic's readers see them in order.
pub(super) trait Sink {
    fn take(
        &mut self,
        topic: &str,
        record: &BorrowedMessage<'_>,
        feed: &mut Feed,
    ) -> anyhow::Result<()>;
}

/// Rows of `topic.records`.
pub(super) struct Events {
    pub(super) schemas: Schemas,
}

impl Sink for Events {
    fn take(
        &mut self,
        topic: &str,
        record: &BorrowedMessage<'_>,
        feed: &mut Feed,
    ) -> anyhow::Result<()> {
        let value = record.payload();
        let full_name = header(record, "ce_type");
        let (told, problem) = match self.schemas.decode(full_name, value)? {
            Ok(told) => (told, None),
            Err(error) => (Value::Null, Some(format!("{error:#}"))),
        };
        let field = |names: &[&str]| names.iter().find_map(|name| told[*name].as_str());

        feed.row(16)?;
        feed.text(Some(topic));
        feed.int4(Some(record.partition()));
        feed.int8(Some(record.offset()));
        feed.unix_ms(record.timestamp().to_millis());
        feed.uuid(id(record, "ce_id"));
        feed.uuid(id(record, "ce_causationid"));
        feed.int4(header(record, "ce_aggregateversion").and_then(|text| text.parse().ok()));
        feed.text(full_name.map(short));
        feed.text(text(record.key()));
        feed.bytes(value.map(digest).as_ref().map(<[u8; 16]>::as_slice));
        feed.bytes(Some(&headers_digest(record)));
        feed.text(field(&["order_id", "subject_id", "sku"]));
        feed.text(field(&["customer_id"]));
        feed.text(field(&["warehouse", "kind"]));
        feed.text(problem.as_deref());
        feed.uuid(trace_id(record));
        Ok(())
    }
}

/// Rows of `topic.letters`.
pub(super) struct Letters;

impl Sink for Letters {
    fn take(
        &mut self,
        topic: &str,
        record: &BorrowedMessage<'_>,
        feed: &mut Feed,
    ) -> anyhow::Result<()> {
        feed.row(12)?;
        feed.text(Some(topic));
        feed.int4(Some(record.partition()));
        feed.int8(Some(record.offset()));
        feed.uuid(id(record, "ce_id"));
        feed.text(text(record.key()));
        feed.bytes(
            record
                .payload()
                .map(digest)
                .as_ref()
                .map(<[u8; 16]>::as_slice),
        );
        feed.bytes(Some(&headers_digest(record)));
        feed.text(last_header(record, "dlt_group"));
        feed.text(last_header(record, "dlt_code"));
        feed.text(last_header(record, "dlt_topic"));
        feed.int4(last_header(record, "dlt_partition").and_then(|text| text.parse().ok()));
        feed.int8(last_header(record, "dlt_offset").and_then(|text| text.parse().ok()));
        Ok(())
    }
}

fn header<'r>(record: &'r BorrowedMessage<'_>, name: &str) -> Option<&'r str> {
    record
        .headers()?
        .iter()
        .find(|header| header.key == name)
        .and_then(|found| text(found.value))
}

/// A letter that was replayed and rejected again has two of them; the later one is its own.
fn last_header<'r>(record: &'r BorrowedMessage<'_>, name: &str) -> Option<&'r str> {
    let found = record
        .headers()?
        .iter()
        .filter(|header| header.key == name)
        .last();
    found.and_then(|found| text(found.value))
}

fn id(record: &BorrowedMessage<'_>, name: &str) -> Option<Uuid> {
    header(record, name).and_then(|id| Uuid::parse_str(id).ok())
}

fn trace_id(record: &BorrowedMessage<'_>) -> Option<Uuid> {
    let id = header(record, "traceparent")?.split('-').nth(1)?;
    Uuid::parse_str(id).ok()
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

/// As the copies of the outboxes have it.
pub(super) fn digest(value: &[u8]) -> [u8; 16] {
    let mut beginning = [0; 16];
    beginning.copy_from_slice(&Sha256::digest(value)[..16]);
    beginning
}

/// Of the headers that a record came with: what a dead letter says of its failure is left out.
fn headers_digest(record: &BorrowedMessage<'_>) -> [u8; 8] {
    let mut hasher = Sha256::new();
    for header in record.headers().iter().flat_map(|headers| headers.iter()) {
        if header.key.starts_with("dlt_") {
            continue;
        }
        // Lengths keep one header's end apart from the next one's beginning.
        hasher.update((header.key.len() as u64).to_be_bytes());
        hasher.update(header.key);
        hasher.update(
            header
                .value
                .map_or(-1, |value| value.len() as i64)
                .to_be_bytes(),
        );
        hasher.update(header.value.unwrap_or_default());
    }
    let mut beginning = [0; 8];
    beginning.copy_from_slice(&hasher.finalize()[..8]);
    beginning
}

fn short(full_name: &str) -> &str {
    full_name
        .rsplit_once('.')
        .map_or(full_name, |(_, name)| name)
}

/// Writer schemas by id, asked for once.
pub(super) struct Schemas {
    registry: String,
    client: reqwest::Client,
    runtime: Handle,
    known: HashMap<u32, Option<Schema>>,
}

#[derive(Deserialize)]
struct Registered {
    schema: String,
}

impl Schemas {
    /// To be made within a runtime, and used on a thread that may block.
    pub(super) fn of(registry: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()?;
        Ok(Self {
            registry: registry.trim_end_matches('/').to_owned(),
            client,
            runtime: Handle::current(),
            known: HashMap::new(),
        })
    }

    /// The inner error is the record's fault.
    fn decode(
        &mut self,
        full_name: Option<&str>,
        value: Option<&[u8]>,
    ) -> anyhow::Result<anyhow::Result<Value>> {
        let framed = value.and_then(|value| {
            let (id, datum) = value.strip_prefix(&[0])?.split_first_chunk::<4>()?;
            Some((u32::from_be_bytes(*id), datum))
        });
        let Some((id, datum)) = framed else {
            return Ok(Err(anyhow!("its value does not begin with a schema id")));
        };
        if !self.known.contains_key(&id) {
            let found = self.runtime.block_on(self.fetch(id))?;
            self.known.insert(id, found);
        }
        let Some(schema) = self.known.get(&id).and_then(Option::as_ref) else {
            return Ok(Err(anyhow!("the registry has no schema {id}")));
        };
        if full_name != Some(schema.full_name.as_str()) {
            return Ok(Err(anyhow!(
                "it says {full_name:?} and is {}",
                schema.full_name
            )));
        }
        Ok(schema.decode(datum))
    }

    async fn fetch(&self, id: u32) -> anyhow::Result<Option<Schema>> {
        let url = format!("{}/schemas/ids/{id}", self.registry);
        let doing = || format!("no answer from the schema registry at {url}");
        let response = self.client.get(&url).send().await.with_context(doing)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let found: Registered = response
            .error_for_status()?
            .json()
            .await
            .with_context(doing)?;
        Schema::parse(&found.schema)
            .with_context(|| format!("the schema {id}"))
            .map(Some)
    }
}
