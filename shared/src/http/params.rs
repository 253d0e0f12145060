//! Path and query parameters whose errors are problems, too.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Postgres has no zero character, so nothing that is stored or asked for has one.
const ZERO: &str = "%00";

/// Like `axum::extract::Path`. An id that is none names nothing: 404 with the reason.
pub struct ValidPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ValidPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.path().contains(ZERO) {
            return Err(ApiError::not_found(
                "not-found",
                "nothing has a zero character in its name",
            ));
        }
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(ApiError::not_found("not-found", rejection.body_text())),
        }
    }
}

/// Like `axum::extract::Query`. Structs refuse unknown fields themselves, with
/// `#[serde(deny_unknown_fields)]`.
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.query().is_some_and(|query| query.contains(ZERO)) {
            return Err(ApiError::invalid_field(
                "query",
                "must not have a zero character",
            ));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::invalid_field("query", rejection.body_text())),
        }
    }
}
