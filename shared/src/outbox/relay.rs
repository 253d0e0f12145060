//! Read what became visible, publish it in id order, move the watermark once it is acknowledged.
//!
//! The watermark bounds what is read again after a crash; **it never delays publishing**. Rows
//! above it that were published already go out again with the same event id, and consumers drop
//! them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::TryStreamExt;
use opentelemetry::trace::Span;
use rdkafka::ClientConfig;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::publisher::{Delivery, LAST_RECORDS_WITHIN, Publisher, Record};
use super::snapshot::Snapshot;
use super::store::{self, OutboxRow};
use super::{CORRELATION_ID, SHARDS, Wake};
use crate::avro::Codec;
use crate::db;
use crate::event::Envelope;
use crate::kafka::Names;
use crate::kafka::headers::{self, Packed, TRACEPARENT};
use crate::telemetry::{metrics, propagation, spans};

/// A wake-up can only be lost in a crash, so this is the safety net of the process that commits.
const POLL: Duration = Duration::from_secs(1);
/// Rows of shards whose owner is another instance have nobody to wake it.
const POLL_SHARED: Duration = Duration::from_millis(25);
/// How often an instance looks whether it holds its fair share of the shards.
const BALANCE: Duration = Duration::from_secs(2);
/// The watermark is a bound on repeats, so it need not move with every commit.
const WATERMARK_MOVES: Duration = Duration::from_millis(100);
/// After an error everything is done anew from the watermark.
const BACKOFF: Duration = Duration::from_millis(500);

pub(crate) struct RelayConfig {
    pub(crate) service: &'static str,
    pub(crate) database: PgConnectOptions,
    pub(crate) producer: ClientConfig,
    pub(crate) names: Names,
    pub(crate) conversation: &'static str,
}

pub(crate) struct Relay {
    config: RelayConfig,
    application_name: String,
    codec: Codec,
    wake: Wake,
    stopping: CancellationToken,
}

/// Rows of one read, on their way to the broker.
struct InFlight {
    delivery: Arc<Delivery>,
    /// Everything below is published once this read's rows, and those before, are acknowledged.
    watermark: u64,
}

impl Relay {
    pub(crate) fn new(
        config: RelayConfig,
        codec: Codec,
        wake: Wake,
        stopping: CancellationToken,
    ) -> Self {
        let application_name = format!("{}/relay", config.service);
        Self {
            config,
            application_name,
            codec,
            wake,
            stopping,
        }
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Publishes until the process stops. Whatever fails, it begins again from the watermark.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        loop {
            match self.session().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(error = %error, "The relay starts again: {error:#}");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(BACKOFF) => {}
                () = self.stopping.cancelled() => return Ok(()),
            }
        }
    }

    async fn session(&self) -> anyhow::Result<()> {
        let mut connection = self
            .config
            .database
            .clone()
            .application_name(&self.application_name)
            .connect()
            .await
            .context("cannot connect to Postgres")?;
        db::check_watermark(&mut connection).await?;
        let mut publisher = Publisher::new(&self.config.producer, self.stopping.clone())?;
        let mut session = Session {
            relay: self,
            progress: Arc::new(Notify::new()),
            shards: Vec::new(),
            seen: Snapshot::below(0),
            in_flight: VecDeque::new(),
            watermark: 0,
            uncovered_below: 0,
            moved_at: Instant::now(),
        };
        let mut balance_at = Instant::now();
        let mut read = true;
        while !self.stopping.is_cancelled() {
            if Instant::now() >= balance_at {
                session.balance(&mut connection).await?;
                session.republish(&mut connection).await?;
                balance_at = Instant::now() + BALANCE;
                read = true;
            }
            // What is committed while records are on their way goes out together when they have
            // arrived: under load each read and each request carries more, and a lone row waits
            // for nothing.
            if read && !session.is_waiting_for_the_broker() {
                if !session.shards.is_empty() {
                    session
                        .publish_visible(&mut connection, &mut publisher)
                        .await?;
                }
                read = false;
            }
            session.settle(&mut connection, false).await?;
            read |= session.wait().await;
        }
        session.finish(&mut connection, &mut publisher).await
    }
}

