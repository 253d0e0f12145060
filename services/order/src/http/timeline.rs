//! An order's story: every event, request, deadline and mail, in order.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidPath;
use tracing::Span;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::trace_id;
use super::{Api, order_not_found, owner};
use crate::domain::state;
use crate::store;
use crate::store::timeline::Written;

/// An order has some ten entries; one with more is stuck, and its beginning tells why.
const ENTRIES_MAX: i64 = 1000;

#[derive(Serialize, ToSchema)]
pub(super) struct Timeline {
    order_id: Uuid,
    status: state::State,
    trace_id: Option<String>,
    /// The order's trace, to look at.
    trace_url: Option<String>,
    entries: Vec<EntryView>,
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    id: i64,
    at: DateTime<Utc>,
    /// An event's type, or `CancelRequested`, or `Deadline`.
    #[serde(rename = "type")]
    kind: String,
    what: String,
    /// Where the status changed.
    from: Option<String>,
    to: Option<String>,
    /// Types of the events that followed from it.
    led_to: Vec<String>,
    /// It had been processed before, and was skipped.
    duplicate: bool,
    event_id: Uuid,
    /// At its producer.
    occurred_at: Option<DateTime<Utc>>,
    /// From the producer's commit until Kafka had it.
    waited_in_outbox_ms: Option<i64>,
    /// Until this service polled it.
    waited_in_kafka_ms: Option<i64>,
    /// Until what followed from it was written down.
    handled_ms: Option<i64>,
    trace_id: Option<String>,
    trace_url: Option<String>,
}

/// What happened to an order, and how long each part of it took.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/timeline",
    tag = "orders",
    security(("token" = [])),
    params(("order_id" = Uuid, Path)),
    responses((status = 200, body = Timeline), (status = 404, body = Problem)),
)]
pub(super) async fn show_timeline(
    State(api): State<Api>,
    caller: Caller,
    ValidPath(order_id): ValidPath<Uuid>,
) -> Result<Json<Timeline>, ApiError> {
    Span::current().record("order.id", tracing::field::display(order_id));
    let mut connection = api.rail.connection().await?;
    let found = store::orders::find(&mut *connection, order_id, owner(&caller))
        .await?
        .ok_or_else(|| order_not_found(order_id))?;
    let written = store::timeline::find_after(&mut *connection, order_id, 0, ENTRIES_MAX).await?;
    drop(connection);
    let trace_id = trace_id(found.traceparent.as_deref());
    Ok(Json(Timeline {
        order_id,
        status: found.saga.state,
        trace_url: trace_id.as_deref().map(|id| trace_url(&api, id)),
        trace_id,
        entries: written
            .into_iter()
            .map(|entry| EntryView::of(entry, &api))
            .collect(),
    }))
}

impl EntryView {
    pub(super) fn of(entry: Written, api: &Api) -> Self {
        let trace_id = entry.trace_id.map(|id| hex(&id));
        Self {
            id: entry.id,
            at: entry.at,
            kind: entry.kind,
            what: entry.what,
            from: entry.from_state,
            to: entry.to_state,
            led_to: entry.led_to,
            duplicate: entry.duplicate,
            event_id: entry.event_id,
            occurred_at: entry.occurred_at,
            waited_in_outbox_ms: elapsed_ms(entry.occurred_at, entry.published_at),
            waited_in_kafka_ms: elapsed_ms(entry.published_at, entry.received_at),
            handled_ms: elapsed_ms(entry.received_at, Some(entry.recorded_at)),
            trace_url: trace_id.as_deref().map(|id| trace_url(api, id)),
            trace_id,
        }
    }
}

/// The times come from several clocks; a difference below zero says nothing.
fn elapsed_ms(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<i64> {
    Some((to? - from?).num_milliseconds().max(0))
}

fn trace_url(api: &Api, trace_id: &str) -> String {
    format!("{}/trace/{trace_id}", api.jaeger_ui_url)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
