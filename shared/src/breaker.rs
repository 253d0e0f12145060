//! Keeps a server that is away from costing a timeout per request: one probe per interval instead.

use std::time::Duration;

use tokio::time::Instant;

/// A server that only hiccuped is asked again soon.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    interval_max: Duration,
    /// `None` while the server answers.
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    probe_at: Instant,
    interval: Duration,
}

/// How many requests may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    All,
    Probe,
    Nothing,
}

impl Breaker {
    /// A server that is away is not hammered, and is found within `interval_max` when it returns.
    pub fn new(interval_max: Duration) -> Self {
        Self {
            interval_max,
            open: None,
        }
    }

    pub fn is_open(self) -> bool {
        self.open.is_some()
    }

    pub fn allowance(self, now: Instant) -> Allowance {
        match self.open {
            None => Allowance::All,
            Some(open) if now >= open.probe_at => Allowance::Probe,
            Some(_) => Allowance::Nothing,
        }
    }

    /// The server answered, or could not be reached.
    #[must_use]
    pub fn after(self, answered: bool, now: Instant) -> Self {
        let interval = match self.open {
            _ if answered => return Self { open: None, ..self },
            None => INTERVAL_MIN,
            Some(open) => (2 * open.interval).min(self.interval_max),
        };
        Self {
            open: Some(Open {
                probe_at: now + interval,
                interval,
            }),
            ..self
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
        let closed = Breaker::new(Duration::from_secs(15));
        let mut breaker = closed;
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

        assert!(breaker.is_open());
        assert_eq!(breaker.after(true, now), closed);
    }
}
