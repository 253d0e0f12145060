//! The frame around a handler: one transaction for a batch's effects, its inbox rows, its outgoing
//! events, its dead letters and its fence.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span as _, SpanContext};
use rdkafka::message::ToBytes;
use sqlx::{Connection, PgConnection};
use tracing::{Instrument, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::avro::Codec;
use crate::batch::{Batch, Cause, HandlerError, Received, Reject};
use crate::clock::Clock;
use crate::consumer::ConsumerContext;
use crate::consumer::decode::{self, Decoded};
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::{Consumes, EventHandler};
use crate::consumer::store::{self, Admitted, Progress};
use crate::kafka::dead_letter_topic;
use crate::kafka::headers::{Packed, TRACEPARENT};
use crate::outbox::{self, DeadLetter, Wake};
use crate::telemetry::{metrics, propagation, spans};

/// More links than this make the batch's span heavier than what it tells.
const LINKS_MAX: usize = 64;

/// Everything that does not change from batch to batch.
pub(crate) struct Frame<H: EventHandler> {
    service: &'static str,
    conversation: &'static str,
    handler: H,
    consumes: Arc<Consumes<H::Incoming>>,
    codec: Codec,
    clock: Clock,
    wake: Wake,
    pub(crate) database: sqlx::postgres::PgConnectOptions,
    /// Whether the batch before brought nothing that was processed already.
    all_new: AtomicBool,
}

/// Why a batch did not commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// Another consumer has taken a partition over.
    #[error("a partition of this batch belongs to another consumer now")]
    Fenced,
    #[error("waiting for a schema: {0:#}")]
    Registry(anyhow::Error),
    #[error("the handler panicked: {0}")]
    Panicked(String),
    #[error(transparent)]
    Handler(#[from] HandlerError),
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Handler(error.into())
    }
}

impl BatchError {
    /// Time will mend it: the whole batch comes again, in order, and counts no attempt.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Fenced | Self::Panicked(_) => false,
            Self::Registry(_) => true,
            Self::Handler(HandlerError::Database(error)) => crate::db::is_transient(error),
            Self::Handler(HandlerError::Other(_)) => false,
        }
    }

    /// By which a dead letter is grouped that it is the reason for.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "handler-panicked",
            _ => "handler-failed",
        }
    }
}

/// A batch after everything that can be done without the database.
struct Prepared<I> {
    events: Vec<(usize, Decoded<I>)>,
    rejects: Vec<(usize, Uuid, Reject)>,
}

impl<H: EventHandler> Frame<H> {
    pub(crate) fn new(
        context: &ConsumerContext,
        handler: H,
        consumes: Arc<Consumes<H::Incoming>>,
    ) -> Self {
        Self {
            service: context.service,
            conversation: context.conversation,
            handler,
            consumes,
            codec: context.codec.clone(),
            clock: context.clock.clone(),
            wake: context.wake.clone(),
            database: context.database.clone(),
            // What was in flight when the process ended comes again.
            all_new: AtomicBool::new(false),
        }
    }

    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// One batch, one transaction. `condemned` makes a lone record a dead letter, whatever it is.
    pub(crate) async fn process(
        &self,
        connection: &mut PgConnection,
        records: &mut [Arrived<H::Incoming>],
        progress: &[Progress],
        condemned: Option<&Reject>,
    ) -> Result<(), BatchError> {
        let begun = Instant::now();
        decode::learn(&self.codec, records)
            .await
            .map_err(BatchError::Registry)?;
        let prepared = self.prepare(records, condemned);

        let span = info_span!(
            "process batch",
            messaging.system = "kafka",
            messaging.consumer.group.name = self.service,
            messaging.batch.message_count = records.len(),
        );
        for arrived in records.iter().take(LINKS_MAX) {
            let traceparent = arrived.record.headers.text(TRACEPARENT);
            let context = propagation::from_traceparent(traceparent);
            if context.is_sampled() {
                span.add_link(context);
            }
        }
        let mut tx = connection.begin().await?;
        let outcome = self
            .in_transaction(&mut tx, records, progress, prepared)
            .instrument(span)
            .await?;
        tx.commit().await?;

        if outcome.enqueued {
            self.wake.notify();
        }
        for mut span in outcome.spans {
            span.end();
        }
        metrics::processed(&metrics::Processed {
            group: self.service,
            records: records.len() as u64,
            duplicates: outcome.duplicates,
            dead_letters: outcome.dead_letters,
            took: begun.elapsed(),
        });
        Ok(())
    }

