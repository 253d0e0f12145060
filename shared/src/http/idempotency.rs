//! The header `Idempotency-Key`, and the fingerprint of the request it belongs to.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// Longer keys are nobody's honest key.
const KEY_LENGTH_MAX: usize = 128;

/// A client's name for one request, so that it can send it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub String);

impl IdempotencyKey {
    /// Accepts the structured-field string of the draft (`"abc"`) and the bare form (`abc`).
    fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let key = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        let usable = !key.is_empty()
            && key.len() <= KEY_LENGTH_MAX
            && key
                .chars()
                .all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
        usable.then(|| Self(key.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Err(ApiError::bad_request(
                "idempotency-key-missing",
                "send a header `Idempotency-Key` that is unique to this request, so that you can \
                 safely send it again",
            ));
        };
        if values.next().is_some() {
            return Err(ApiError::bad_request(
                "idempotency-key-invalid",
                "`Idempotency-Key` was sent more than once",
            ));
        }
        value.to_str().ok().and_then(Self::parse).ok_or_else(|| {
            ApiError::bad_request(
                "idempotency-key-invalid",
                format!(
                    "`Idempotency-Key` must be 1 to {KEY_LENGTH_MAX} printable characters \
                     without spaces"
                ),
            )
        })
    }
}

/// Tells two requests under one key apart. The parsed request is hashed, so that white space and
/// the order of fields do not matter.
pub fn fingerprint(request: &impl Serialize) -> Vec<u8> {
    let canonical = serde_json::to_vec(request).expect("a parsed request serializes");
    Sha256::digest(canonical).to_vec()
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let key = IdempotencyKey::parse(value).map(|key| key.0);
        assert_eq!(key.as_deref(), expected, "{value:?}");
    }

    #[test]
    fn keys_are_accepted_quoted_and_bare_and_refused_when_unusable() {
        check("abc-1", Some("abc-1"));
        check("\"abc-1\"", Some("abc-1"));
        check(" abc ", Some("abc"));
        check("", None);
        check("\"\"", None);
        check("\"open", None);
        check("with space", None);
        check("tab\there", None);
        check(&"k".repeat(128), Some(&"k".repeat(128)));
        check(&"k".repeat(129), None);
    }

    #[test]
    fn a_key_of_any_kind_is_accepted_as_it_would_be_sent_again_or_refused() {
        crate::fuzz::run("idempotency_key", &[], |bytes| {
            let Ok(value) = axum::http::HeaderValue::from_bytes(bytes) else {
                return false;
            };
            let Some(key) = value.to_str().ok().and_then(IdempotencyKey::parse) else {
                return false;
            };
            assert!((1..=super::KEY_LENGTH_MAX).contains(&key.0.len()));
            assert!(key.0.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(IdempotencyKey::parse(&key.0).as_ref(), Some(&key));
            assert_eq!(IdempotencyKey::parse(&format!("\"{}\"", key.0)), Some(key));
            true
        });
    }
}
