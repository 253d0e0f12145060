//! What a provider's answer means for the request and for its lane.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;

/// Told to wait and not for how long.
const WAIT: Duration = Duration::from_secs(1);
/// Nobody is taken at their word for longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, now or by an attempt before.
    Accepted,
    /// Asking again will not help this request; the next ones go on.
    Refused(String),
    /// The provider failed at this very request: it is asked again, a few times.
    Failed(String),
    /// Not so fast: the whole lane waits.
    Wait(Duration),
    /// It does not answer, or is not in a state to: the lane waits, and probes.
    Away(String),
}

impl Answer {
    /// As a label: without what differs from answer to answer.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Wait(_) => "wait",
            Self::Away(_) => "away",
        }
    }

    pub(super) fn of(answered: Result<reqwest::Response, reqwest::Error>) -> Self {
        let response = match answered {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Self::Refused(error.to_string()),
            Err(error) => return Self::Away(chain(&error)),
        };
        let status = response.status();
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        Self::of_status(status, wait)
    }

    fn of_status(status: StatusCode, retry_after: Option<&str>) -> Self {
        let why = format!("it answered {status}");
        match status {
            _ if status.is_success() => Self::Accepted,
            StatusCode::TOO_MANY_REQUESTS => Self::Wait(
                retry_after
                    .and_then(|seconds| seconds.trim().parse().ok())
                    .map_or(WAIT, Duration::from_secs)
                    .min(WAIT_MAX),
            ),
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::REQUEST_TIMEOUT => Self::Away(why),
            _ if status.is_server_error() => Self::Failed(why),
            _ => Self::Refused(why),
        }
    }
}

/// The library's own message leaves the reason to its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::Answer;

    #[track_caller]
    fn check(status: u16, retry_after: Option<&str>, expected: &Answer) {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(&Answer::of_status(status, retry_after), expected);
    }

    #[test]
    fn an_answer_concerns_the_request_or_its_lane() {
        let why = |text: &str| format!("it answered {text}");
        check(200, None, &Answer::Accepted);
        check(409, None, &Answer::Refused(why("409 Conflict")));
        check(500, None, &Answer::Failed(why("500 Internal Server Error")));
        check(
            503,
            Some("9"),
            &Answer::Away(why("503 Service Unavailable")),
        );
        check(429, Some("7"), &Answer::Wait(Duration::from_secs(7)));
        check(429, Some("soon"), &Answer::Wait(Duration::from_secs(1)));
        check(429, Some("86400"), &Answer::Wait(Duration::from_secs(60)));
    }
}
