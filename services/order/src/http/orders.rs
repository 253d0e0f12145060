//! Reading orders, and calling them off.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use shared::batch::{Cause, Outgoing};
use shared::http::Place;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::{ValidPath, ValidQuery};
use sqlx::PgConnection;
use tracing::Span;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::query::{cursor, page_size, read_cursor, read_wait};
use super::view::{Money, OrderView};
use super::{Api, order_not_found, owner};
use crate::domain::progress::{Origin, Progress};
use crate::domain::state;
use crate::saga::{AlreadyShipped, Rules};
use crate::store;

#[derive(Serialize, ToSchema)]
pub(super) struct Products {
    products: Vec<ProductView>,
}

#[derive(Serialize, ToSchema)]
struct ProductView {
    #[schema(example = "KETTLE")]
    sku: String,
    name: String,
    unit_price: Money,
}

/// What can be ordered, and at which price.
#[utoipa::path(
    get,
    path = "/v1/products",
    tag = "orders",
    security(("token" = [])),
    responses((status = 200, body = Products)),
)]
pub(super) async fn list_products(
    State(api): State<Api>,
    _caller: Caller,
) -> Result<Json<Products>, ApiError> {
    let products = store::orders::find_products(&mut *api.rail.connection().await?).await?;
    let products = products.into_iter().map(|product| ProductView {
        sku: product.sku,
        name: product.name,
        unit_price: Money {
            amount_minor: product.unit_price_minor,
            currency: product.currency,
        },
    });
    Ok(Json(Products {
        products: products.collect(),
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only orders with this status.
    status: Option<state::State>,
    /// 1 to 100.
    limit: Option<u8>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct OrderPage {
    orders: Vec<OrderView>,
    /// Asks for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Your own orders, newest first.
#[utoipa::path(
    get,
    path = "/v1/orders",
    tag = "orders",
    security(("token" = [])),
    params(Page),
    responses((status = 200, body = OrderPage), (status = 422, body = Problem)),
)]
pub(super) async fn list_orders(
    State(api): State<Api>,
    caller: Caller,
    ValidQuery(page): ValidQuery<Page>,
) -> Result<Json<OrderPage>, ApiError> {
    let limit = page_size(page.limit)?;
    let before = page.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than asked tells whether there is a next page.
    let mut found = store::orders::list(
        &mut *api.rail.connection().await?,
        &caller.subject,
        page.status,
        before,
        i64::from(limit) + 1,
    )
    .await?;
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let last = found.last().map(|found| found.order.id);
    Ok(Json(OrderPage {
        next_cursor: last.filter(|_| more).map(cursor),
        orders: found.into_iter().map(OrderView::of).collect(),
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Answer when the order changes, or after this time, up to 30 s.
    #[param(example = "10s")]
    wait: Option<String>,
}

/// One order: what was ordered, how far it is, and what it waits for.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    tag = "orders",
    security(("token" = [])),
    params(("order_id" = Uuid, Path), Wait),
    responses(
        (status = 200, body = OrderView),
        (status = 404, body = Problem, description = "`order-not-found`"),
        (status = 422, body = Problem),
    ),
)]
pub(super) async fn show_order(
    State(api): State<Api>,
    caller: Caller,
    ValidPath(order_id): ValidPath<Uuid>,
    ValidQuery(Wait { wait }): ValidQuery<Wait>,
    Extension(place): Extension<Place>,
) -> Result<Json<OrderView>, ApiError> {
    Span::current().record("order.id", tracing::field::display(order_id));
    let wait = wait
        .as_deref()
        .map(read_wait)
        .transpose()?
        .unwrap_or_default();
    let mut following = api.watch.follow(order_id);
    let look = async || {
        store::orders::find(&mut *api.rail.connection().await?, order_id, owner(&caller)).await
    };
    let mut found = look().await?.ok_or_else(|| order_not_found(order_id))?;
    let seen = (found.saga.updated_at, found.saga.state);

    if !wait.is_zero() {
        place.leave();
    }
    let until = tokio::time::Instant::now() + wait;
    while (found.saga.updated_at, found.saga.state) == seen && !found.saga.state.is_final() {
        tokio::select! {
            () = following.worth_looking() => {}
            () = tokio::time::sleep_until(until) => break,
            () = api.rail.stopping().cancelled() => break,
        }
        found = look().await?.ok_or_else(|| order_not_found(order_id))?;
    }
    Ok(Json(OrderView::of(found)))
}

/// Calls an order off, until its first parcel has left.
///
/// 202: participants are undoing their part. 200: it is being cancelled, or was, already.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    tag = "orders",
    security(("token" = [])),
    params(("order_id" = Uuid, Path)),
    responses(
        (status = 202, body = OrderView),
        (status = 200, body = OrderView),
        (status = 404, body = Problem, description = "`order-not-found`"),
        (status = 409, body = Problem, description = "`order-already-shipped`"),
    ),
)]
pub(super) async fn cancel_order(
    State(api): State<Api>,
    caller: Caller,
    ValidPath(order_id): ValidPath<Uuid>,
) -> Result<(StatusCode, Json<OrderView>), ApiError> {
    Span::current().record("order.id", tracing::field::display(order_id));
    let cancelled = api
        .rail
        .transact(|tx, now| {
            let (rules, customer_id) = (Arc::clone(&api.rules), caller.subject.clone());
            async move { cancel(tx, now, order_id, &customer_id, &rules).await }.boxed()
        })
        .await?;
    api.watch.changed(std::iter::once(order_id));
    let found = store::orders::find(
        &mut *api.rail.connection().await?,
        order_id,
        Some(&caller.subject),
    )
    .await?
    .ok_or_else(|| order_not_found(order_id))?;
    let status = if cancelled {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(OrderView::of(found))))
}

/// Load, decide, save, enqueue. False: there was nothing left to cancel.
async fn cancel(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    order_id: Uuid,
    customer_id: &str,
    rules: &Rules,
) -> Result<(bool, Outgoing), ApiError> {
    let (saga, traceparent) = store::sagas::load_own(tx, order_id, customer_id)
        .await?
        .ok_or_else(|| order_not_found(order_id))?;
    let mut progress = Progress::new(vec![saga], now);

    // The order's events stay in the order's trace; the timeline names the request's.
    let request = Cause::request();
    let cause = Cause::stored(request.id, order_id, traceparent.as_deref());
    let events = progress
        .advance(
            order_id,
            Origin::cause("CancelRequested", &request),
            |saga| saga.cancel_on_request(now, rules),
        )
        .map_err(|AlreadyShipped| already_shipped(order_id))?;

    store::save(tx, &progress).await?;

    let cancelled = events.is_some();
    Ok((
        cancelled,
        Outgoing::caused_by(&cause, events.unwrap_or_default()),
    ))
}

fn already_shipped(order_id: Uuid) -> ApiError {
    ApiError::conflict(
        "order-already-shipped",
        format!(
            "a parcel of order {order_id} has left, so it cannot be cancelled any more; refuse the \
             parcel or send it back"
        ),
    )
}
