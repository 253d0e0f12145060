//! Spans of the rail itself, after the messaging conventions of OpenTelemetry.
//!
//! A record has one `publish` span and, per consumer group, one `process` span that is its child:
//! so one order is one trace. The batch has a span of its own, with links to its records. Whether
//! an order is traced was decided at intake; an unsampled record costs no span here.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};

use crate::event::Envelope;

// The conventions are still marked as in development, so the names stand in one place.
const SYSTEM: &str = "messaging.system";
const OPERATION_NAME: &str = "messaging.operation.name";
const OPERATION_TYPE: &str = "messaging.operation.type";
const DESTINATION: &str = "messaging.destination.name";
const PARTITION: &str = "messaging.destination.partition.id";
const OFFSET: &str = "messaging.kafka.offset";
const KEY: &str = "messaging.kafka.message.key";
const GROUP: &str = "messaging.consumer.group.name";
const MESSAGE_ID: &str = "messaging.message.id";
const CONVERSATION_ID: &str = "messaging.message.conversation_id";
const EVENT_TYPE: &str = "ticketrail.event.type";
const WAITED_MS: &str = "ticketrail.queue.waited_ms";

/// The relay hands a record to the broker; the span ends with the broker's answer.
pub(crate) fn publish(
    parent: &SpanContext,
    topic: &str,
    envelope: &Envelope,
    conversation: &'static str,
) -> Option<BoxedSpan> {
    if !parent.is_sampled() {
        return None;
    }
    let mut attributes = about(topic, envelope, conversation);
    attributes.extend([
        KeyValue::new(OPERATION_NAME, "publish"),
        KeyValue::new(OPERATION_TYPE, "send"),
    ]);
    Some(start(
        parent,
        SpanKind::Producer,
        format!("publish {topic}"),
        attributes,
        None,
    ))
}

/// A consumer group takes an event in.
pub(crate) struct Processing<'r> {
    pub(crate) topic: &'r str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) group: &'static str,
    pub(crate) published_at: DateTime<Utc>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) conversation: &'static str,
}

pub(crate) fn process(
    parent: &SpanContext,
    processing: &Processing<'_>,
    envelope: &Envelope,
) -> Option<BoxedSpan> {
    if !parent.is_sampled() {
        return None;
    }
    let waited = processing.received_at - processing.published_at;
    let mut attributes = about(processing.topic, envelope, processing.conversation);
    attributes.extend([
        KeyValue::new(OPERATION_NAME, "process"),
        KeyValue::new(OPERATION_TYPE, "process"),
        KeyValue::new(GROUP, processing.group),
        KeyValue::new(PARTITION, i64::from(processing.partition)),
        KeyValue::new(OFFSET, processing.offset),
        KeyValue::new(WAITED_MS, waited.num_milliseconds().max(0)),
    ]);
    Some(start(
        parent,
        SpanKind::Consumer,
        format!("process {}", processing.topic),
        attributes,
        Some(processing.received_at.into()),
    ))
}

fn about(topic: &str, envelope: &Envelope, conversation: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new(SYSTEM, "kafka"),
        KeyValue::new(DESTINATION, topic.to_owned()),
        KeyValue::new(KEY, envelope.aggregate_id.clone()),
        KeyValue::new(MESSAGE_ID, envelope.event_id.to_string()),
        KeyValue::new(CONVERSATION_ID, envelope.correlation_id.clone()),
        KeyValue::new(conversation, envelope.correlation_id.clone()),
        KeyValue::new(EVENT_TYPE, envelope.event_type.clone()),
    ]
}

fn start(
    parent: &SpanContext,
    kind: SpanKind,
    name: String,
    attributes: Vec<KeyValue>,
    at: Option<SystemTime>,
) -> BoxedSpan {
    let tracer = global::tracer_provider().tracer("ticketrail");
    let mut builder = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_attributes(attributes);
    if let Some(at) = at {
        builder = builder.with_start_time(at);
    }
    let context = Context::new().with_remote_span_context(parent.clone());
    tracer.build_with_context(builder, &context)
}
