//! Takes due mails, sends them, and books what became of each.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use shared::batch::{Cause, HandlerError, Outgoing};
use shared::breaker::{Allowance, Breaker};
use shared::rail::Rail;
use shared::telemetry::{self, propagation};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::config::Config;
use crate::domain::{self, Notification, Outcome, State};
use crate::mailer::{CONNECTIONS_MAX, Mailer};
use crate::store;

/// How long a mail waits at most before somebody looks; low stock has to be out within 10 s.
const POLL: Duration = Duration::from_millis(250);
/// Five rounds of as many mails as are sent at a time: 50 s at worst, by the mailer's timeout.
const CLAIMED_MAX: usize = 5 * BOOKED_AT_A_TIME;
/// One round. Booking each mail as it is sent costs the database, and everybody who hears of it,
/// more than the mail; more at a time would be sent again if the process died.
const BOOKED_AT_A_TIME: usize = CONNECTIONS_MAX;
/// Longer than sending all that was claimed can take. After a crash a mail waits this long.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// A mail server that was away is found within this time when it returns.
const PROBE_EVERY_MAX: Duration = Duration::from_secs(15);

/// A try and what became of it.
struct Tried {
    notification: Notification,
    outcome: Outcome,
    /// Of the span that sent it, so that what follows belongs to the order's trace.
    traceparent: Option<String>,
}

impl Tried {
    fn untried(notification: Notification) -> Self {
        Self {
            notification,
            outcome: Outcome::Untried,
            traceparent: None,
        }
    }
}

