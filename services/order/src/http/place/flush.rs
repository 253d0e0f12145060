//! What requests that arrive together have in common: one transaction.
//!
//! **A request's failure is its own.** What can be refused without the database was refused before
//! it joined. When the transaction fails for one of them, it is run again in halves until the
//! culprit is alone. An answer is given after the commit, and never before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use shared::batch::{Cause, Events, Outgoing};
use shared::crash;
use shared::db::is_transient;
use shared::http::error::{ApiError, FieldError};
use shared::http::intake::Intake;
use shared::rail::Rail;
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;

use crate::domain::order::{Draft, Order, PriceList, Unplaceable, price};
use crate::domain::progress::trace_id;
use crate::domain::state::Saga;
use crate::saga::Rules;
use crate::store::orders::{self, CHANNEL_REF_UNIQUE, Known, NewOrder};

/// Postgres gave up waiting for a lock.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A request that waits for its flush.
#[derive(Clone)]
pub(in crate::http) struct Placing {
    pub(super) draft: Draft,
    pub(super) key: String,
    pub(super) fingerprint: Vec<u8>,
    /// The request's own, so that its events continue its own trace and not the flush's.
    pub(super) cause: Cause,
}

/// What a request is answered: the same however often it is sent.
#[derive(Debug, Clone)]
pub(in crate::http) struct Placed {
    pub(super) order_id: Uuid,
    pub(super) total_minor: i64,
    pub(super) currency: String,
    pub(super) placed_at: DateTime<Utc>,
    pub(super) traceparent: Option<String>,
}

type Answers = Vec<Result<Placed, ApiError>>;

pub(in crate::http) fn intake(rail: Rail, rules: Arc<Rules>) -> Intake<Placing, Placed> {
    Intake::start(move |requests| flush(rail.clone(), Arc::clone(&rules), requests.into()))
}

fn flush(rail: Rail, rules: Arc<Rules>, requests: Arc<[Placing]>) -> BoxFuture<'static, Answers> {
    async move {
        crash::point("api.before-begin");
        let placed = rail.transact(|tx, now| {
            let (requests, rules) = (Arc::clone(&requests), Arc::clone(&rules));
            async move { place(tx, now, &requests, &rules).await }.boxed()
        });
        let placed = crash::during("api", placed).await;
        match placed {
            Ok(answers) => answers,
            Err(error) if requests.len() > 1 && !is_transient(&error) => {
                let (left, right) = requests.split_at(requests.len() / 2);
                let mut answers = flush(rail.clone(), Arc::clone(&rules), left.into()).await;
                answers.extend(flush(rail, rules, right.into()).await);
                answers
            }
            Err(error) => {
                let refusal = refusal(error, &requests);
                requests.iter().map(|_| Err(refusal.clone())).collect()
            }
        }
    }
    .boxed()
}

/// What a request comes to, should its key be new.
struct Priced {
    order: Order,
    saga: Saga,
    events: Events,
    led_to: Vec<&'static str>,
    traceparent: Option<String>,
}

/// Load, decide, save, enqueue.
async fn place(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    requests: &[Placing],
    rules: &Rules,
) -> Result<(Answers, Outgoing), sqlx::Error> {
    orders::limit_lock_wait(tx).await?;
    let prices = orders::load_prices(tx, &skus(requests)).await?;

    let priced: Vec<_> = requests
        .iter()
        .map(|request| decide(request, &prices, now, rules))
        .collect();

    let fresh = orders::insert(tx, now, &new_orders(requests, &priced)).await?;
    crash::point("api.order-inserted");
    let known = find_known(tx, requests, &priced, &fresh).await?;

    let mut outgoing = Outgoing::none();
    let answers = requests
        .iter()
        .zip(priced)
        .map(|(request, priced)| {
            let Priced {
                order,
                events,
                traceparent,
                ..
            } = priced?;
            if !fresh.contains(&order.id) {
                return repeated(request, &known);
            }
            outgoing.add(&request.cause, events);
            Ok(Placed {
                order_id: order.id,
                total_minor: order.total_minor,
                currency: order.currency,
                placed_at: order.placed_at,
                traceparent,
            })
        })
        .collect();
    Ok((answers, outgoing))
}

fn decide(
    request: &Placing,
    prices: &PriceList,
    now: DateTime<Utc>,
    rules: &Rules,
) -> Result<Priced, ApiError> {
    let order = price(request.draft.clone(), prices, now)
        .map_err(|why| unplaceable(&why, &request.draft))?;
    let events = order.placed();
    Ok(Priced {
        saga: Saga::placed(&order, rules),
        led_to: events.types(),
        traceparent: request.cause.traceparent(),
        order,
        events,
    })
}

