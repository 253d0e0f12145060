//! The HTTP door: `POST /v1/images`.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use shared::batch::{Cause, Events, Outgoing};
use shared::event::new_id;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::idempotency::{IdempotencyKey, fingerprint};
use shared::http::json::ValidJson;
use shared::rail::Rail;
use shared::telemetry::current_trace_id;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Accepted, Upload};
use super::store;

/// Four times the largest picture: who sends one that is too large is told which field it is.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(upload))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(rail)
}

/// Uploads a picture. Sending it again with the same key is safe, and gives the same answer.
#[utoipa::path(
    post, path = "/v1/images", tag = "images", request_body = Upload,
    security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "Unique to this upload")),
    responses(
        (status = 202, body = Accepted, description = "taken; what is made of it follows"),
        (status = 400, body = Problem, description = "`Idempotency-Key` is missing"),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 413, body = Problem, description = "the body is over 1 MiB"),
        (status = 422, body = Problem, description = "a field is at fault, or the key was used"),
    )
)]
async fn upload(
    State(rail): State<Rail>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    ValidJson(upload): ValidJson<Upload>,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let fingerprint = fingerprint(&upload);
    let image = upload.event(new_id(), caller.subject)?;
    let new = Accepted {
        image_id: image.image_id,
        trace_id: current_trace_id(),
    };

    let accepted = rail
        .transact(|tx, _now| {
            let (image, key, fingerprint) = (image.clone(), key.clone(), fingerprint.clone());
            let new = new.clone();
            Box::pin(async move {
                let user = &image.user_id;
                if !store::add_upload(tx, user, &key, &fingerprint, &new).await? {
                    let same = store::find_upload(tx, user, &key, &fingerprint).await?;
                    let answer = same.map(|same| (same, Outgoing::none()));
                    return answer.ok_or_else(key_reused);
                }
                let version = store::next_version(tx, user).await?;

                let cause = Cause {
                    correlation_id: Some(image.image_id.to_string()),
                    ..Cause::request()
                };
                let events = Events::one(version, image);
                Ok((new, Outgoing::caused_by(&cause, events)))
            })
        })
        .await?;

    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn key_reused() -> ApiError {
    ApiError::unprocessable(
        "idempotency-key-reused",
        "this `Idempotency-Key` was used for another upload; use a new one",
    )
}