    fn prepare(
        &self,
        records: &mut [Arrived<H::Incoming>],
        condemned: Option<&Reject>,
    ) -> Prepared<H::Incoming> {
        let mut events = Vec::with_capacity(records.len());
        let mut rejects = Vec::new();
        for (index, arrived) in records.iter_mut().enumerate() {
            let record = &arrived.record;
            let decoded = match (condemned, arrived.decoded.take()) {
                (Some(reject), _) => Err(reject.clone()),
                (None, Some(decoded)) => decoded,
                (None, None) => decode::decode(&self.codec, &self.consumes, record),
            };
            match decoded {
                Ok(decoded) => events.push((index, decoded)),
                Err(reject) => {
                    let id = crate::kafka::headers::envelope(&record.headers)
                        .map_or_else(|_| record.position_id(), |envelope| envelope.event_id);
                    rejects.push((index, id, reject));
                }
            }
        }
        Prepared { events, rejects }
    }

    async fn in_transaction(
        &self,
        tx: &mut PgConnection,
        records: &[Arrived<H::Incoming>],
        progress: &[Progress],
        prepared: Prepared<H::Incoming>,
    ) -> Result<Outcome, BatchError> {
        let ids = prepared
            .events
            .iter()
            .map(|(_, decoded)| decoded.envelope.event_id)
            .chain(prepared.rejects.iter().map(|(_, id, _)| *id))
            .collect();
        let admitted = self.admit(tx, progress, ids).await?;
        if usize::try_from(admitted.fenced) != Ok(progress.len()) {
            return Err(BatchError::Fenced);
        }

        // Each id once, at its first position: a batch may hold the same event twice.
        let mut first_seen: HashSet<Uuid> = admitted.first_seen.into_iter().collect();
        let mut outcome = Outcome::default();
        let mut received = Vec::with_capacity(prepared.events.len());
        let mut indices = Vec::with_capacity(prepared.events.len());
        let mut duplicates = Vec::new();
        for (index, decoded) in prepared.events {
            if first_seen.remove(&decoded.envelope.event_id) {
                let record = &records[index].record;
                received.push(self.receive(record, decoded, &mut outcome.spans));
                indices.push(index);
            } else {
                duplicates.push(decoded.envelope);
            }
        }
        let mut rejects: Vec<_> = prepared
            .rejects
            .into_iter()
            .filter(|(_, id, _)| first_seen.remove(id))
            .collect();

        outcome.duplicates = duplicates.len() as u64;
        let batch = Batch::new(self.clock.at(admitted.now), received, duplicates);
        let outgoing = if batch.events.is_empty() && batch.duplicates.is_empty() {
            crate::batch::Outgoing::none()
        } else {
            self.handler.handle_batch(tx, &batch).await?
        };

        rejects.extend(outgoing.rejects.iter().map(|(position, reject)| {
            (
                indices[*position],
                batch.events[*position].envelope.event_id,
                reject.clone(),
            )
        }));
        rejects.sort_by_key(|(index, _, _)| *index);
        outcome.dead_letters = rejects.len() as u64;
        if !rejects.is_empty() {
            store::mark_dead_lettered(tx, rejects.iter().map(|(_, id, _)| *id).collect()).await?;
        }
        let letters = rejects
            .into_iter()
            .map(|(index, id, reject)| self.dead_letter(&records[index].record, id, &reject))
            .collect();
        outcome.enqueued = outbox::enqueue_with(tx, &self.codec, &outgoing, letters).await?;
        Ok(outcome)
    }

