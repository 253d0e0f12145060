//! The HTTP door: the review queue, and what was decided about an order.

use axum::Json;
use axum::extract::State;
use shared::batch::{Cause, Outgoing};
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::json::ValidJson;
use shared::http::params::{ValidPath, ValidQuery};
use shared::rail::Rail;
use shared::telemetry::{self, propagation};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::domain::review::{self, Case, Label, Ruling};
use crate::store;
use body::{Page, Review, Reviews, Ruled};

mod body;

/// A page that a person can still read.
const PAGE_DEFAULT: u8 = 50;
const PAGE_MAX: u8 = 200;
/// Room for a reason, not for a file.
const NOTE_CHARS_MAX: usize = 1000;

pub fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_reviews))
        .routes(routes!(show_review))
        .routes(routes!(approve))
        .routes(routes!(block))
        .routes(routes!(show_decision))
        .with_state(rail)
}

/// Transactions that wait for a reviewer, oldest first.
///
/// A single order above 1,200.00 and below 10,000.00 of a customer with little history gets here.
#[utoipa::path(
    get, path = "/v1/reviews", params(Page), tag = "fraud", security(("token" = [])),
    responses(
        (status = 200, body = Reviews),
        (status = 403, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_reviews(
    caller: Caller,
    State(rail): State<Rail>,
    ValidQuery(page): ValidQuery<Page>,
) -> Result<Json<Reviews>, ApiError> {
    caller.require("review")?;
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ApiError::invalid_field(
            "limit",
            format!("must be 1 to {PAGE_MAX}"),
        ));
    }

    // One more than asked for tells whether there is a next page.
    let mut cases = store::list_held(
        &mut *rail.connection().await?,
        page.cursor,
        i64::from(limit) + 1,
    )
    .await?;
    let more = cases.len() > usize::from(limit);
    cases.truncate(usize::from(limit));
    let next_cursor = cases
        .last()
        .filter(|_| more)
        .map(|case| case.judgement.transaction_id);
    Ok(Json(Reviews {
        items: cases.into_iter().map(Review::from).collect(),
        next_cursor,
    }))
}

/// One transaction, whatever its verdict.
#[utoipa::path(
    get, path = "/v1/reviews/{transaction_id}", tag = "fraud", security(("token" = [])),
    params(("transaction_id" = Uuid, Path)),
    responses(
        (status = 200, body = Review),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn show_review(
    caller: Caller,
    State(rail): State<Rail>,
    ValidPath(transaction_id): ValidPath<Uuid>,
) -> Result<Json<Review>, ApiError> {
    caller.require("review")?;
    let case = store::load_cases(&mut *rail.connection().await?, &[transaction_id])
        .await?
        .pop();
    Ok(Json(
        case.ok_or_else(|| transaction_not_found(transaction_id))?
            .into(),
    ))
}

/// Lets a held transaction go on. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/reviews/{transaction_id}/approve", tag = "fraud", request_body = Ruled,
    security(("token" = [])), params(("transaction_id" = Uuid, Path)),
    responses(
        (status = 200, body = Review),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn approve(
    caller: Caller,
    State(rail): State<Rail>,
    ValidPath(transaction_id): ValidPath<Uuid>,
    ValidJson(body): ValidJson<Ruled>,
) -> Result<Json<Review>, ApiError> {
    rule(&rail, caller, transaction_id, Ruling::Approve, body).await
}

/// Blocks a held transaction. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/reviews/{transaction_id}/block", tag = "fraud", request_body = Ruled,
    security(("token" = [])), params(("transaction_id" = Uuid, Path)),
    responses(
        (status = 200, body = Review),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn block(
    caller: Caller,
    State(rail): State<Rail>,
    ValidPath(transaction_id): ValidPath<Uuid>,
    ValidJson(body): ValidJson<Ruled>,
) -> Result<Json<Review>, ApiError> {
    rule(&rail, caller, transaction_id, Ruling::Block, body).await
}

/// What was decided about an order's transaction.
#[utoipa::path(
    get, path = "/v1/decisions/{order_id}", tag = "fraud", security(("token" = [])),
    params(("order_id" = Uuid, Path)),
    responses(
        (status = 200, body = Review),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn show_decision(
    caller: Caller,
    State(rail): State<Rail>,
    ValidPath(order_id): ValidPath<Uuid>,
) -> Result<Json<Review>, ApiError> {
    if !caller.has("operations") {
        caller.require("review")?;
    }
    let case = store::find_case_of_order(&mut *rail.connection().await?, order_id).await?;
    let case = case.ok_or_else(|| {
        ApiError::not_found(
            "decision-not-found",
            format!("nothing was decided about order {order_id} so far"),
        )
    })?;
    Ok(Json(case.into()))
}

async fn rule(
    rail: &Rail,
    caller: Caller,
    transaction_id: Uuid,
    ruling: Ruling,
    body: Ruled,
) -> Result<Json<Review>, ApiError> {
    caller.require("review")?;
    let note = body.note.trim().to_owned();
    let length = note.chars().count();
    if !(1..=NOTE_CHARS_MAX).contains(&length) || note.contains('\0') {
        return Err(ApiError::invalid_field(
            "note",
            format!("must be 1 to {NOTE_CHARS_MAX} characters, none of them zero"),
        ));
    }

    let case = rail
        .transact(move |tx, now| {
            let (reviewer, note) = (caller.subject.clone(), note.clone());
            Box::pin(async move {
                store::lock_judgement(tx, transaction_id).await?;
                let case = store::load_cases(&mut *tx, &[transaction_id]).await?.pop();
                let mut case = case.ok_or_else(|| transaction_not_found(transaction_id))?;

                let cause = review_cause(&case);
                let label = Label {
                    ruling,
                    reviewer,
                    note,
                    at: now,
                };
                let events = review::rule(&mut case, label)
                    .map_err(|reject| ApiError::conflict(reject.code, reject.detail))?;

                if let (false, Some(label)) = (events.is_empty(), &case.label) {
                    store::save_judgements(tx, &[&case.judgement]).await?;
                    store::save_label(tx, transaction_id, label).await?;
                }

                Ok::<_, ApiError>((case, Outgoing::caused_by(&cause, events)))
            })
        })
        .await?;
    Ok(Json(case.into()))
}

/// The reviewer's request is what caused the verdict, but it belongs to the order's trace.
fn review_cause(case: &Case) -> Cause {
    let request = Cause::request();
    let origin = case.judgement.verdict.origin();
    let traceparent = origin.and_then(|origin| origin.traceparent.as_deref());
    let order_id = case.judgement.order_id;
    let span = tracing::info_span!("review transaction", order.id = %order_id);
    propagation::continue_trace(&span, &propagation::from_traceparent(traceparent));
    let span = span.in_scope(telemetry::current_span_context);
    Cause {
        correlation_id: Some(order_id.to_string()),
        span,
        ..request
    }
}

fn transaction_not_found(transaction_id: Uuid) -> ApiError {
    ApiError::not_found(
        "transaction-not-found",
        format!("there is no transaction {transaction_id}"),
    )
}
