//! What the operations API takes and gives.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{Filter, Group};
use super::{Letter, State, Window};
use crate::http::error::ApiError;

/// Which dead letters are meant; every field narrows it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    event_id: Option<Uuid>,
    state: Option<State>,
    code: Option<String>,
    topic: Option<String>,
    limit: Option<u32>,
}

const LISTED: u32 = 100;
const LISTED_MAX: u32 = 10_000;

impl Which {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            event_id: self.event_id,
            state: self.state,
            code: self.code.clone(),
            topic: self.topic.clone(),
        }
    }

    pub(super) fn limit(&self) -> i64 {
        i64::from(self.limit.unwrap_or(LISTED).min(LISTED_MAX))
    }
}

/// What to settle, and why.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) event_id: Option<Uuid>,
    pub(super) code: Option<String>,
    pub(super) topic: Option<String>,
    /// Every open one that the fields above leave.
    #[serde(default)]
    pub(super) all: bool,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Base64: what one dead letter is replayed with instead of its own value.
    pub(super) value: Option<String>,
}

impl Order {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.reason.trim().is_empty() {
            return Err(ApiError::invalid_field(
                "reason",
                "say why; it is written down",
            ));
        }
        if self.event_id.is_none() && self.code.is_none() && self.topic.is_none() && !self.all {
            return Err(ApiError::invalid_field(
                "event_id",
                "say which: event_id, code, topic, or all",
            ));
        }
        if self.value.is_some() && self.event_id.is_none() {
            return Err(ApiError::invalid_field(
                "value",
                "a value belongs to one dead letter: give its event_id",
            ));
        }
        Ok(())
    }

    pub(super) fn edited_value(&self) -> Result<Option<Vec<u8>>, ApiError> {
        let decoded = self.value.as_ref().map(|value| BASE64.decode(value));
        decoded
            .transpose()
            .map_err(|error| ApiError::invalid_field("value", format!("not base64: {error}")))
    }

    pub(super) fn filter(&self) -> Filter {
        Filter {
            event_id: self.event_id,
            // An id that is parked or settled is an error of its own.
            state: self.event_id.is_none().then_some(State::Open),
            code: self.code.clone(),
            topic: self.topic.clone(),
        }
    }
}

/// What to read once more, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowOrder {
    topic: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) dry_run: bool,
}

impl WindowOrder {
    pub(super) fn window(&self) -> Result<Window, ApiError> {
        if self.reason.trim().is_empty() {
            return Err(ApiError::invalid_field(
                "reason",
                "say why; it is written down",
            ));
        }
        if self.from >= self.to {
            return Err(ApiError::invalid_field(
                "to",
                "the window ends before it begins",
            ));
        }
        Ok(Window {
            topic: self.topic.clone(),
            from: self.from,
            to: self.to,
        })
    }
}

#[derive(Serialize)]
pub(super) struct Listing {
    pub(super) service: &'static str,
    pub(super) groups: Vec<GroupView>,
    /// The oldest first; not all, where there are many.
    pub(super) letters: Vec<Line>,
}

#[derive(Serialize)]
pub(super) struct GroupView {
    state: State,
    code: String,
    topic: String,
    #[serde(rename = "type")]
    event_type: String,
    letters: i64,
    oldest: DateTime<Utc>,
    latest: DateTime<Utc>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            state: group.state,
            code: group.code,
            topic: group.topic,
            event_type: group.event_type,
            letters: group.letters,
            oldest: group.oldest,
            latest: group.latest,
        }
    }
}

/// A dead letter, without what it carries.
#[derive(Serialize)]
pub(super) struct Line {
    event_id: Uuid,
    state: State,
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    code: String,
    detail: String,
    failed_at: DateTime<Utc>,
    attempts: i32,
    settled_at: Option<DateTime<Utc>>,
}

impl From<&Letter> for Line {
    fn from(letter: &Letter) -> Self {
        Self {
            event_id: letter.event_id,
            state: letter.state,
            topic: letter.topic.clone(),
            partition: letter.partition,
            offset: letter.offset,
            key: letter.key.as_deref().map(text),
            event_type: letter.event_type.clone(),
            code: letter.code.clone(),
            detail: letter.detail.clone(),
            failed_at: letter.failed_at,
            attempts: letter.attempts,
            settled_at: letter.settled_at,
        }
    }
}

/// A dead letter as it came.
#[derive(Serialize)]
pub(super) struct Whole {
    pub(super) service: &'static str,
    #[serde(flatten)]
    line: Line,
    published_at: DateTime<Utc>,
    /// Of headers that came more than once, the last.
    headers: BTreeMap<String, Option<String>>,
    /// Base64.
    value: Option<String>,
    /// Base64: what it was replayed with instead.
    edited_value: Option<String>,
}

impl Whole {
    pub(super) fn of(service: &'static str, letter: &Letter) -> Self {
        let (_, headers) = letter.headers.split_raw_key();
        Self {
            service,
            line: letter.into(),
            published_at: letter.published_at,
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_owned(), value.map(text)))
                .collect(),
            value: letter.value.as_ref().map(|value| BASE64.encode(value)),
            edited_value: letter
                .edited_value
                .as_ref()
                .map(|value| BASE64.encode(value)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What an order to settle came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) service: &'static str,
    pub(super) dry_run: bool,
    /// Dead letters that were looked at.
    pub(super) letters: usize,
    /// Events processed now, those that were parked included.
    pub(super) applied: u64,
    pub(super) discarded: u64,
    /// Still parked, behind what failed again.
    pub(super) parked: u64,
    pub(super) failed: Vec<Failure>,
    /// How many were looked at in each step, and how many of them failed.
    pub(super) steps: Vec<(usize, usize)>,
    /// Why it ended before all were looked at.
    pub(super) stopped: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) event_id: Uuid,
    pub(super) code: String,
    pub(super) detail: String,
}
