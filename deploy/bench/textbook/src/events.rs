//! Messages: what is read, and what is answered.

use anyhow::{Context, bail};
use apache_avro::types::Value;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use schema_registry_converter::async_impl::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use serde::Deserialize;
use uuid::Uuid;

use crate::placement::{Allocation, Placed};

pub(crate) const ORDERS: &str = "order.events";
pub(crate) const ANSWERS: &str = "inventory.events";

/// Of an order, what inventory needs. Its id is the message's key.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) lines: Vec<Line>,
    pub(crate) ship_to: ShipTo,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: i32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShipTo {
    pub(crate) country: String,
}

/// One message to act on.
pub(crate) struct Received {
    pub(crate) event_id: Uuid,
    pub(crate) correlation_id: String,
    pub(crate) order_id: Uuid,
    pub(crate) placed: OrderPlaced,
}

/// One message to publish.
pub(crate) struct Answer {
    pub(crate) event_type: &'static str,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Events {
    decoder: AvroDecoder,
    encoder: AvroEncoder,
}

impl Events {
    pub(crate) fn new(schema_registry_url: &str) -> anyhow::Result<Self> {
        let registry = SrSettings::new_builder(schema_registry_url.to_owned())
            .no_proxy()
            .build()?;
        Ok(Self {
            decoder: AvroDecoder::new(registry.clone()),
            encoder: AvroEncoder::new(registry),
        })
    }

    /// Nothing for a type that inventory has no use for.
    pub(crate) async fn read(
        &self,
        message: &BorrowedMessage<'_>,
    ) -> anyhow::Result<Option<Received>> {
        if header(message, "ce_type")? != "ticketrail.order.OrderPlaced" {
            return Ok(None);
        }
        let decoded = self.decoder.decode(message.payload()).await?;
        let key = message.key().context("there is no key")?;
        Ok(Some(Received {
            event_id: header(message, "ce_id")?.parse()?,
            correlation_id: header(message, "ce_correlationid")?.to_owned(),
            order_id: Uuid::parse_str(std::str::from_utf8(key)?)?,
            placed: apache_avro::from_value(&decoded.value)?,
        }))
    }

    pub(crate) async fn answer(&self, order_id: Uuid, placed: &Placed) -> anyhow::Result<Answer> {
        let id = ("order_id", Value::Uuid(order_id));
        let (event_type, fields) = match placed {
            Placed::Reserved(allocations) => {
                let placement = "the nearest that has all of it".to_owned();
                let fields = vec![
                    id,
                    ("allocations", by_warehouse(allocations)),
                    ("placement", Value::String(placement)),
                ];
                ("StockReserved", fields)
            }
            Placed::Rejected(shortfalls) => {
                let shortfalls = shortfalls.iter().map(|shortfall| {
                    record([
                        ("sku", Value::String(shortfall.sku.clone())),
                        ("requested", Value::Int(shortfall.requested)),
                        ("available", Value::Long(shortfall.available)),
                    ])
                });
                let fields = vec![id, ("shortfalls", Value::Array(shortfalls.collect()))];
                ("StockRejected", fields)
            }
        };
        let subject = SubjectNameStrategy::TopicRecordNameStrategy(
            ANSWERS.to_owned(),
            format!("ticketrail.inventory.{event_type}"),
        );
        Ok(Answer {
            event_type,
            payload: self.encoder.encode(fields, subject).await?,
        })
    }
}

fn by_warehouse(allocations: &[Allocation]) -> Value {
    let parts = allocations.chunk_by(|a, b| a.warehouse == b.warehouse);
    let parts = parts.map(|part| {
        let lines = part.iter().map(|allocation| {
            record([
                ("sku", Value::String(allocation.sku.clone())),
                ("quantity", Value::Int(allocation.quantity)),
            ])
        });
        record([
            ("warehouse", Value::String(part[0].warehouse.clone())),
            ("lines", Value::Array(lines.collect())),
        ])
    });
    Value::Array(parts.collect())
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Record(fields.into())
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> anyhow::Result<&'a str> {
    let headers = message.headers().context("there are no headers")?;
    let Some(header) = headers.iter().find(|header| header.key == name) else {
        bail!("there is no header {name}");
    };
    Ok(std::str::from_utf8(header.value.unwrap_or_default())?)
}
