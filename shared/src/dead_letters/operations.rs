//! Dead letters over the operations port, for who holds the scope `operations`.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use sqlx::PgPool;
use uuid::Uuid;

use super::body::{Line, Listing, Order, Report, Which, Whole, WindowOrder};
use super::{Operator, OutOfTurn, Replayed, Settle, SettleError, ramp, store};
use crate::http::auth::{Caller, Verifier};
use crate::http::error::ApiError;
use crate::http::json::ValidJson;
use crate::http::params::{ValidPath, ValidQuery};

const SCOPE: &str = "operations";
/// In one call.
const SETTLED_MAX: i64 = 10_000;

#[derive(Clone)]
pub(crate) struct DeadLetters {
    pub(crate) service: &'static str,
    pub(crate) pool: PgPool,
    pub(crate) verifier: Verifier,
    /// Nothing where a service consumes nothing.
    pub(crate) consumer: Option<Arc<dyn OutOfTurn>>,
}

impl DeadLetters {
    fn consumer(&self) -> Result<&dyn OutOfTurn, ApiError> {
        self.consumer.as_deref().ok_or_else(|| {
            ApiError::not_found("no-consumer", format!("{} consumes nothing", self.service))
        })
    }
}

impl FromRef<DeadLetters> for Verifier {
    fn from_ref(state: &DeadLetters) -> Self {
        state.verifier.clone()
    }
}

pub(crate) fn routes(state: DeadLetters) -> Router {
    Router::new()
        .route("/dead-letters", get(list))
        .route("/dead-letters/{event_id}", get(show))
        .route("/dead-letters/replay", post(replay))
        .route("/dead-letters/discard", post(discard))
        .route("/replay", post(replay_window))
        .with_state(state)
}

async fn list(
    State(state): State<DeadLetters>,
    caller: Caller,
    ValidQuery(which): ValidQuery<Which>,
) -> Result<Json<Listing>, ApiError> {
    caller.require(SCOPE)?;
    let groups = store::groups(&state.pool, &which.filter()).await?;
    let letters = store::list(&state.pool, &which.filter(), which.limit()).await?;
    Ok(Json(Listing {
        service: state.service,
        groups: groups.into_iter().map(Into::into).collect(),
        letters: letters.iter().map(Line::from).collect(),
    }))
}

async fn show(
    State(state): State<DeadLetters>,
    caller: Caller,
    ValidPath(event_id): ValidPath<Uuid>,
) -> Result<Json<Whole>, ApiError> {
    caller.require(SCOPE)?;
    let letter = store::find(&state.pool, event_id)
        .await?
        .ok_or_else(|| refusal(SettleError::Unknown(event_id)))?;
    Ok(Json(Whole::of(state.service, &letter)))
}

async fn replay(
    State(state): State<DeadLetters>,
    caller: Caller,
    ValidJson(order): ValidJson<Order>,
) -> Result<Json<Report>, ApiError> {
    let value = order.edited_value()?;
    settle(&state, &caller, &order, &Settle::Replay { value }).await
}

async fn discard(
    State(state): State<DeadLetters>,
    caller: Caller,
    ValidJson(order): ValidJson<Order>,
) -> Result<Json<Report>, ApiError> {
    settle(&state, &caller, &order, &Settle::Discard).await
}

async fn settle(
    state: &DeadLetters,
    caller: &Caller,
    order: &Order,
    settle: &Settle,
) -> Result<Json<Report>, ApiError> {
    caller.require(SCOPE)?;
    order.check()?;
    let consumer = state.consumer()?;
    let letters = store::list(&state.pool, &order.filter(), SETTLED_MAX).await?;
    if let (Some(event_id), true) = (order.event_id, letters.is_empty()) {
        return Err(refusal(SettleError::Unknown(event_id)));
    }
    let operator = Operator {
        actor: &caller.subject,
        reason: &order.reason,
        dry_run: order.dry_run,
    };
    let mut report = Report {
        service: state.service,
        dry_run: order.dry_run,
        ..Report::default()
    };
    let settled = ramp::settle(
        consumer,
        &state.pool,
        &letters,
        settle,
        &operator,
        &mut report,
    )
    .await;
    match settled {
        Ok(()) => {}
        // What was settled before stays so, and the report must say it.
        Err(error) if report.letters > 0 => report.stopped = Some(error.to_string()),
        Err(error) => return Err(refusal(error)),
    }
    Ok(Json(report))
}

async fn replay_window(
    State(state): State<DeadLetters>,
    caller: Caller,
    ValidJson(order): ValidJson<WindowOrder>,
) -> Result<Json<Replayed>, ApiError> {
    caller.require(SCOPE)?;
    let window = order.window()?;
    let operator = Operator {
        actor: &caller.subject,
        reason: &order.reason,
        dry_run: order.dry_run,
    };
    let mut connection = state.pool.acquire().await?;
    state
        .consumer()?
        .replay(&mut connection, &window, &operator)
        .await
        .map(Json)
        .map_err(|error| ApiError::unavailable(format!("{error:#}")))
}

fn refusal(error: SettleError) -> ApiError {
    let detail = error.to_string();
    match error {
        SettleError::Unknown(_) => ApiError::not_found("no-such-dead-letter", detail),
        SettleError::Settled(_) => ApiError::conflict("settled", detail),
        SettleError::Parked(..) => ApiError::conflict("parked", detail),
        SettleError::Failed(_) => ApiError::unavailable(detail),
    }
}