struct Session<'r> {
    relay: &'r Relay,
    progress: Arc<Notify>,
    shards: Vec<i16>,
    seen: Snapshot,
    in_flight: VecDeque<InFlight>,
    watermark: u64,
    /// Published rows belong to transactions below this one.
    uncovered_below: u64,
    moved_at: Instant,
}

impl Session<'_> {
    /// Takes free shards up to a fair share, and gives back what is beyond it.
    async fn balance(&mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        let relays = store::relays(connection, &self.relay.application_name)
            .await?
            .max(1);
        let share = (i64::from(SHARDS) + relays - 1) / relays;
        let share = usize::try_from(share).unwrap_or(1);
        if self.shards.len() == share {
            return Ok(());
        }
        let before = self.shards.len();
        // Nothing may be in flight when another owner begins. Nor when we begin: acknowledgements
        // move the watermarks of all shards that are ours, and say nothing about new ones.
        self.drain(connection).await?;
        if self.shards.len() > share {
            for shard in self.shards.split_off(share) {
                store::unlock(connection, shard).await?;
            }
        }
        for shard in 0..SHARDS {
            if self.shards.len() < share
                && !self.shards.contains(&shard)
                && store::try_lock(connection, shard).await?
            {
                self.shards.push(shard);
            }
        }
        if self.shards.len() != before {
            self.begin_at_watermark(connection).await?;
            tracing::info!(shards = ?self.shards, "The relay owns shards {:?}", self.shards);
        }
        Ok(())
    }

    /// What an operator wants published once more.
    async fn republish(&mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        if !store::wants_republish(connection, &self.shards).await? {
            return Ok(());
        }
        // Or what is in flight would move the watermark up again.
        self.drain(connection).await?;
        if store::take_republish(connection, &self.shards).await? {
            self.begin_at_watermark(connection).await?;
            tracing::warn!("Publishing again, from transaction {} on", self.watermark);
        }
        Ok(())
    }

    /// Reading starts anew from the lowest watermark; what was sent above it goes again.
    async fn begin_at_watermark(&mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        self.watermark = store::watermark(connection, &self.shards).await?;
        self.seen = Snapshot::below(self.watermark);
        Ok(())
    }

    async fn publish_visible(
        &mut self,
        connection: &mut PgConnection,
        publisher: &mut Publisher,
    ) -> anyhow::Result<()> {
        let delivery = Delivery::new(&self.progress);
        let mut snapshot = None;
        let mut published = 0_u64;
        {
            let mut rows = store::newly_visible(connection, &self.shards, &self.seen);
            while let Some((seen, row)) = rows.try_next().await? {
                snapshot = Some(seen);
                if let Some(row) = row {
                    crate::crash::point("relay.read");
                    publisher.send(self.relay.record(row), &delivery).await?;
                    crate::crash::point("relay.produced");
                    published += 1;
                }
            }
        }
        delivery.all_handed_over();
        metrics::published(self.relay.config.service, published);
        self.seen = snapshot
            .context("the read returns at least its snapshot")?
            .parse()?;
        if published > 0 {
            self.uncovered_below = self.seen.xmax;
        }
        // A transaction that was open during the last read that found rows keeps the watermark
        // below them; an idle read moves it on, once.
        let overdue = self.watermark < self.uncovered_below && self.seen.xmin > self.watermark;
        if published > 0 || self.in_flight.is_empty() && overdue {
            self.in_flight.push_back(InFlight {
                delivery,
                watermark: self.seen.xmin,
            });
        }
        Ok(())
    }

    fn is_waiting_for_the_broker(&self) -> bool {
        let last = self.in_flight.back();
        last.is_some_and(|last| last.delivery.is_outstanding())
    }

    /// Moves the watermark over everything that is acknowledged.
    async fn settle(&mut self, connection: &mut PgConnection, now: bool) -> anyhow::Result<()> {
        let mut watermark = self.watermark;
        while let Some(first) = self.in_flight.front() {
            if first.delivery.has_failed() {
                bail!("a record was not delivered; publishing again from the watermark");
            }
            if first.delivery.is_outstanding() {
                break;
            }
            watermark = first.watermark;
            // Left at the front until the move is due, so that a later round still sees it.
            if !now && self.moved_at.elapsed() < WATERMARK_MOVES && self.in_flight.len() == 1 {
                return Ok(());
            }
            self.in_flight.pop_front();
        }
        if watermark > self.watermark {
            crate::crash::point("relay.reported");
            store::move_watermark(connection, &self.shards, watermark).await?;
            crate::crash::point("relay.watermark-moved");
            self.watermark = watermark;
            self.moved_at = Instant::now();
        }
        Ok(())
    }

    /// Whether there may be something to read. An acknowledgement alone moves the watermark.
    async fn wait(&self) -> bool {
        let poll = if self.shards.len() < usize::from(SHARDS.unsigned_abs()) {
            POLL_SHARED
        } else if self.in_flight.is_empty() {
            POLL
        } else {
            WATERMARK_MOVES
        };
        tokio::select! {
            biased;
            () = self.relay.stopping.cancelled() => false,
            () = self.relay.wake.notified() => true,
            () = self.progress.notified() => false,
            () = tokio::time::sleep(poll) => true,
        }
    }

    async fn drain(&mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        loop {
            self.settle(connection, true).await?;
            if self.in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = self.progress.notified() => {}
                () = tokio::time::sleep(WATERMARK_MOVES) => {}
                () = self.relay.stopping.cancelled() => bail!("stopping"),
            }
        }
    }

    /// The last commits before the stop go out too, as far as the broker lets them.
    async fn finish(
        &mut self,
        connection: &mut PgConnection,
        publisher: &mut Publisher,
    ) -> anyhow::Result<()> {
        if !self.shards.is_empty() {
            self.publish_visible(connection, publisher).await?;
        }
        let until = Instant::now() + LAST_RECORDS_WITHIN;
        while !self.in_flight.is_empty() && Instant::now() < until {
            self.settle(connection, true).await?;
            tokio::select! {
                () = self.progress.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        // What is left is published again after the next start.
        Ok(())
    }
}

impl Relay {
    fn record(&self, row: OutboxRow) -> Record {
        let packed = Packed::from_bytes(row.headers);
        let topic = self.config.names.topic(&row.topic);
        let (key, headers, span);
        match (row.version, row.key) {
            (Some(version), Some(aggregate_id)) => {
                let envelope = Envelope {
                    event_id: row.event_id,
                    correlation_id: packed
                        .text(CORRELATION_ID)
                        .unwrap_or(&aggregate_id)
                        .to_owned(),
                    aggregate_id,
                    aggregate_version: version,
                    occurred_at: row.created_at,
                    causation_id: row.causation_id,
                    event_type: row.event_type,
                };
                let parent = propagation::from_traceparent(packed.text(TRACEPARENT));
                span = spans::publish(&parent, &row.topic, &envelope, self.config.conversation);
                let sent = span
                    .as_ref()
                    .map_or(parent, |span: &opentelemetry::global::BoxedSpan| {
                        span.span_context().clone()
                    });
                let full_name = self
                    .codec
                    .full_name(&envelope.event_type)
                    .unwrap_or(&envelope.event_type);
                headers = headers::of_event(
                    self.config.service,
                    full_name,
                    &envelope,
                    propagation::to_traceparent(&sent).as_deref(),
                );
                key = Some(envelope.aggregate_id.into_bytes());
            }
            _ => {
                let (original_key, original) = packed.unpack();
                key = original_key.map(<[u8]>::to_vec);
                headers = original;
                span = None;
            }
        }
        Record {
            topic,
            key,
            headers,
            payload: row.payload,
            spread_by: row.event_id.into_bytes(),
            span,
        }
    }
}