fn new_orders<'a>(
    requests: &'a [Placing],
    priced: &'a [Result<Priced, ApiError>],
) -> Vec<NewOrder<'a>> {
    requests
        .iter()
        .zip(priced)
        .filter_map(|(request, priced)| {
            let priced = priced.as_ref().ok()?;
            Some(NewOrder {
                order: &priced.order,
                saga: &priced.saga,
                key: &request.key,
                fingerprint: &request.fingerprint,
                traceparent: priced.traceparent.as_deref(),
                trace_id: trace_id(&request.cause),
                led_to: &priced.led_to,
            })
        })
        .collect()
}

/// What the keys that were not new had been used for.
async fn find_known(
    tx: &mut PgConnection,
    requests: &[Placing],
    priced: &[Result<Priced, ApiError>],
    fresh: &HashSet<Uuid>,
) -> Result<HashMap<(String, String), Known>, sqlx::Error> {
    let (customers, keys): (Vec<_>, Vec<_>) = requests
        .iter()
        .zip(priced)
        .filter(|(_, priced)| {
            priced
                .as_ref()
                .is_ok_and(|priced| !fresh.contains(&priced.order.id))
        })
        .map(|(request, _)| (request.draft.customer_id.as_str(), request.key.as_str()))
        .unzip();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    orders::find_known(tx, &customers, &keys).await
}

fn repeated(
    request: &Placing,
    known: &HashMap<(String, String), Known>,
) -> Result<Placed, ApiError> {
    let key = (request.draft.customer_id.clone(), request.key.clone());
    match known.get(&key) {
        Some(known) if known.fingerprint == request.fingerprint => Ok(Placed {
            order_id: known.order_id,
            total_minor: known.total_minor,
            currency: known.currency.clone(),
            placed_at: known.placed_at,
            traceparent: known.traceparent.clone(),
        }),
        Some(known) => Err(ApiError::unprocessable(
            "idempotency-key-reused",
            format!(
                "this `Idempotency-Key` placed order {} with another request; use a new key for a \
                 new order",
                known.order_id
            ),
        )),
        // Between the two statements its day was over.
        None => Err(ApiError::unavailable(
            "the key has just expired; send the request again",
        )),
    }
}

fn skus(requests: &[Placing]) -> Vec<&str> {
    let mut skus: Vec<_> = requests
        .iter()
        .flat_map(|request| &request.draft.lines)
        .map(|line| line.sku.as_str())
        .collect();
    skus.sort_unstable();
    skus.dedup();
    skus
}

fn unplaceable(why: &Unplaceable, draft: &Draft) -> ApiError {
    let at = |position: usize, detail: String| FieldError {
        field: format!("lines[{position}].sku"),
        detail,
    };
    ApiError::invalid(match why {
        Unplaceable::UnknownSkus(positions) => positions
            .iter()
            .map(|position| {
                let sku = &draft.lines[*position].sku;
                at(
                    *position,
                    format!("there is no `{sku}`; see GET /v1/products"),
                )
            })
            .collect(),
        Unplaceable::SeveralCurrencies(position) => vec![at(
            *position,
            "is sold in another currency than the first line; place two orders".to_owned(),
        )],
        Unplaceable::TotalTooLarge => vec![FieldError {
            field: "lines".to_owned(),
            detail: "the total is too large to be charged".to_owned(),
        }],
    })
}

/// What the failure of a transaction means to those who were in it.
fn refusal(error: sqlx::Error, requests: &[Placing]) -> ApiError {
    let violation = error.as_database_error();
    if violation.is_some_and(|it| it.constraint() == Some(CHANNEL_REF_UNIQUE)) {
        let draft = requests.first().map(|request| &request.draft);
        let reference = draft
            .and_then(|draft| draft.external_ref.as_deref())
            .unwrap_or_default();
        let channel = draft.map_or("", |draft| draft.channel.as_str());
        return ApiError::conflict(
            "external-ref-taken",
            format!("order `{reference}` of channel `{channel}` was placed before"),
        );
    }
    if violation.is_some_and(|it| it.code().as_deref() == Some(LOCK_NOT_AVAILABLE)) {
        return ApiError::conflict(
            "idempotency-key-in-flight",
            "a request with this `Idempotency-Key` or `external_ref` is still being worked on; \
             send it again shortly",
        );
    }
    if is_transient(&error) {
        warn!(error = %error, requests = requests.len(), "Cannot place orders: {error}");
        // A commit whose answer got lost may have happened, or not.
        return ApiError::unavailable(
            "it is not known whether the order was placed; send it again with the same \
             `Idempotency-Key`",
        );
    }
    ApiError::from(error)
}
