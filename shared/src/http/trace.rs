//! One span per request, and the answer says which trace it is.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, info_span};

use crate::telemetry::{current_span_context, metrics, propagation};

/// Callers are the public: their trace context and sampling are not ours, so a new trace begins.
pub(super) async fn request_span(request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        order.id = tracing::field::Empty,
    );
    let begun = Instant::now();
    async move {
        let mut response = next.run(request).await;
        let status = response.status();
        let span = tracing::Span::current();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let traceparent = propagation::to_traceparent(&current_span_context());
        if let Some(value) = traceparent.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert("traceparent", value);
        }
        metrics::http(route, method, status.as_u16(), begun.elapsed());
        response
    }
    .instrument(span)
    .await
}
