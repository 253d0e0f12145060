//! Customers: orders at a fixed rate, whatever becomes of those before, and each asked for under
//! its key until it is answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::clock::process_now;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::history::{Ack, History, Observation, Outcome};
use super::wish::{Then, Wish};
use crate::dev_keys;
use crate::local::{Layout, Progress};

/// A client that waits longer is not a client any more.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Each wait is twice as long as the one before: thousands that wait for a service that comes back
/// would keep it down otherwise.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Longer than any outage of a run.
const STUBBORN_FOR: Duration = Duration::from_secs(120);
const WATCH_EVERY: Duration = Duration::from_secs(2);
const LOOKED_AT_FOR: Duration = Duration::from_secs(60);
const TOKEN_VALID_S: i64 = 24 * 3600;

pub(super) struct Load {
    seed: u64,
    http: reqwest::Client,
    orders: String,
    layout: Layout,
    history: History,
    tokens: Mutex<BTreeMap<String, String>>,
    pub(super) counts: Counts,
    calls: Mutex<Vec<Call>>,
    progress: Progress,
}

/// One request to place an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) acked: bool,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) wished: AtomicU64,
    pub(super) acked: AtomicU64,
    pub(super) maybe: AtomicU64,
    pub(super) refused: AtomicU64,
    /// Never answered, although asked for again and again.
    pub(super) given_up: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) observed: AtomicU64,
    /// One key, two orders.
    pub(super) told_otherwise: AtomicU64,
}

