//! Keeps a dead mail server from costing a timeout per mail: one probe per interval instead.

use std::time::Duration;

use tokio::time::Instant;

/// A server that only hiccuped is asked again soon; one that is away is not hammered, and is still
/// found within this time when it returns.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// The server answers.
    Closed,
    /// It does not; the next probe is due at a time.
    Open {
        probe_at: Instant,
        interval: Duration,
    },
}

/// How many mails may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    All,
    Probe,
    Nothing,
}

impl Breaker {
    pub(crate) fn allowance(self, now: Instant) -> Allowance {
        match self {
            Self::Closed => Allowance::All,
            Self::Open { probe_at, .. } if now >= probe_at => Allowance::Probe,
            Self::Open { .. } => Allowance::Nothing,
        }
    }

    /// The server answered, or could not be reached.
    #[must_use]
    pub(crate) fn after(self, answered: bool, now: Instant) -> Self {
        if answered {
            return Self::Closed;
        }
        let interval = match self {
            Self::Closed => INTERVAL_MIN,
            Self::Open { interval, .. } => (2 * interval).min(INTERVAL_MAX),
        };
        Self::Open {
            probe_at: now + interval,
            interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Allowance, Breaker};

    #[test]
    fn a_dead_server_is_probed_ever_more_rarely_until_it_answers() {
        let mut now = Instant::now();
        let mut breaker = Breaker::Closed;
        assert_eq!(breaker.allowance(now), Allowance::All);

        for seconds in [1, 2, 4, 8, 15, 15] {
            breaker = breaker.after(false, now);
            now += Duration::from_millis(1000 * seconds - 1);
            assert_eq!(
                breaker.allowance(now),
                Allowance::Nothing,
                "before {seconds} s"
            );
            now += Duration::from_millis(1);
            assert_eq!(
                breaker.allowance(now),
                Allowance::Probe,
                "after {seconds} s"
            );
        }

        assert_eq!(breaker.after(true, now), Breaker::Closed);
    }
}
