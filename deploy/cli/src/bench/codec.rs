//! `OrderPlaced` to bytes and back: events a second on one core.
//!
//! The peer goes through the Avro library's generic values, as its documentation shows first.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema as AvroSchema, from_value, to_value};
use shared::avro::registry::Registry;
use shared::avro::{Codec, unframe};
use shared::contract::order::OrderPlaced;
use shared::event::{Event, Schema};
use sqlx::PgPool;

use super::apply_drain::{Mix, Orders};
use super::machine::Cpu;
use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};

const SERVICE: &str = "inventory";
const DATABASE: &str = "codec";
/// Different ones, and few enough to stay in the cache.
const ORDERS: usize = 1_000;

pub(super) struct CodecBench {
    events: u32,
    round: Option<Round>,
}

#[derive(Clone)]
struct Round {
    codec: Codec,
    orders: Vec<OrderPlaced>,
    events: usize,
}

/// What encoding and decoding took.
struct Spent {
    encoding: Duration,
    decoding: Duration,
    /// Events that came back as others.
    changed: usize,
}

impl CodecBench {
    pub(super) fn new(events: u32) -> Self {
        Self {
            events,
            round: None,
        }
    }
}

impl Workload for CodecBench {
    fn about(&self) -> About {
        About {
            name: "codec",
            unit: "events",
            subjects: &[Subject::Ours, Subject::Peer],
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.events / 10)
    }

    async fn prepare(&mut self, parts: &Parts, _: u32) -> anyhow::Result<()> {
        let url = parts.fresh_database(SERVICE, DATABASE).await?;
        let pool = PgPool::connect(&url).await?;
        let registry = Registry::new(&parts.registry())?;
        let codec = Codec::load(registry, pool.clone(), [Schema::of::<OrderPlaced>()]).await?;
        pool.close().await;
        let mut orders = Orders::new(Mix::Uniform);
        self.round = Some(Round {
            codec,
            orders: (0..ORDERS).map(|_| orders.place()).collect(),
            events: self.events as usize,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.clone().expect("it was prepared");
        let cpu = Cpu::now(parts.dir())?;
        let spent = tokio::task::spawn_blocking(move || match subject {
            Subject::Ours => round.ours(),
            _ => round.generic(),
        })
        .await??;
        let cpu = Cpu::now(parts.dir())?.since(&cpu);
        let took = spent.encoding + spent.decoding;
        let ns = |part: Duration| part.as_secs_f64() * 1e9 / f64::from(self.events);
        let mut measured = Measured::new(u64::from(self.events), took, cpu);
        measured.details = BTreeMap::from([
            ("encode_ns", ns(spent.encoding)),
            ("decode_ns", ns(spent.decoding)),
        ]);
        if spent.changed > 0 {
            let wrong = format!("{} events came back as others", spent.changed);
            measured.wrong.push(wrong);
        }
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        self.round = None;
        parts.drop_database(DATABASE).await
    }
}

impl Round {
    fn ours(&self) -> anyhow::Result<Spent> {
        self.run(
            |order| self.codec.encode(order),
            |value| {
                let (id, datum) = unframe(value).context("it was framed")?;
                Ok(self.codec.decode::<OrderPlaced>(id, datum)?)
            },
        )
    }

    fn generic(&self) -> anyhow::Result<Spent> {
        let schema = AvroSchema::parse_str(OrderPlaced::SCHEMA)?;
        let writer = GenericDatumWriter::builder(&schema).build()?;
        let reader = GenericDatumReader::builder(&schema).build()?;
        self.run(
            |order| Ok(writer.write_value_to_vec(to_value(order)?)?),
            |mut datum| Ok(from_value(&reader.read_value(&mut datum)?)?),
        )
    }

    fn run(
        &self,
        encode: impl Fn(&OrderPlaced) -> anyhow::Result<Vec<u8>>,
        decode: impl Fn(&[u8]) -> anyhow::Result<OrderPlaced>,
    ) -> anyhow::Result<Spent> {
        let begun = Instant::now();
        let orders = self.orders.iter().cycle().take(self.events);
        for order in orders {
            black_box(encode(black_box(order))?);
        }
        let encoding = begun.elapsed();
        let values: Vec<Vec<u8>> = self.orders.iter().map(&encode).collect::<Result<_, _>>()?;
        let begun = Instant::now();
        for value in values.iter().cycle().take(self.events) {
            black_box(decode(black_box(value))?);
        }
        let decoding = begun.elapsed();
        let mut changed = 0;
        for (order, value) in self.orders.iter().zip(&values) {
            changed += usize::from(decode(value)? != *order);
        }
        Ok(Spent {
            encoding,
            decoding,
            changed,
        })
    }
}
