//! The frame around a handler: one transaction for a batch's effects, its inbox rows, its outgoing
//! events, its dead letters and its fence.

mod admission;
mod again;
mod error;
mod letters;
mod replay;
mod surge;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span as _, SpanContext};
use sqlx::{Connection, PgConnection};
use tracing::{Instrument, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use self::admission::Admission;
pub(crate) use self::error::{BatchError, OBSTACLES};
use crate::avro::Codec;
use crate::batch::{Batch, Cause, Received, Reject};
use crate::clock::Clock;
use crate::consumer::ConsumerContext;
use crate::consumer::decode::{self, Decoded};
use crate::consumer::record::{Arrived, Record};
use crate::consumer::registry::{Consumes, EventHandler};
use crate::consumer::store::Progress;
use crate::crash;
use crate::event::Envelope;
use crate::kafka::Names;
use crate::kafka::headers::{self, TRACEPARENT};
use crate::outbox::{self, Wake};
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
    /// For reading a topic once more.
    client: rdkafka::ClientConfig,
    names: Names,
    batch_records_max: usize,
    pub(crate) database: sqlx::postgres::PgConnectOptions,
    /// Whether the batch before brought nothing that was processed already.
    all_new: AtomicBool,
    rejected: surge::Window,
}

/// A record after everything that can be done without its transaction.
enum Prepared<I> {
    Event(Decoded<I>),
    /// It was processed before, and is not looked into.
    Known(Envelope),
    /// The id under which it is remembered, and why it is no event.
    Bad(Uuid, Reject),
}

impl<I> Prepared<I> {
    fn id(&self) -> Uuid {
        match self {
            Self::Event(decoded) => decoded.envelope.event_id,
            Self::Known(envelope) => envelope.event_id,
            Self::Bad(id, _) => *id,
        }
    }
}

/// What is known of records before they are looked at, by their place in the batch.
type Verdicts = HashMap<usize, Reject>;

/// Whether what was tried is to stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    /// A dry run: everything is tried, and then rolled back.
    No,
}

