//! Every change of a SKU, and why.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::{ValidPath, ValidQuery};
use shared::rail::Rail;
use utoipa::IntoParams;
use uuid::Uuid;

use super::body::{LedgerEntryView, LedgerPage};
use super::{STAFF, page_limit, sku_not_found};
use crate::store::{self, LedgerLine};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LedgerQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Changes on a page, 1 to 200; 50 unless told.
    limit: Option<u32>,
}

/// Changes of one SKU, newest first.
///
/// Staff only: it names other people's orders. It reads the whole ledger, which is kept without an
/// index for the sake of the orders, so expect seconds once it holds many millions of rows.
#[utoipa::path(
    get, path = "/v1/stock/{sku}/ledger", tag = "stock",
    params(("sku" = String, Path, description = "The SKU"), LedgerQuery),
    responses(
        (status = 200, body = LedgerPage),
        (status = 422, body = Problem, description = "the query does not fit"),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 403, body = Problem, description = "the token lacks the scope `stock`"),
        (status = 404, body = Problem, description = "no such SKU"),
    )
)]
pub(super) async fn list_ledger(
    State(rail): State<Rail>,
    caller: Caller,
    ValidPath(sku): ValidPath<String>,
    ValidQuery(query): ValidQuery<LedgerQuery>,
) -> Result<Json<LedgerPage>, ApiError> {
    caller.require(STAFF)?;
    let limit = page_limit(query.limit)?;
    let before =
        match &query.cursor {
            Some(cursor) => Some(parse_cursor(cursor).ok_or_else(|| {
                ApiError::invalid_field("cursor", "must be one that was answered")
            })?),
            None => None,
        };
    if store::find_stock(&mut *rail.connection().await?, &sku)
        .await?
        .is_empty()
    {
        return Err(sku_not_found(&sku));
    }

    let mut lines = store::list_ledger(
        &mut *rail.connection().await?,
        &sku,
        before,
        limit as i64 + 1,
    )
    .await?;

    let more = lines.len() > limit;
    lines.truncate(limit);
    let next_cursor = lines.last().filter(|_| more).map(cursor_after);
    let items = lines.into_iter().map(LedgerEntryView::from).collect();
    Ok(Json(LedgerPage { items, next_cursor }))
}

fn cursor_after(line: &LedgerLine) -> String {
    format!(
        "{}_{}_{}",
        line.at.timestamp_micros(),
        line.causation_id,
        line.warehouse
    )
}

fn parse_cursor(cursor: &str) -> Option<(DateTime<Utc>, Uuid, &str)> {
    let mut parts = cursor.splitn(3, '_');
    let at = DateTime::from_timestamp_micros(parts.next()?.parse().ok()?)
        // The database's calendar begins later than ours.
        .filter(|at| *at >= DateTime::UNIX_EPOCH)?;
    let causation_id = parts.next()?.parse().ok()?;
    Some((at, causation_id, parts.next()?))
}
