//! The HTTP door: `GET /v1/search`.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidQuery;
use shared::rail::Rail;
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::index::{Hit, Index};

/// Nobody types more.
const QUERY_BYTES_MAX: usize = 200;
/// What a page of a screen shows.
const HITS: usize = 10;
const HITS_MAX: usize = 50;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    let index = Index::empty().expect("an empty index needs only memory");
    OpenApiRouter::new()
        .routes(routes!(search))
        .layer(Extension(Arc::new(Mutex::new(index))))
        .with_state(rail)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Words of title or tags, all of which must be there: `kettle`, `"red kettle"`, `tags:red`.
    q: String,
    /// How many at most; 10 where it is not given, and never more than 50.
    limit: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Hits {
    /// The best first.
    hits: Vec<Hit>,
}

/// Finds pictures of all users by their words.
#[utoipa::path(
    get, path = "/v1/search", tag = "search", params(Search),
    security(("token" = [])),
    responses(
        (status = 200, body = Hits),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 422, body = Problem, description = "`q` is malformed"),
    )
)]
async fn search(
    State(rail): State<Rail>,
    Extension(index): Extension<Arc<Mutex<Index>>>,
    _: Caller,
    ValidQuery(Search { q, limit }): ValidQuery<Search>,
) -> Result<Json<Hits>, ApiError> {
    if q.len() > QUERY_BYTES_MAX {
        let rule = format!("must be at most {QUERY_BYTES_MAX} bytes");
        return Err(ApiError::invalid_field("q", rule));
    }
    let mut index = index.lock().await;
    let parsed = index.parser.parse_query(&q);
    let query = parsed.map_err(|error| ApiError::invalid_field("q", error.to_string()))?;

    index.catch_up(&rail).await?;
    let limit = limit.unwrap_or(HITS).clamp(1, HITS_MAX);
    let hits = block_in_place(|| index.find(&*query, limit)).map_err(ApiError::internal)?;
    Ok(Json(Hits { hits }))
}
