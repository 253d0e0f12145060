//! One lane: who owns it takes its requests in order, at the provider's pace.

use std::future;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sqlx::PgConnection;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::store::{self, Settled};
use super::{Answer, Delivery};
use crate::breaker::{Allowance, Breaker};
use crate::rail::Rail;
use crate::telemetry::{self, metrics, propagation};

/// A slow provider gets this long to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Taken at a time; what was taken and not asked, because the provider went away, stays.
const TAKEN_MAX: i64 = 100;
/// How long a new request waits at most before its lane looks.
const POLL: Duration = Duration::from_millis(100);
/// How soon another instance takes over a lane that has lost its owner.
const STANDBY: Duration = Duration::from_secs(1);
const OBSERVE_EVERY: Duration = Duration::from_secs(1);
/// A request at which its provider fails this often stands in nobody's way any longer.
const ATTEMPTS_MAX: i32 = 10;

/// How one provider may be asked.
#[derive(Debug, Clone)]
pub struct Lane {
    pub name: String,
    /// Requests a second at most.
    pub per_second: NonZeroU32,
    /// Requests that may be under way side by side. One keeps their order to the end.
    pub at_once: usize,
    /// How often a provider that is away is asked at least.
    pub probe_every_max: Duration,
}

/// What is sent for a delivery. The lane adds the idempotency key and the trace, sends it, and
/// reads the answer.
pub trait Ask:
    Fn(&reqwest::Client, &Delivery) -> reqwest::RequestBuilder + Send + Sync + 'static
{
}

impl<F> Ask for F where
    F: Fn(&reqwest::Client, &Delivery) -> reqwest::RequestBuilder + Send + Sync + 'static
{
}

/// Runs until the service stops. The first instance that comes owns the lane; others stand by.
pub(crate) async fn run(rail: Rail, lane: &Lane, ask: &impl Ask) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
    let pace = RateLimiter::direct(Quota::per_second(lane.per_second).allow_burst(NonZeroU32::MIN));
    let Some(mut connection) = own(&rail, lane).await? else {
        return Ok(());
    };
    let mut worker = Worker {
        rail: &rail,
        lane,
        client: &client,
        pace: &pace,
        breaker: Breaker::new(lane.probe_every_max),
        wait_until: Instant::now(),
    };
    let mut observed_at = None;
    while !rail.stopping().is_cancelled() {
        let asked = worker.work(&mut connection, ask).await?;
        if observed_at.is_none_or(|at: Instant| at.elapsed() >= OBSERVE_EVERY) {
            observed_at = Some(Instant::now());
            worker.observe(&mut connection).await?;
        }
        if asked == 0 {
            tokio::select! {
                () = rail.stopping().cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
    Ok(())
}

/// The connection that holds the lane: whoever loses it has lost the lane, and notices at the next
/// statement.
async fn own(rail: &Rail, lane: &Lane) -> anyhow::Result<Option<PgConnection>> {
    let mut connection = rail.connect().await?;
    while !store::own(&mut connection, &lane.name).await? {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(None),
            () = tokio::time::sleep(STANDBY) => {}
        }
    }
    Ok(Some(connection))
}

struct Worker<'a> {
    rail: &'a Rail,
    lane: &'a Lane,
    client: &'a reqwest::Client,
    pace: &'a DefaultDirectRateLimiter,
    breaker: Breaker,
    /// The provider wants to be left alone until then.
    wait_until: Instant,
}

