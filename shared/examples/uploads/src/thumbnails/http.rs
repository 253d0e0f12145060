//! The HTTP door: `GET /v1/thumbnails/{image_id}`.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidPath;
use shared::rail::Rail;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::store;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(show_thumbnail))
        .with_state(rail)
}

/// A picture, 100 pixels wide and high. Whoever has a token may see it.
#[utoipa::path(
    get, path = "/v1/thumbnails/{image_id}", tag = "thumbnails",
    security(("token" = [])),
    params(("image_id" = Uuid, Path, description = "What the upload was answered")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "image/png"),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 404, body = Problem, description = "no such image, or no thumbnail of it yet"),
    )
)]
async fn show_thumbnail(
    State(rail): State<Rail>,
    _: Caller,
    ValidPath(image_id): ValidPath<Uuid>,
) -> Result<impl IntoResponse, ApiError> {
    let png = store::find_thumbnail(&mut *rail.connection().await?, image_id)
        .await?
        .ok_or_else(|| {
            ApiError::not_found(
                "thumbnail-not-found",
                format!("there is no thumbnail of {image_id}, or not yet"),
            )
        })?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png))
}