/// What became of a batch in its transaction.
enum Tried {
    Done(Outcome),
    /// The handler rejected these, and had later events of the same keys in the same batch. They
    /// are known now, so nothing overtakes them when it is tried again.
    Overtaken(Verdicts),
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
            client: context.client.clone(),
            names: context.names.clone(),
            batch_records_max: context.batch_records_max.max(1),
            database: context.database.clone(),
            // What was in flight when the process ended comes again.
            all_new: AtomicBool::new(false),
            rejected: surge::Window::new(context.dead_letters_surge),
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
        let condemned = condemned.cloned().map(|reject| (0, reject));
        let verdicts = condemned.into_iter().collect();
        self.run(
            connection,
            records,
            Admission::Next(progress),
            verdicts,
            Keep::Yes,
        )
        .await?;
        Ok(())
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        records: &mut [Arrived<H::Incoming>],
        admission: Admission<'_>,
        mut verdicts: Verdicts,
        keep: Keep,
    ) -> Result<Outcome, BatchError> {
        let begun = Instant::now();
        decode::learn(&self.codec, records)
            .await
            .map_err(BatchError::Registry)?;
        loop {
            let prepared = self.prepare(records, &verdicts);
            crash::point("consumer.decoded");
            let span = self.batch_span(records);
            let mut tx = connection.begin().await?;
            let tried = self
                .in_transaction(&mut tx, records, admission, prepared)
                .instrument(span)
                .await?;
            match tried {
                Tried::Overtaken(rejects) => {
                    tx.rollback().await?;
                    verdicts.extend(rejects);
                }
                Tried::Done(outcome) if keep == Keep::No => {
                    tx.rollback().await?;
                    return Ok(outcome);
                }
                Tried::Done(mut outcome) => {
                    crash::sent("consumer.commit-sent", tx.commit()).await?;
                    crash::point("consumer.commit-returned");
                    self.told(records.len(), &mut outcome, begun);
                    return Ok(outcome);
                }
            }
        }
    }

    fn batch_span(&self, records: &[Arrived<H::Incoming>]) -> tracing::Span {
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
        span
    }

    /// Tells the relay, the traces and the metrics what was committed.
    fn told(&self, records: usize, outcome: &mut Outcome, begun: Instant) {
        if outcome.enqueued {
            self.wake.notify();
        }
        for mut span in outcome.spans.drain(..) {
            span.end();
        }
        self.rejected.note(records, outcome.failed.len());
        metrics::processed(&metrics::Processed {
            group: self.service,
            records: records as u64,
            duplicates: outcome.duplicates,
            dead_letters: outcome.failed.len() as u64,
            took: begun.elapsed(),
        });
    }

    fn prepare(
        &self,
        records: &mut [Arrived<H::Incoming>],
        verdicts: &Verdicts,
    ) -> Vec<Prepared<H::Incoming>> {
        let mut prepared = Vec::with_capacity(records.len());
        for (index, arrived) in records.iter_mut().enumerate() {
            let record = &arrived.record;
            if arrived.known
                && let Ok(envelope) = headers::envelope(&record.headers)
            {
                prepared.push(Prepared::Known(envelope));
                continue;
            }
            let decoded = match (verdicts.get(&index), arrived.decoded.take()) {
                (Some(reject), _) => Err(reject.clone()),
                (None, Some(decoded)) => decoded,
                (None, None) => decode::decode(&self.codec, &self.consumes, record),
            };
            prepared.push(match decoded {
                Ok(decoded) => Prepared::Event(decoded),
                Err(reject) => {
                    let id = headers::envelope(&record.headers)
                        .map_or_else(|_| record.position_id(), |envelope| envelope.event_id);
                    Prepared::Bad(id, reject)
                }
            });
        }
        prepared
    }

    async fn in_transaction(
        &self,
        tx: &mut PgConnection,
        records: &[Arrived<H::Incoming>],
        admission: Admission<'_>,
        prepared: Vec<Prepared<H::Incoming>>,
    ) -> Result<Tried, BatchError> {
        let admitted = self.admit(tx, records, admission, &prepared).await?;
        crash::point("consumer.dedup-inserted");
        let mut holding = if admitted.holding {
            letters::holding(tx, records, &prepared).await?
        } else {
            HashSet::new()
        };

        // Each id once, at its first position: a batch may hold the same event twice.
        let mut first_seen: HashSet<Uuid> = admitted.first_seen.into_iter().collect();
        let mut outcome = Outcome::default();
        let mut received = Vec::with_capacity(prepared.len());
        let mut indices = Vec::with_capacity(prepared.len());
        let mut duplicates = Vec::new();
        for (index, prepared) in prepared.into_iter().enumerate() {
            let record = &records[index].record;
            match prepared {
                Prepared::Known(envelope) => duplicates.push(envelope),
                Prepared::Event(decoded) if !first_seen.remove(&decoded.envelope.event_id) => {
                    duplicates.push(decoded.envelope);
                }
                Prepared::Event(decoded)
                    if !holding.is_empty() && holding.contains(&letters::key(record)) =>
                {
                    outcome.parked.push((index, decoded.envelope.event_id));
                }
                Prepared::Event(decoded) => {
                    received.push(self.receive(record, decoded, &mut outcome.spans));
                    indices.push(index);
                }
                Prepared::Bad(id, reject) => {
                    if first_seen.remove(&id) {
                        holding.extend(letters::held_back_by(record, &reject));
                        outcome.failed.push((index, id, reject));
                    }
                }
            }
        }

        outcome.duplicates = duplicates.len() as u64;
        let batch = Batch::new(self.clock.at(admitted.now), received, duplicates);
        let outgoing = if batch.events.is_empty() && batch.duplicates.is_empty() {
            crate::batch::Outgoing::none()
        } else {
            self.handler.handle_batch(tx, &batch).await?
        };
        crash::point("consumer.handled");
        if letters::overtaken(&batch, &outgoing.rejects) {
            let known = outgoing.rejects.into_iter();
            return Ok(Tried::Overtaken(
                known
                    .map(|(position, reject)| (indices[position], reject))
                    .collect(),
            ));
        }

        outcome
            .failed
            .extend(outgoing.rejects.iter().map(|(position, reject)| {
                let id = batch.events[*position].envelope.event_id;
                (indices[*position], id, reject.clone())
            }));
        outcome.failed.sort_by_key(|(index, _, _)| *index);
        let letters = match admission {
            Admission::Released(_) => {
                letters::reopen(tx, &outcome).await?;
                Vec::new()
            }
            Admission::Next(_) | Admission::Again => {
                self.rejected.check(records.len(), outcome.failed.len())?;
                letters::keep(tx, self.service, records, &outcome).await?
            }
        };
        outcome.enqueued = outbox::enqueue_with(tx, &self.codec, &outgoing, letters).await?;
        outcome.applied = batch.events.len() as u64 - outgoing.rejects.len() as u64;
        Ok(Tried::Done(outcome))
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
}

#[derive(Default)]
struct Outcome {
    enqueued: bool,
    applied: u64,
    duplicates: u64,
    /// Dead letters: the record's place in the batch, its id, why.
    failed: Vec<(usize, Uuid, Reject)>,
    /// What waits behind a dead letter.
    parked: Vec<(usize, Uuid)>,
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