    /// Duplicates come in swarms, after a crash or a rebalance. So a batch is taken to be new as a
    /// whole if the one before it was; where that is wrong, a key is violated, and the slower way
    /// is taken.
    async fn admit(
        &self,
        tx: &mut PgConnection,
        progress: &[Progress],
        ids: Vec<Uuid>,
    ) -> Result<Admitted, sqlx::Error> {
        if self.all_new.load(Ordering::Relaxed) {
            match store::admit_new(tx, progress, &ids).await {
                Err(error) if store::is_known(&error) => store::begin_again(tx).await?,
                admitted => return admitted,
            }
        }
        let admitted = store::admit(tx, progress, &ids).await?;
        let all_new = admitted.first_seen.len() == ids.len();
        self.all_new.store(all_new, Ordering::Relaxed);
        Ok(admitted)
    }

    /// The record's own span continues its trace, and what follows from it continues that.
    fn receive(
        &self,
        record: &Record,
        decoded: Decoded<H::Incoming>,
        open: &mut Vec<BoxedSpan>,
    ) -> Received<H::Incoming> {
        let parent = propagation::from_traceparent(record.headers.text(TRACEPARENT));
        let processing = spans::Processing {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            group: self.service,
            published_at: record.published_at,
            received_at: record.received_at,
            conversation: self.conversation,
        };
        let span = spans::process(&parent, &processing, &decoded.envelope);
        let context: SpanContext = span
            .as_ref()
            .map_or(parent, |span| span.span_context().clone());
        open.extend(span);
        Received {
            cause: Cause {
                id: decoded.envelope.event_id,
                correlation_id: Some(decoded.envelope.correlation_id.clone()),
                span: context,
            },
            event: decoded.event,
            envelope: decoded.envelope,
            published_at: record.published_at,
            received_at: record.received_at,
        }
    }

    fn dead_letter(&self, record: &Record, event_id: Uuid, reject: &Reject) -> DeadLetter {
        tracing::warn!(
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            code = reject.code,
            "Dead letter from {}/{}@{}: {reject}",
            record.topic,
            record.partition,
            record.offset
        );
        let mut headers = Packed::new();
        headers.set_raw_key(record.key.as_deref());
        for (name, value) in record.headers.iter() {
            headers.push(name, value);
        }
        let partition = record.partition.to_string();
        let offset = record.offset.to_string();
        let published_at = record.published_at.to_rfc3339();
        for (name, value) in [
            ("dlt_topic", record.topic),
            ("dlt_partition", &partition),
            ("dlt_offset", &offset),
            ("dlt_timestamp", &published_at),
            ("dlt_group", self.service),
            ("dlt_code", reject.code),
            ("dlt_detail", &reject.detail),
        ] {
            headers.push(name, Some(value.to_bytes()));
        }
        let event_type = record
            .headers
            .text(crate::kafka::headers::TYPE)
            .map_or("unknown", crate::kafka::headers::short_name)
            .to_owned();
        DeadLetter {
            event_id,
            topic: dead_letter_topic(record.topic, self.service),
            event_type,
            source: format!("{}/{}", record.topic, record.partition),
            headers,
            value: record.value.clone(),
        }
    }
}

#[derive(Default)]
struct Outcome {
    enqueued: bool,
    duplicates: u64,
    dead_letters: u64,
    spans: Vec<BoxedSpan>,
}

/// Where each partition of some records stands after them.
pub(crate) fn ends<'r>(
    records: impl IntoIterator<Item = &'r Record>,
) -> HashMap<(&'static str, i32), i64> {
    let mut ends = HashMap::new();
    for record in records {
        ends.insert((record.topic, record.partition), record.offset + 1);
    }
    ends
}
