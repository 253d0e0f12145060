//! Placing an order.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::batch::Cause;
use shared::crash;
use shared::event::new_id;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::idempotency::{IdempotencyKey, fingerprint};
use shared::http::json::ValidJson;
use tracing::Span;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::view::{Money, trace_id};
use crate::domain::state;

/// What a customer sends.
mod body;
/// What requests have in common: one transaction.
mod flush;

use body::PlaceOrder;
pub(super) use flush::{Placed, Placing, intake};

/// The order is ours now, and will not be lost.
#[derive(Debug, Serialize, ToSchema)]
struct OrderAccepted {
    order_id: Uuid,
    /// Where every order begins. `GET` the order to see how far it has come.
    status: state::State,
    /// Follow the order's way through all services by this.
    trace_id: Option<String>,
    total: Money,
    placed_at: DateTime<Utc>,
    links: Links,
}

#[derive(Debug, Serialize, ToSchema)]
struct Links {
    order: String,
    timeline: String,
    stream: String,
    cancel: String,
}

/// Places an order.
///
/// It is durable when this answers. Sending the same request with the same key again is safe, and
/// gives the same answer.
#[utoipa::path(
    post,
    path = "/v1/orders",
    tag = "orders",
    security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "Unique to this order; kept a day")),
    request_body = PlaceOrder,
    responses(
        (status = 202, body = OrderAccepted, headers(("Location" = String))),
        (status = 400, body = Problem, description = "`idempotency-key-missing`, `invalid-body`"),
        (status = 409, body = Problem,
         description = "`external-ref-taken`, `idempotency-key-in-flight`"),
        (status = 422, body = Problem, description = "`invalid-request`, `idempotency-key-reused`"),
        (status = 503, body = Problem, description = "Send it again with the same key"),
    )
)]
pub(super) async fn place_order(
    State(api): State<Api>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    ValidJson(body): ValidJson<PlaceOrder>,
) -> Result<Response, ApiError> {
    let fingerprint = fingerprint(&body);
    let draft = body.draft(new_id(), caller.subject)?;
    // Taken here, because the flush runs outside of this request's span.
    let cause = Cause::request();

    let placed = api
        .intake
        .submit(Placing {
            draft,
            key,
            fingerprint,
            cause,
        })
        .await?;

    let id = placed.order_id;
    Span::current().record("order.id", tracing::field::display(id));
    let location = format!("/v1/orders/{id}");
    let accepted = OrderAccepted {
        order_id: id,
        status: state::State::Pending,
        trace_id: trace_id(placed.traceparent.as_deref()),
        total: Money {
            amount_minor: placed.total_minor,
            currency: placed.currency,
        },
        placed_at: placed.placed_at,
        links: Links {
            timeline: format!("{location}/timeline"),
            stream: format!("{location}/stream"),
            cancel: format!("{location}/cancel"),
            order: location.clone(),
        },
    };
    let mut response = (StatusCode::ACCEPTED, Json(accepted)).into_response();
    let location = HeaderValue::try_from(location).expect("a path of letters and digits");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(crash::halved("api.reply-half-written", response).await)
}