impl Worker<'_> {
    /// Asks for what is next. How many requests were taken.
    async fn work(
        &mut self,
        connection: &mut PgConnection,
        ask: &impl Ask,
    ) -> anyhow::Result<usize> {
        let now = Instant::now();
        let limit = match self.breaker.allowance(now) {
            _ if now < self.wait_until => 0,
            Allowance::All => TAKEN_MAX,
            Allowance::Probe => 1,
            Allowance::Nothing => 0,
        };
        if limit == 0 {
            return Ok(0);
        }
        let taken = store::next(connection, &self.lane.name, limit).await?;
        let count = taken.len();

        let halted = AtomicBool::new(false);
        let mut answers = stream::iter(taken)
            .map(|delivery| self.ask_unless_halted(delivery, ask, &halted))
            .buffered(self.lane.at_once.max(1))
            .filter_map(future::ready)
            // What is answered is booked while the rest is on its way.
            .ready_chunks(TAKEN_MAX as usize);
        let (mut answered, mut away, mut wait) = (false, false, None);
        while let Some(chunk) = answers.next().await {
            for (_, answer) in &chunk {
                match answer {
                    Answer::Away(_) => away = true,
                    Answer::Wait(time) => wait = Some(*time),
                    Answer::Accepted | Answer::Refused(_) | Answer::Failed(_) => answered = true,
                }
            }
            let settled: Vec<_> = chunk
                .iter()
                .map(|(told, answer)| settle(told, answer))
                .collect();
            store::settle(connection, &self.lane.name, &settled).await?;
        }
        drop(answers);
        if away || answered {
            self.note(!away);
        }
        if let Some(wait) = wait {
            self.wait_until = Instant::now() + wait;
        }
        Ok(count)
    }

    /// Whoever comes after a request that found the provider away, or busy, is not asked.
    async fn ask_unless_halted(
        &self,
        delivery: Delivery,
        ask: &impl Ask,
        halted: &AtomicBool,
    ) -> Option<(Delivery, Answer)> {
        self.pace.until_ready().await;
        if halted.load(Ordering::Relaxed) || self.rail.stopping().is_cancelled() {
            return None;
        }
        let answer = self.ask(&delivery, ask).await;
        if matches!(answer, Answer::Away(_) | Answer::Wait(_)) {
            halted.store(true, Ordering::Relaxed);
        }
        Some((delivery, answer))
    }

    async fn ask(&self, delivery: &Delivery, ask: &impl Ask) -> Answer {
        let span = self.span(delivery);
        let traceparent =
            propagation::to_traceparent(&span.in_scope(telemetry::current_span_context));
        let mut request =
            ask(self.client, delivery).header("Idempotency-Key", delivery.idempotency_key());
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let answer = Answer::of(request.send().instrument(span.clone()).await);
        metrics::asked(self.rail.service(), &self.lane.name, answer.name());
        match &answer {
            Answer::Accepted => {}
            Answer::Wait(wait) => {
                span.record("error.type", "429");
                tracing::info!(
                    lane = self.lane.name,
                    "{} asks to wait {wait:?}",
                    self.lane.name
                );
            }
            Answer::Refused(why) | Answer::Failed(why) | Answer::Away(why) => {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", why.as_str());
                tracing::info!(
                    lane = self.lane.name,
                    key = delivery.key,
                    attempt = delivery.attempts + 1,
                    "{} was not told about {}: {why}",
                    self.lane.name,
                    delivery.key
                );
            }
        }
        answer
    }

    fn span(&self, delivery: &Delivery) -> Span {
        let span = tracing::info_span!(
            "deliver",
            otel.name = format!("deliver {}", self.lane.name),
            otel.kind = "client",
            otel.status_code = Empty,
            error.type = Empty,
            lane = self.lane.name,
            key = delivery.key,
            attempt = delivery.attempts + 1,
            messaging.message.conversation_id = delivery.correlation_id,
        );
        let cause = propagation::from_traceparent(delivery.traceparent.as_deref());
        propagation::continue_trace(&span, &cause);
        span
    }

    fn note(&mut self, answered: bool) {
        let was_open = self.breaker.is_open();
        self.breaker = self.breaker.after(answered, Instant::now());
        match (was_open, self.breaker.is_open()) {
            (false, true) => {
                tracing::warn!("{} cannot be reached; what is for it waits", self.lane.name);
            }
            (true, false) => tracing::info!("{} can be reached again", self.lane.name),
            (false, false) | (true, true) => {}
        }
    }

    async fn observe(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        let pending = store::pending(connection, &self.lane.name).await?;
        metrics::deliveries(
            self.rail.service(),
            &self.lane.name,
            pending.count,
            pending.oldest_s,
            self.breaker.is_open(),
        );
        Ok(())
    }
}

fn settle(delivery: &Delivery, answer: &Answer) -> Settled {
    let (state, detail) = match answer {
        Answer::Accepted => ("delivered", None),
        Answer::Refused(why) => ("refused", Some(why.clone())),
        Answer::Failed(why) if delivery.attempts + 1 >= ATTEMPTS_MAX => {
            ("refused", Some(format!("given up: {why}")))
        }
        Answer::Failed(why) | Answer::Away(why) => ("pending", Some(why.clone())),
        Answer::Wait(wait) => ("pending", Some(format!("it asks to wait {wait:?}"))),
    };
    Settled {
        key: delivery.key.clone(),
        revision: delivery.revision,
        state,
        detail,
    }
}
