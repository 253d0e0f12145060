//! What a request may weigh, how it must be framed, and how many there may be, before anybody looks
//! at it.

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// Requests that are worked on at a time. More of them would wait for the database until they are
/// given up, come again, and keep everybody from an answer for good.
const REQUESTS_MAX: usize = 512;

pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(REQUESTS_MAX))
}

/// A request's place among those that are worked on.
#[derive(Clone)]
pub struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    /// For who waits for something to happen and holds nothing meanwhile.
    pub fn leave(&self) {
        self.0.lock().expect("no holder panics").take();
    }
}

/// Who is one too many is told so at once.
pub(super) async fn shed(
    State(places): State<Arc<Semaphore>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let free = places.try_acquire_owned();
    let taken = free.map_err(|_| {
        ApiError::unavailable("there are too many requests at once; try again shortly")
    })?;
    let place = Place(Arc::new(Mutex::new(Some(taken))));
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    // The body of a stream may go on for long.
    place.leave();
    Ok(response)
}

pub(super) fn count(headers: &HeaderMap, name: header::HeaderName) -> usize {
    headers.get_all(name).iter().count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::http::{Request, StatusCode, header};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use axum::{Extension, Router};
    use tokio::sync::{Notify, Semaphore};
    use tower::ServiceExt;

    use super::{Place, shed};

    fn request(path: &str) -> Request<Body> {
        let request = Request::builder().uri(path);
        request.body(Body::empty()).expect("it is a request")
    }

    #[tokio::test]
    async fn one_too_many_is_told_at_once_and_who_waits_is_not_counted() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (works, waits) = {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            let (entered_too, leave_too) = (Arc::clone(&entered), Arc::clone(&leave));
            let works = async move || {
                entered.notify_one();
                leave.notified().await;
            };
            let waits = async move |Extension(place): Extension<Place>| {
                place.leave();
                entered_too.notify_one();
                leave_too.notified().await;
            };
            (works, waits)
        };
        let app: Router = Router::new()
            .route("/works", get(works))
            .route("/waits", get(waits))
            .layer(from_fn_with_state(Arc::new(Semaphore::new(1)), shed));

        let waiting = tokio::spawn(app.clone().oneshot(request("/waits")));
        entered.notified().await;
        let working = tokio::spawn(app.clone().oneshot(request("/works")));
        entered.notified().await;
        let one_too_many = app.clone().oneshot(request("/works")).await;
        leave.notify_waiters();
        let answered = [waiting.await, working.await].map(|ended| ended.expect("it ends"));
        leave.notify_one();
        let afterwards = app.oneshot(request("/works")).await;

        let one_too_many = one_too_many.expect("it answers");
        assert_eq!(one_too_many.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(one_too_many.headers().contains_key(header::RETRY_AFTER));
        for answered in answered.into_iter().chain([afterwards]) {
            assert_eq!(answered.expect("it answers").status(), StatusCode::OK);
        }
    }
}
