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

/// Requests of a kind that are worked on at a time. More of them would wait for the database until
/// they are given up, come again, and keep everybody from an answer for good.
const REQUESTS_MAX: usize = 512;

/// Who only reads takes nobody's place who orders.
#[derive(Clone)]
pub(super) struct Places {
    reads: Arc<Semaphore>,
    changes: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self::of_each(REQUESTS_MAX)
    }
}

impl Places {
    fn of_each(kind: usize) -> Self {
        Self {
            reads: Arc::new(Semaphore::new(kind)),
            changes: Arc::new(Semaphore::new(kind)),
        }
    }
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
    State(places): State<Places>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let of_kind = if request.method().is_safe() {
        places.reads
    } else {
        places.changes
    };
    let taken = of_kind.try_acquire_owned().map_err(|_| {
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
    use axum::http::{Method, Request, StatusCode, header};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use axum::{Extension, Router};
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::{Place, Places, shed};

    fn request(method: Method, path: &str) -> Request<Body> {
        let request = Request::builder().method(method).uri(path);
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
            .route("/works", get(works).post(async || "changed"))
            .route("/waits", get(waits))
            .layer(from_fn_with_state(Places::of_each(1), shed));

        let waiting = tokio::spawn(app.clone().oneshot(request(Method::GET, "/waits")));
        entered.notified().await;
        let working = tokio::spawn(app.clone().oneshot(request(Method::GET, "/works")));
        entered.notified().await;
        let one_too_many = app.clone().oneshot(request(Method::GET, "/works")).await;
        let change = app.clone().oneshot(request(Method::POST, "/works")).await;
        leave.notify_waiters();
        let answered = [waiting.await, working.await].map(|ended| ended.expect("it ends"));
        leave.notify_one();
        let afterwards = app.oneshot(request(Method::GET, "/works")).await;

        let one_too_many = one_too_many.expect("it answers");
        assert_eq!(one_too_many.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(one_too_many.headers().contains_key(header::RETRY_AFTER));
        for answered in answered.into_iter().chain([change, afterwards]) {
            assert_eq!(answered.expect("it answers").status(), StatusCode::OK);
        }
    }
}