impl Load {
    pub(super) fn new(
        seed: u64,
        layout: &Layout,
        history: &History,
        progress: &Progress,
    ) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            seed,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWER_WITHIN)
                .build()?,
            orders: format!("{}/v1/orders", layout.endpoints().order),
            layout: layout.clone(),
            history: history.clone(),
            tokens: Mutex::default(),
            counts: Counts::default(),
            calls: Mutex::default(),
            progress: progress.clone(),
        }))
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no holder panics").clone()
    }

    /// Goes on until it is stopped, and then waits for those that are under way.
    pub(super) async fn run(
        self: Arc<Self>,
        orders_per_s: u64,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let begun = tokio::time::Instant::now();
        let mut under_way = JoinSet::new();
        for n in 0.. {
            let at = begun + Duration::from_micros(n * 1_000_000 / orders_per_s);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(at) => {}
            }
            let load = Arc::clone(&self);
            under_way.spawn(async move { load.customer(n).await });
            while let Some(ended) = under_way.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Everything that one customer does about one order. An error means that the history cannot
    /// be written, and then nothing can be judged.
    async fn customer(&self, n: u64) -> anyhow::Result<()> {
        self.counts.wished.fetch_add(1, Ordering::Relaxed);
        let wish = Wish::nth(self.seed, n);
        let token = self.token(&wish.customer)?;
        if wish.then == Then::AskTwice {
            let (one, other) =
                tokio::try_join!(self.place(&wish, &token), self.place(&wish, &token))?;
            if let (Some(one), Some(other)) = (one, other)
                && one != other
            {
                self.counts.told_otherwise.fetch_add(1, Ordering::Relaxed);
            }
            return Ok(());
        }
        let Some(order_id) = self.place(&wish, &token).await? else {
            self.counts.given_up.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        match wish.then {
            Then::Wait | Then::AskTwice => {
                self.look(&wish, &token, order_id).await?;
            }
            Then::CancelAtOnce => self.cancel(&token, order_id).await,
            Then::Watch => self.watch(&wish, &token, order_id, None).await?,
            Then::CancelOnceConfirmed => {
                self.watch(&wish, &token, order_id, Some("confirmed"))
                    .await?;
                self.cancel(&token, order_id).await;
                self.watch(&wish, &token, order_id, None).await?;
            }
        }
        Ok(())
    }

    /// Until it is acknowledged or refused.
    async fn place(&self, wish: &Wish, token: &str) -> anyhow::Result<Option<Uuid>> {
        let request = wish.basket.request();
        let mut tries = Tries::new();
        while tries.once_more().await {
            let begun = Instant::now();
            let asked = self
                .http
                .post(&self.orders)
                .bearer_auth(token)
                .header("idempotency-key", &wish.key)
                .json(&request);
            let heard = heard(asked.send().await).await;
            let acked = heard.outcome == Outcome::Acked;
            self.calls.lock().expect("no holder panics").push(Call {
                begun,
                ended: Instant::now(),
                acked,
            });
            let counter = match heard.outcome {
                Outcome::Acked => &self.counts.acked,
                Outcome::Maybe => &self.counts.maybe,
                Outcome::Refused => &self.counts.refused,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            let ack = Ack {
                order_id: heard.order_id,
                customer_id: &wish.customer,
                key: &wish.key,
                outcome: heard.outcome,
                at: process_now(),
                trace_id: heard.trace_id.as_deref(),
                detail: heard.detail.as_deref(),
            };
            self.history.acked(&ack).await?;
            match heard.outcome {
                Outcome::Acked => return Ok(heard.order_id),
                Outcome::Refused => {
                    let why = heard.detail.unwrap_or_default();
                    self.progress.say("customer", format!("was refused: {why}"));
                    return Ok(None);
                }
                Outcome::Maybe => {}
            }
        }
        Ok(None)
    }

    async fn cancel(&self, token: &str, order_id: Uuid) {
        let url = format!("{}/{order_id}/cancel", self.orders);
        let mut tries = Tries::new();
        while tries.once_more().await {
            let asked = self.http.post(&url).bearer_auth(token).json(&json!({}));
            match asked.send().await.map(|answer| answer.status()) {
                Ok(status) if status.is_success() => {
                    self.counts.cancelled.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                // A parcel has left.
                Ok(StatusCode::CONFLICT) => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Looks again and again, until it is in that state or has ended.
    async fn watch(
        &self,
        wish: &Wish,
        token: &str,
        order_id: Uuid,
        wanted: Option<&str>,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + LOOKED_AT_FOR;
        while Instant::now() < until {
            if let Some(status) = self.look(wish, token, order_id).await?
                && (Some(status.as_str()) == wanted
                    || matches!(status.as_str(), "completed" | "cancelled"))
            {
                return Ok(());
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
        Ok(())
    }

    /// What the customer sees of the order is written down; no answer is no observation.
    async fn look(
        &self,
        wish: &Wish,
        token: &str,
        order_id: Uuid,
    ) -> anyhow::Result<Option<String>> {
        let url = format!("{}/{order_id}", self.orders);
        let Ok(answer) = self.http.get(&url).bearer_auth(token).send().await else {
            return Ok(None);
        };
        let status = match answer.status() {
            StatusCode::NOT_FOUND => None,
            status if status.is_success() => {
                let Ok(body) = answer.json::<Value>().await else {
                    return Ok(None);
                };
                Some(body["status"].as_str().unwrap_or("unknown").to_owned())
            }
            _ => return Ok(None),
        };
        self.counts.observed.fetch_add(1, Ordering::Relaxed);
        self.history
            .observed(&Observation {
                order_id,
                customer_id: &wish.customer,
                status: status.as_deref(),
                at: process_now(),
            })
            .await?;
        Ok(status)
    }

    fn token(&self, customer: &str) -> anyhow::Result<String> {
        let mut tokens = self.tokens.lock().expect("no holder panics");
        if let Some(token) = tokens.get(customer) {
            return Ok(token.clone());
        }
        let token = dev_keys::token(&self.layout.dir, customer, "", TOKEN_VALID_S)
            .context("cannot make a token")?;
        tokens.insert(customer.to_owned(), token.clone());
        Ok(token)
    }
}

/// One request again and again.
struct Tries {
    until: Instant,
    wait: Duration,
}

impl Tries {
    fn new() -> Self {
        Self {
            until: Instant::now() + STUBBORN_FOR,
            wait: Duration::ZERO,
        }
    }

    /// False: it was tried for long enough.
    async fn once_more(&mut self) -> bool {
        let (shortest, longest) = RETRY_AFTER;
        // Not all at the same time.
        tokio::time::sleep(self.wait.mul_f64(fastrand::f64() / 2.0 + 0.5)).await;
        self.wait = (self.wait * 2).clamp(shortest, longest);
        Instant::now() < self.until
    }
}

struct Heard {
    outcome: Outcome,
    order_id: Option<Uuid>,
    trace_id: Option<String>,
    detail: Option<String>,
}

async fn heard(answer: Result<reqwest::Response, reqwest::Error>) -> Heard {
    let unknown = |detail: String| Heard {
        outcome: Outcome::Maybe,
        order_id: None,
        trace_id: None,
        detail: Some(detail),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return unknown(innermost(&error)),
    };
    let status = answer.status();
    let body: Value = match answer.json().await {
        Ok(body) => body,
        Err(error) => return unknown(format!("{status}, and then {}", innermost(&error))),
    };
    let detail = body["detail"].as_str().unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    match status {
        StatusCode::ACCEPTED => Heard {
            outcome: Outcome::Acked,
            order_id: text("order_id").and_then(|id| id.parse().ok()),
            trace_id: text("trace_id"),
            detail: None,
        },
        // Not yet: another request under the key is being worked on, or there are too many.
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
            unknown(format!("{status}: {detail}"))
        }
        status if status.is_client_error() => Heard {
            outcome: Outcome::Refused,
            ..unknown(format!("{status}: {detail}"))
        },
        status => unknown(format!("{status}: {detail}")),
    }
}

/// The outer sentence names the address alone.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
