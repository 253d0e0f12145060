//! The HTTP door: levels to read, and what staff changes by hand.

mod adjustments;
mod body;
mod channels;
mod ledger;
mod levels;

use shared::http::error::ApiError;
use shared::rail::Rail;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The right of those who run the warehouses.
const STAFF: &str = "stock";

/// Answers stay small enough for one page of a screen.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(levels::list_stock))
        .routes(routes!(levels::show_stock))
        .routes(routes!(adjustments::receive))
        .routes(routes!(adjustments::correct))
        .routes(routes!(adjustments::set_threshold))
        .routes(routes!(ledger::list_ledger))
        .routes(routes!(channels::list_channels))
        .routes(routes!(channels::set_buffer))
        .with_state(rail)
}

/// How many rows a page shows.
fn page_limit(limit: Option<u32>) -> Result<usize, ApiError> {
    match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(ApiError::invalid_field(
            "limit",
            format!("must be 1 to {LIMIT_MAX}"),
        )),
    }
}

fn sku_not_found(sku: &str) -> ApiError {
    ApiError::not_found(
        "sku-not-found",
        format!("no SKU {sku} has ever been received"),
    )
}
