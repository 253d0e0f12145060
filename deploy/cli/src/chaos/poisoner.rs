//! Puts bad records between the good ones, each of which is to be put aside and to stop nobody.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use shared::avro::registry::Registry;
use shared::clock::process_now;
use shared::crash;
use shared::event::new_id;
use shared::kafka::admin::DEAD_LETTER_BYTES_MAX;
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::history::{History, Poisoned};
use crate::local::Layout;
use crate::poison::{self, Draw, Kind, Poison, SchemaIds};

/// Longer than any outage of a run.
const TAKEN_WITHIN: Duration = Duration::from_secs(120);
/// Its headers are right, so that it gets as far as being decoded.
const ONLY_ITS_VALUE: &str = "no frame";

/// Topic, partition and offset.
pub(super) type Position = (String, i32, i64);

pub(super) struct Poisoner {
    ids: SchemaIds,
    producer: FutureProducer,
    history: History,
    positions: Mutex<HashSet<Position>>,
}

impl Poisoner {
    pub(super) async fn new(
        layout: &Layout,
        mut kafka: ClientConfig,
        history: &History,
    ) -> anyhow::Result<Arc<Self>> {
        let registry = Registry::new(&layout.endpoints().registry)?;
        let producer = kafka
            // One that was sent twice would be a bad record more than was written down.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            // The topic decides what is too large, not this client.
            .set("message.max.bytes", DEAD_LETTER_BYTES_MAX)
            .create()
            .context("cannot make a Kafka client")?;
        Ok(Arc::new(Self {
            ids: SchemaIds::load(&registry).await?,
            producer,
            history: history.clone(),
            positions: Mutex::default(),
        }))
    }

    /// Where they lie.
    pub(super) fn positions(&self) -> &Mutex<HashSet<Position>> {
        &self.positions
    }

    pub(super) fn count(&self) -> u64 {
        self.positions.lock().expect("no holder panics").len() as u64
    }

    /// So many over that time, of every kind in turn.
    pub(super) async fn run(
        self: Arc<Self>,
        seed: u64,
        records: u64,
        over: Duration,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut dice = Dice::new(seed, "poison");
        let mut drawn = Vec::new();
        let every = over / u32::try_from(records.max(1)).unwrap_or(u32::MAX);
        let mut next = tokio::time::interval(every.max(Duration::from_millis(1)));
        let mut left = records;
        while left > 0 {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = next.tick() => {}
            }
            if drawn.is_empty() {
                drawn = kinds();
                dice.shuffle(&mut drawn);
            }
            // Harmless, or good for somebody: then others would have to know of it.
            while let Some((kind, event_type)) = drawn.pop() {
                let poison = self.draw(kind, event_type);
                if poison.is_put_aside_by_all() {
                    self.send(&poison).await?;
                    left -= 1;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends every process that decodes it.
    pub(super) async fn send_aborting(&self, event_type: &str) -> anyhow::Result<Poison> {
        let kind = poison::all().find(|kind| kind.name == ONLY_ITS_VALUE);
        let mut poison = self.draw(kind.context("it is one")?, event_type);
        poison.kind = "ends the process that decodes it";
        poison.record.value = Some(crash::PAYLOAD.to_vec());
        self.send(&poison).await?;
        Ok(poison)
    }

    pub(super) fn draw(&self, kind: &Kind, event_type: &str) -> Poison {
        let draw = Draw {
            ids: &self.ids,
            subject: new_id(),
            event_id: new_id(),
            now: process_now(),
        };
        kind.draw(event_type, &draw)
    }

    pub(super) async fn send(&self, poison: &Poison) -> anyhow::Result<()> {
        let record = &poison.record;
        let headers = record.headers.iter().fold(
            OwnedHeaders::new_with_capacity(record.headers.len()),
            |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: value.as_deref(),
                })
            },
        );
        let mut sent = FutureRecord::<[u8], [u8]>::to(record.topic.0).headers(headers);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        let delivered = self.producer.send(sent, TAKEN_WITHIN).await;
        let delivered = delivered
            .map_err(|(error, _)| error)
            .with_context(|| format!("the broker did not take `{}`", poison.kind))?;
        let (partition, offset) = (delivered.partition, delivered.offset);
        self.positions.lock().expect("no holder panics").insert((
            record.topic.0.to_owned(),
            partition,
            offset,
        ));
        let consumers = poison.dead_letters.iter().map(|(consumer, _)| *consumer);
        self.history
            .poisoned(&Poisoned {
                topic: record.topic.0,
                partition,
                offset,
                kind: poison.kind,
                value: record.value.as_ref().map(|value| STANDARD.encode(value)),
                consumers: consumers.collect(),
            })
            .await
    }
}

/// Every kind on every type of event that it spoils.
pub(super) fn kinds() -> Vec<(&'static Kind, &'static str)> {
    poison::all()
        .flat_map(|kind| {
            kind.events
                .iter()
                .map(move |event_type| (kind, *event_type))
        })
        .collect()
}
