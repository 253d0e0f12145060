//! Time comes from the database, so that skewed service clocks decide nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// What a test adds to the database's time. In production nothing.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    pub fn at(&self, database_now: DateTime<Utc>) -> DateTime<Utc> {
        database_now + TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Moves time for everything that holds this clock.
    #[cfg(feature = "testing")]
    pub fn advance(&self, by: std::time::Duration) {
        let by = i64::try_from(by.as_millis()).expect("a test moves time by less than ages");
        self.ahead_ms.fetch_add(by, Ordering::Relaxed);
    }
}

/// The process's own clock. Good enough to measure how long something took, never to decide.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where process time is read"
)]
pub fn process_now() -> DateTime<Utc> {
    crate::crash::skewed(Utc::now())
}
