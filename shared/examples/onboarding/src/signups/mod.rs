//! The HTTP door: `POST /v1/signups`.

mod store;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::batch::{Cause, Events, Outgoing};
use shared::event::new_id;
use shared::http::error::{ApiError, FieldError, Problem};
use shared::http::json::ValidJson;
use shared::rail::Rail;
use shared::telemetry;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::contract::UserSignedUp;

/// Of the one event that a user has.
const FIRST: i32 = 1;

pub(crate) fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .with_state(rail)
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignUp {
    #[schema(example = "Ada")]
    name: String,
    #[schema(example = "ada@example.com")]
    email: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct SignedUp {
    user_id: Uuid,
    trace_id: Option<String>,
}

/// Signs somebody up. Signing up again is answered the same, and invites nobody twice.
#[utoipa::path(
    post, path = "/v1/signups", tag = "signups", request_body = SignUp,
    responses(
        (status = 202, body = SignedUp, description = "signed up; invitation and booking follow"),
        (status = 422, body = Problem, description = "a field is at fault"),
    )
)]
async fn sign_up(
    State(rail): State<Rail>,
    ValidJson(sign_up): ValidJson<SignUp>,
) -> Result<(StatusCode, Json<SignedUp>), ApiError> {
    sign_up.check()?;

    let user_id = rail
        .transact(|tx, now| {
            let SignUp { name, email } = sign_up.clone();
            Box::pin(async move {
                let user_id = new_id();
                if !store::add_user(tx, user_id, &email, &name, now).await? {
                    let known = store::find_user(tx, &email).await?;
                    return Ok::<_, ApiError>((known, Outgoing::none()));
                }

                let event = UserSignedUp {
                    user_id,
                    name,
                    email,
                };

                let events = Events::one(FIRST, event);
                Ok((user_id, Outgoing::caused_by(&Cause::request(), events)))
            })
        })
        .await?;

    let trace_id = telemetry::current_trace_id();
    Ok((StatusCode::ACCEPTED, Json(SignedUp { user_id, trace_id })))
}

impl SignUp {
    fn check(&self) -> Result<(), ApiError> {
        let is_text = |text: &str| {
            !text.trim().is_empty() && text.len() <= 254 && !text.contains(char::is_control)
        };
        let is_address = |text: &str| {
            text.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty() && host.contains('.') && !text.contains([' ', ','])
            })
        };
        let mut errors = Vec::new();
        if !is_text(&self.name) {
            errors.push(field(
                "name",
                "must be 1 to 254 characters, none of control",
            ));
        }
        if !is_text(&self.email) || !is_address(&self.email) {
            errors.push(field("email", "must be a mail address"));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid(errors))
        }
    }
}

fn field(field: &str, detail: &str) -> FieldError {
    FieldError {
        field: field.to_owned(),
        detail: detail.to_owned(),
    }
}
