//! Sales channels, and what is kept back from each.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::batch::Outgoing;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::json::ValidJson;
use shared::http::params::ValidPath;
use shared::rail::Rail;
use utoipa::ToSchema;

use super::STAFF;
use super::body::{UNITS_MAX, field, refuse_if_any};
use crate::store::{self, ChannelRow};

/// A way to our customers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelView {
    #[schema(example = "amazon")]
    channel: String,
    name: String,
    /// Units of every SKU that are kept back from it.
    buffer: i64,
}

impl From<ChannelRow> for ChannelView {
    fn from(row: ChannelRow) -> Self {
        Self {
            channel: row.code,
            name: row.name,
            buffer: row.buffer,
        }
    }
}

/// What is to be kept back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Buffer {
    #[schema(minimum = 0, maximum = 1_000_000)]
    buffer: i64,
}

/// The channels, and what is kept back from each.
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels",
    responses(
        (status = 200, body = Vec<ChannelView>),
        (status = 401, body = Problem, description = "no valid token"),
    )
)]
pub(super) async fn list_channels(
    State(rail): State<Rail>,
    _: Caller,
) -> Result<Json<Vec<ChannelView>>, ApiError> {
    let rows = store::list_channels(&mut *rail.connection().await?).await?;

    Ok(Json(rows.into_iter().map(ChannelView::from).collect()))
}

/// Sets what is kept back from a channel. Marketplaces hear of it with the next levels.
#[utoipa::path(
    put, path = "/v1/channels/{channel}/buffer", tag = "channels", request_body = Buffer,
    params(("channel" = String, Path, description = "The channel")),
    responses(
        (status = 200, body = ChannelView),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 403, body = Problem, description = "the token lacks the scope `stock`"),
        (status = 404, body = Problem, description = "no such channel"),
        (status = 422, body = Problem, description = "a field is at fault"),
    )
)]
pub(super) async fn set_buffer(
    State(rail): State<Rail>,
    caller: Caller,
    ValidPath(channel): ValidPath<String>,
    ValidJson(Buffer { buffer }): ValidJson<Buffer>,
) -> Result<Json<ChannelView>, ApiError> {
    caller.require(STAFF)?;
    let units = (0..=i64::from(UNITS_MAX)).contains(&buffer);
    refuse_if_any([(!units).then(|| field("buffer", format!("must be 0 to {UNITS_MAX}")))])?;

    rail.transact(|tx, _now| {
        let channel = channel.clone();
        Box::pin(async move {
            let set = store::set_buffer(tx, &channel, buffer).await?;
            let set = set.ok_or_else(|| channel_not_found(&channel))?;

            store::forget_told_levels(tx).await?;

            Ok((Json(set.into()), Outgoing::none()))
        })
    })
    .await
}

fn channel_not_found(channel: &str) -> ApiError {
    ApiError::not_found(
        "channel-not-found",
        format!("there is no channel {channel}"),
    )
}
