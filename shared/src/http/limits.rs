//! What a request may weigh, and how it must be framed, before anybody looks at it.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;

/// Names and values together; a token has a tenth of it.
const HEADER_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn check(request: Request, next: Next) -> Result<Response, ApiError> {
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers-too-large",
            format!("the headers have {bytes} bytes; at most {HEADER_BYTES_MAX} are read"),
        ));
    }
    // Who stands in between must not take the request for another host's.
    if request.version() == Version::HTTP_11 && count(headers, header::HOST) != 1 {
        return Err(ApiError::bad_request(
            "host-header",
            "send the header `Host`, once",
        ));
    }
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed-body",
            "bodies are read as they are; send it without `Content-Encoding`",
        ));
    }
    Ok(next.run(request).await)
}

pub(super) fn count(headers: &HeaderMap, name: header::HeaderName) -> usize {
    headers.get_all(name).iter().count()
}