pub(crate) async fn send_mails(rail: Rail, config: Config) -> anyhow::Result<()> {
    let mailer = Arc::new(Mailer::new(&config));
    let mut breaker = Breaker::new(PROBE_EVERY_MAX);
    while !rail.stopping().is_cancelled() {
        let limit = match breaker.allowance(Instant::now()) {
            Allowance::All => CLAIMED_MAX,
            Allowance::Probe => 1,
            Allowance::Nothing => 0,
        };
        let mut claimed = 0;
        if limit > 0 {
            let (notifications, now) = claim(&rail, limit).await?;
            claimed = notifications.len();
            if claimed > 0 {
                let answered = send_claimed(&rail, &mailer, notifications, now).await?;
                breaker = note(breaker, answered);
            }
        }
        if claimed < CLAIMED_MAX {
            tokio::select! {
                () = rail.stopping().cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
    Ok(())
}

async fn claim(
    rail: &Rail,
    limit: usize,
) -> Result<(Vec<Notification>, DateTime<Utc>), HandlerError> {
    rail.transact(move |tx, now| {
        Box::pin(async move {
            let claimed = store::claim_due(tx, now, now + LEASE, limit).await?;
            Ok(((claimed, now), Outgoing::none()))
        })
    })
    .await
}

/// Whether the mail server answered to the end.
async fn send_claimed(
    rail: &Rail,
    mailer: &Arc<Mailer>,
    claimed: Vec<Notification>,
    now: DateTime<Utc>,
) -> Result<bool, HandlerError> {
    let away = Arc::new(AtomicBool::new(false));
    let places = Arc::new(Semaphore::new(BOOKED_AT_A_TIME));
    let mut tried = stream::iter(claimed)
        .map(|notification| {
            let (rail, mailer) = (rail.clone(), Arc::clone(mailer));
            let (away, places) = (Arc::clone(&away), Arc::clone(&places));
            // A task of its own, so that it goes on while others are booked.
            let trying = tokio::spawn(async move {
                let _place = places.acquire().await.expect("nobody closes it");
                let hopeless = away.load(Ordering::Relaxed) || rail.stopping().is_cancelled();
                let tried = if hopeless {
                    Tried::untried(notification)
                } else {
                    send(&mailer, notification, now).await
                };
                if matches!(tried.outcome, Outcome::Unreachable(_)) {
                    away.store(true, Ordering::Relaxed);
                }
                tried
            });
            async {
                trying
                    .await
                    .unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
            }
        })
        .buffer_unordered(CLAIMED_MAX)
        // What is sent is booked while the rest is on its way.
        .chunks(BOOKED_AT_A_TIME);
    while let Some(tried) = tried.next().await {
        let span = tracing::info_span!("book mails", mails = tried.len());
        book(rail, tried).instrument(span).await?;
    }
    Ok(!away.load(Ordering::Relaxed))
}

async fn send(mailer: &Mailer, notification: Notification, now: DateTime<Utc>) -> Tried {
    let span = send_span(&notification);
    let traceparent = propagation::to_traceparent(&span.in_scope(telemetry::current_span_context));
    let outcome = mailer
        .send(&notification, now)
        .instrument(span.clone())
        .await;
    let (id, attempt) = (notification.id, notification.attempts);
    match &outcome {
        Outcome::Accepted | Outcome::Untried => {}
        Outcome::Refused(why) => {
            span.record("otel.status_code", "ERROR");
            tracing::warn!(notification.id = %id, attempt, "Mail {id} was refused: {why}");
        }
        Outcome::Postponed(why) | Outcome::Unreachable(why) => {
            span.record("otel.status_code", "ERROR");
            tracing::info!(notification.id = %id, attempt, "Mail {id} goes out later: {why}");
        }
    }
    Tried {
        notification,
        outcome,
        traceparent,
    }
}

fn send_span(notification: &Notification) -> Span {
    let span = tracing::info_span!(
        "send mail",
        otel.kind = "client",
        otel.status_code = Empty,
        order.id = Empty,
        notification.id = %notification.id,
        notification.kind = notification.kind,
        attempt = notification.attempts,
    );
    if notification.content.is_about_an_order() {
        span.record("order.id", notification.subject_id.as_str());
    }
    let order = propagation::from_traceparent(notification.traceparent.as_deref());
    propagation::continue_trace(&span, &order);
    span
}

/// Books tries and tells what came of them. A try that lost its lease books nothing: whoever took
/// the mail over books it.
async fn book(rail: &Rail, tried: Vec<Tried>) -> Result<(), HandlerError> {
    let tried = Arc::new(tried);
    rail.transact(move |tx, now| {
        let tried = Arc::clone(&tried);
        Box::pin(async move {
            let held = store::lock_held(tx, tried.iter().map(|tried| &tried.notification)).await?;

            let mut settled = Vec::new();
            for Tried {
                notification,
                outcome,
                traceparent,
            } in tried.iter()
            {
                if held.contains(&notification.id) {
                    let mut notification = notification.clone();
                    domain::settle(&mut notification, outcome, now);
                    settled.push((notification, traceparent.as_deref()));
                }
            }
            let told = settled
                .iter()
                .filter(|(notification, _)| !matches!(notification.state, State::Pending { .. }))
                .map(|(notification, _)| notification.subject_id.as_str());
            let mut versions = store::advance_versions(tx, told).await?;
            let mut outgoing = Outgoing::none();
            for (notification, traceparent) in &settled {
                if matches!(notification.state, State::Pending { .. }) {
                    continue;
                }
                let cause = Cause::stored(
                    notification.causation_id,
                    &notification.correlation_id,
                    *traceparent,
                );
                let version = versions.next_of(&notification.subject_id);
                outgoing.add(&cause, domain::announce(notification, version));
            }

            store::save_settled(tx, settled.iter().map(|(notification, _)| notification)).await?;
            Ok(((), outgoing))
        })
    })
    .await
}

fn note(breaker: Breaker, answered: bool) -> Breaker {
    let after = breaker.after(answered, Instant::now());
    match (breaker.is_open(), after.is_open()) {
        (false, true) => tracing::warn!("The mail server cannot be reached; mails wait"),
        (true, false) => tracing::info!("The mail server can be reached again"),
        (false, false) | (true, true) => {}
    }
    after
}
