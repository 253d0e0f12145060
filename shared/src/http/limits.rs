//! What a request may weigh, how it must be framed, and how many there may be, before anybody looks
//! at it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

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

/// Requests that change something, and are worked on at a time. More of them would wait for the
/// database until they are given up, come again, and keep everybody from an answer for good.
const CHANGES_MAX: usize = 512;

pub(super) fn changes() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CHANGES_MAX))
}

/// Who is one too many is told so at once. Reading stays free: it may wait for long, and holds
/// nothing meanwhile.
pub(super) async fn shed(
    State(changes): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    let _place = changes
        .try_acquire()
        .map_err(|_| ApiError::unavailable("too many requests at once; try again shortly"))?;
    Ok(next.run(request).await)
}

pub(super) fn count(headers: &HeaderMap, name: header::HeaderName) -> usize {
    headers.get_all(name).iter().count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::http::{Method, Request, StatusCode, header};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tokio::sync::{Notify, Semaphore};
    use tower::ServiceExt;

    use super::shed;

    fn request(method: Method) -> Request<Body> {
        let request = Request::builder().method(method).uri("/");
        request.body(Body::empty()).expect("it is a request")
    }

    #[tokio::test]
    async fn one_too_many_is_told_at_once_and_reading_stays_free() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            async move || {
                entered.notify_one();
                leave.notified().await;
            }
        };
        let app: Router = Router::new()
            .route("/", get(async || "read").post(slow))
            .layer(from_fn_with_state(Arc::new(Semaphore::new(1)), shed));

        let first = tokio::spawn(app.clone().oneshot(request(Method::POST)));
        entered.notified().await;
        let second = app.clone().oneshot(request(Method::POST)).await;
        let reading = app.clone().oneshot(request(Method::GET)).await;
        leave.notify_one();
        let first = first.await.expect("it does not panic");
        leave.notify_one();
        let third = app.oneshot(request(Method::POST)).await;

        let second = second.expect("it answers");
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(second.headers().contains_key(header::RETRY_AFTER));
        for answered in [reading, first, third] {
            assert_eq!(answered.expect("it answers").status(), StatusCode::OK);
        }
    }
}
