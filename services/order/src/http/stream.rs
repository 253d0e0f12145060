//! An order's story as it unfolds, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidPath;
use tokio::time::Instant;
use tracing::{Span, warn};
use uuid::Uuid;

use super::timeline::EntryView;
use super::view::OrderView;
use super::{Api, order_not_found, owner};
use crate::store;
use crate::watch::Following;

/// A reader comes again with `Last-Event-ID`; the right to read is asked for anew then.
const STREAM_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// One look's worth.
const ENTRIES_MAX: i64 = 100;

/// Follows an order: one `entry` for each line of its timeline, then one `order` with the final
/// view, once it is completed or cancelled.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/stream",
    tag = "orders",
    security(("token" = [])),
    params(
        ("order_id" = Uuid, Path),
        ("Last-Event-ID" = Option<i64>, Header, description = "Goes on after this entry"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn stream_order(
    State(api): State<Api>,
    caller: Caller,
    ValidPath(order_id): ValidPath<Uuid>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    Span::current().record("order.id", tracing::field::display(order_id));
    let told = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let story = Story {
        following: api.watch.follow(order_id),
        api,
        order_id,
        owner: owner(&caller).map(str::to_owned),
        told,
        ready: VecDeque::new(),
        until: Instant::now() + STREAM_TIME_MAX,
        ended: false,
    };
    // The answer to somebody else's order is a problem, not a stream.
    store::orders::find(
        &mut *story.api.rail.connection().await?,
        order_id,
        story.owner.as_deref(),
    )
    .await?
    .ok_or_else(|| order_not_found(order_id))?;
    let events = stream::unfold(story, |mut story| async move {
        let event = story.next().await?;
        Some((Ok(event), story))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Story {
    api: Api,
    following: Following,
    order_id: Uuid,
    owner: Option<String>,
    /// The last entry that was told.
    told: i64,
    ready: VecDeque<Event>,
    until: Instant,
    ended: bool,
}

impl Story {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.look().await {
                warn!(error = %error, "A stream ends early: {error}");
                return None;
            }
            if self.ready.is_empty() {
                tokio::select! {
                    () = self.following.worth_looking() => {}
                    () = tokio::time::sleep_until(self.until) => return None,
                    () = self.api.rail.stopping().cancelled() => return None,
                }
            }
        }
    }

    /// The order is read before its entries: one that had ended by then has no later ones to tell.
    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let mut connection = self.api.rail.connection().await?;
        let found =
            store::orders::find(&mut *connection, self.order_id, self.owner.as_deref()).await?;
        let entries =
            store::timeline::find_after(&mut *connection, self.order_id, self.told, ENTRIES_MAX)
                .await?;
        drop(connection);
        let none_left = entries.is_empty();
        for entry in entries {
            self.told = entry.id;
            let event = Event::default().event("entry").id(entry.id.to_string());
            self.ready
                .extend(event.json_data(EntryView::of(entry, &self.api)).ok());
        }
        match found {
            Some(found) if none_left && found.saga.state.is_final() => {
                let event = Event::default()
                    .event("order")
                    .json_data(OrderView::of(found));
                self.ready.extend(event.ok());
                self.ended = true;
            }
            Some(_) => {}
            None => self.ended = true,
        }
        Ok(())
    }
}
