//! Levels to read.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::{ValidPath, ValidQuery};
use shared::rail::Rail;
use utoipa::IntoParams;

use super::body::{StockPage, StockView};
use super::{page_limit, sku_not_found};
use crate::store;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StockQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// SKUs on a page, 1 to 200; 50 unless told.
    limit: Option<u32>,
}

/// Levels of all SKUs, by SKU.
#[utoipa::path(
    get, path = "/v1/stock", tag = "stock", params(StockQuery),
    responses(
        (status = 200, body = StockPage),
        (status = 422, body = Problem, description = "the query does not fit"),
        (status = 401, body = Problem, description = "no valid token"),
    )
)]
pub(super) async fn list_stock(
    State(rail): State<Rail>,
    _: Caller,
    ValidQuery(query): ValidQuery<StockQuery>,
) -> Result<Json<StockPage>, ApiError> {
    let limit = page_limit(query.limit)?;

    let rows = store::list_stock(
        &mut *rail.connection().await?,
        query.cursor.as_deref(),
        limit as i64 + 1,
    )
    .await?;

    let mut items = StockView::group(
        rows,
        &store::load_channels(&mut *rail.connection().await?).await?,
    );
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| last.sku.clone());
    Ok(Json(StockPage { items, next_cursor }))
}

/// Levels of one SKU, per warehouse and in total.
#[utoipa::path(
    get, path = "/v1/stock/{sku}", tag = "stock",
    params(("sku" = String, Path, description = "The SKU")),
    responses(
        (status = 200, body = StockView),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 404, body = Problem, description = "no such SKU"),
    )
)]
pub(super) async fn show_stock(
    State(rail): State<Rail>,
    _: Caller,
    ValidPath(sku): ValidPath<String>,
) -> Result<Json<StockView>, ApiError> {
    let rows = store::find_stock(&mut *rail.connection().await?, &sku).await?;

    StockView::group(
        rows,
        &store::load_channels(&mut *rail.connection().await?).await?,
    )
    .pop()
    .map(Json)
    .ok_or_else(|| sku_not_found(&sku))
}
