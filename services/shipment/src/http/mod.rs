//! The HTTP door of the warehouse's staff, and of the carriers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::json::ValidJson;
use shared::http::params::{ValidPath, ValidQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::store::{self, Filter};
use crate::warehouse::Warehouse;

mod view;

use view::{CarrierEvent, CarrierStatus, ListState, Page, PageQuery, PickingListView};

/// A page is read in one go; more would be slower than two pages.
const PAGE_LISTS_MAX: u16 = 200;
/// Longer codes and tracking numbers are nobody's honest ones.
const CODE_LENGTH_MAX: usize = 64;

pub(crate) fn router(warehouse: Warehouse) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(picking_lists))
        .routes(routes!(picking_list))
        .routes(routes!(pick))
        .routes(routes!(pack))
        .routes(routes!(dispatch))
        .routes(routes!(deliver))
        .routes(routes!(carrier_event))
        .with_state(warehouse)
}

/// The work list.
#[utoipa::path(
    get, path = "/v1/picking-lists", params(PageQuery), security(("token" = [])),
    responses((status = 200, body = Page), (status = 422, body = Problem)),
)]
async fn picking_lists(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> Result<Json<Page>, ApiError> {
    caller.require("warehouse")?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=PAGE_LISTS_MAX).contains(&limit) {
        return Err(ApiError::invalid_field(
            "limit",
            format!("must be from 1 to {PAGE_LISTS_MAX}"),
        ));
    }
    if let Some(code) = &query.warehouse {
        check_code("warehouse", code)?;
    }

    let filter = Filter {
        order_id: query.order_id,
        warehouse: query.warehouse.as_deref(),
        state: query.state.map(ListState::name),
        after: query.cursor,
        // One more says whether there is a next page.
        limit: i64::from(limit) + 1,
    };
    let mut listed = store::find_page(&mut *warehouse.rail.connection().await?, &filter).await?;

    let more = listed.len() > usize::from(limit);
    listed.truncate(usize::from(limit));
    let next_cursor = listed.last().filter(|_| more).map(|last| last.list.id);
    let picking_lists = listed.into_iter().map(PickingListView::from).collect();
    Ok(Json(Page {
        picking_lists,
        next_cursor,
    }))
}

/// One picking list.
#[utoipa::path(
    get, path = "/v1/picking-lists/{id}", params(("id" = Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = PickingListView), (status = 404, body = Problem)),
)]
async fn picking_list(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<Json<PickingListView>, ApiError> {
    caller.require("warehouse")?;
    Ok(Json(warehouse.find(id).await?.into()))
}

/// The goods of a released list were taken from the shelves.
#[utoipa::path(
    post, path = "/v1/picking-lists/{id}/pick", params(("id" = Uuid, Path)),
    security(("token" = [])),
    responses(
        (status = 200, body = PickingListView),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn pick(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<Json<PickingListView>, ApiError> {
    caller.require("warehouse")?;
    Ok(Json(warehouse.pick(id).await?.into()))
}

/// The goods of a picked list are in their parcel.
#[utoipa::path(
    post, path = "/v1/picking-lists/{id}/pack", params(("id" = Uuid, Path)),
    security(("token" = [])),
    responses(
        (status = 200, body = PickingListView),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn pack(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<Json<PickingListView>, ApiError> {
    caller.require("warehouse")?;
    Ok(Json(warehouse.pack(id).await?.into()))
}

/// Hands a packed parcel to the carrier.
///
/// From here the order only goes forward. 409 `carrier-refused` when the carrier does not take the
/// parcel, 503 when it does not answer: then dispatch again.
#[utoipa::path(
    post, path = "/v1/picking-lists/{id}/dispatch", params(("id" = Uuid, Path)),
    security(("token" = [])),
    responses(
        (status = 200, body = PickingListView),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
        (status = 503, body = Problem),
    ),
)]
async fn dispatch(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<Json<PickingListView>, ApiError> {
    caller.require("warehouse")?;
    Ok(Json(warehouse.dispatch(id).await?.into()))
}

/// A dispatched parcel arrived.
#[utoipa::path(
    post, path = "/v1/picking-lists/{id}/deliver", params(("id" = Uuid, Path)),
    security(("token" = [])),
    responses(
        (status = 200, body = PickingListView),
        (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn deliver(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<Json<PickingListView>, ApiError> {
    caller.require("warehouse")?;
    Ok(Json(warehouse.deliver(id).await?.into()))
}

/// A carrier tells what became of a parcel. It may tell so again: nothing happens twice.
#[utoipa::path(
    post, path = "/v1/carriers/{carrier}/events",
    params(("carrier" = String, Path, description = "For example simpost.")),
    request_body = CarrierEvent, security(("token" = [])),
    responses(
        (status = 204, description = "Noted, now or earlier."),
        (status = 404, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn carrier_event(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    ValidPath(carrier): ValidPath<String>,
    ValidJson(event): ValidJson<CarrierEvent>,
) -> Result<StatusCode, ApiError> {
    if !caller.has("warehouse") {
        caller.require("carrier")?;
    }
    check_code("carrier", &carrier)?;
    check_code("tracking_number", &event.tracking_number)?;
    match event.status {
        CarrierStatus::Delivered => warehouse.arrived(&carrier, &event.tracking_number).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

fn check_code(field: &str, code: &str) -> Result<(), ApiError> {
    let usable = !code.is_empty()
        && code.len() <= CODE_LENGTH_MAX
        && code.chars().all(|character| character.is_ascii_graphic());
    if usable {
        return Ok(());
    }
    let detail = format!("must be 1 to {CODE_LENGTH_MAX} printable characters without spaces");
    Err(ApiError::invalid_field(field, detail))
}
