//! The HTTP door: `GET /v1/profiles/{user_id}`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidPath;
use shared::rail::Rail;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::domain::Missing;
use super::store;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(show_profile))
        .with_state(rail)
}

#[derive(Debug, Serialize, ToSchema)]
struct ProfileView {
    user_id: String,
    /// 0 to 100.
    score: i64,
    missing: Vec<Missing>,
}

/// How complete your profile is. Nobody else's can be seen.
#[utoipa::path(
    get, path = "/v1/profiles/{user_id}", tag = "profiles",
    security(("token" = [])),
    params(("user_id" = String, Path, description = "Yourself, as in the token's `sub`")),
    responses(
        (status = 200, body = ProfileView),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 404, body = Problem, description = "not your own"),
    )
)]
async fn show_profile(
    State(rail): State<Rail>,
    caller: Caller,
    ValidPath(user_id): ValidPath<String>,
) -> Result<Json<ProfileView>, ApiError> {
    if caller.subject != user_id {
        return Err(ApiError::not_found(
            "profile-not-found",
            format!("you have no profile {user_id}"),
        ));
    }
    let profile = store::find_profile(&mut *rail.connection().await?, &user_id).await?;
    let profile = profile.unwrap_or_default();
    Ok(Json(ProfileView {
        user_id,
        score: profile.score(),
        missing: profile.missing(),
    }))
}
