//! The HTTP door: one error form, one identity, one span per request, and the operations port.

pub mod auth;
mod document;
pub mod error;
pub mod health;
pub mod idempotency;
pub mod intake;
pub mod json;
mod limits;
pub mod params;
mod trace;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use error::ApiError;
pub use limits::Place;

/// An order of a hundred lines has a fifth of it.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longer than the longest long-poll.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// The API with everything around it: its `OpenAPI` document and a page to try it.
pub(crate) fn api(service: &'static str, routes: OpenApiRouter) -> Router {
    let (router, mut openapi) = routes.split_for_parts();
    document::complete(service, &mut openapi);
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(ApiError::internal("a handler panicked"))
        }))
        .layer(axum::middleware::from_fn_with_state(
            limits::Places::default(),
            limits::shed,
        ))
        .layer(axum::middleware::from_fn(limits::check))
        .layer(axum::middleware::from_fn(trace::request_span))
}

async fn no_such_route(uri: axum::http::Uri) -> ApiError {
    ApiError::not_found(
        "no-such-route",
        format!("there is no {}; see /docs", uri.path()),
    )
}

async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        format!("{} does not take {method}; see /docs", uri.path()),
    )
}
