//! What is read from query strings.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::http::error::ApiError;
use uuid::Uuid;

/// A page that is read at a glance, unless asked otherwise.
const PAGE_DEFAULT: u8 = 20;
const PAGE_MAX: u8 = 100;
/// Proxies in between give up on a silent request after a minute or less.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Older than any order.
const AGE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(super) fn page_size(limit: Option<u8>) -> Result<u8, ApiError> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid_field(
        "limit",
        format!("must be 1 to {PAGE_MAX}"),
    ))
}

/// Opaque, so that what it is made of may change.
pub(super) fn cursor(order_id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(order_id.as_bytes())
}

pub(super) fn read_cursor(cursor: &str) -> Result<Uuid, ApiError> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or_else(|| ApiError::invalid_field("cursor", "is not one that a page gave"))
}

/// `10s`, `500ms`, or `10` for seconds.
fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(position) => text.split_at(position),
        None => (text, "s"),
    };
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(60 * 60).map(Duration::from_secs),
        _ => None,
    }
}

pub(super) fn read_wait(text: &str) -> Result<Duration, ApiError> {
    read_duration(text)
        .filter(|wait| *wait <= WAIT_MAX)
        .ok_or_else(|| {
            ApiError::invalid_field(
                "wait",
                format!(
                    "must be a time like 10s or 500ms, up to {} s",
                    WAIT_MAX.as_secs()
                ),
            )
        })
}

pub(super) fn read_age(text: &str) -> Result<Duration, ApiError> {
    read_duration(text)
        .filter(|age| *age <= AGE_MAX)
        .ok_or_else(|| ApiError::invalid_field("older_than", "must be a time like 30s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{AGE_MAX, WAIT_MAX, cursor, read_age, read_cursor, read_wait};

    #[track_caller]
    fn check(text: &str, expected_ms: Option<u64>) {
        assert_eq!(
            read_wait(text).ok(),
            expected_ms.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn a_wait_is_read_and_bounded() {
        check("10s", Some(10_000));
        check("10", Some(10_000));
        check("500ms", Some(500));
        check("0", Some(0));
        check("30s", Some(30_000));
        check("31s", None);
        check("1h", None);
        check("99999999999999999999s", None);
        check("-1s", None);
        check("", None);
        check("s", None);
        check("10 s", None);
        check("10é", None);
    }

    #[test]
    fn a_cursor_is_read_back_and_anything_else_is_refused() {
        let order = Uuid::from_u128(42);
        assert_eq!(read_cursor(&cursor(order)).ok(), Some(order));
        for hostile in ["", "AAAA", "' OR 1=1", &"A".repeat(1000)] {
            assert!(read_cursor(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn a_cursor_or_a_time_of_any_kind_is_read_or_refused() {
        shared::fuzz::run("cursor", &[cursor(Uuid::max()).into_bytes()], |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return false;
            };
            let wait = read_wait(text);
            assert!(wait.as_ref().is_ok_and(|wait| *wait <= WAIT_MAX) || wait.is_err());
            let age = read_age(text);
            assert!(age.as_ref().is_ok_and(|age| *age <= AGE_MAX) || age.is_err());
            let Ok(order) = read_cursor(text) else {
                return wait.is_ok();
            };
            assert_eq!(cursor(order), text, "one order has one cursor");
            true
        });
    }
}
