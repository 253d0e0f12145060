//! JSON bodies whose errors are problems, too.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::error::{ApiError, FieldError};

/// Like `axum::Json`, but a body that does not fit is told as a problem that names the field.
/// Bodies refuse unknown fields themselves, with `#[serde(deny_unknown_fields)]`.
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ValidJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::invalid(vec![FieldError {
                field: "body".to_owned(),
                detail: error.body_text(),
            }])),
            Err(rejection) => Err(ApiError::new(
                rejection.status(),
                "invalid-body",
                rejection.body_text(),
            )),
        }
    }
}
