//! What the provider does to whoever calls it.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// Everything off, unless told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Faults {
    latency_ms: u64,
    /// Requests a second; more are told to wait.
    per_second: Option<u32>,
    /// Each so-manieth request fails.
    fail_every: Option<u32>,
    /// Each so-manieth request has its effect, and its answer is lost.
    lose_answer_every: Option<u32>,
    /// Every request is turned away.
    down: bool,
    #[serde(skip)]
    met: u32,
    #[serde(skip)]
    second: Option<(Instant, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Serve,
    LoseAnswer,
    Limit,
    Fail,
    Down,
}

impl Faults {
    /// How long a request takes, and what becomes of it.
    pub(crate) fn meet(&mut self, now: Instant) -> (Duration, Verdict) {
        (Duration::from_millis(self.latency_ms), self.verdict(now))
    }

    fn verdict(&mut self, now: Instant) -> Verdict {
        if self.down {
            return Verdict::Down;
        }
        if self.is_over_limit(now) {
            return Verdict::Limit;
        }
        self.met = self.met.wrapping_add(1);
        let hits = |every: Option<u32>| every.is_some_and(|n| n > 0 && self.met.is_multiple_of(n));
        if hits(self.fail_every) {
            Verdict::Fail
        } else if hits(self.lose_answer_every) {
            Verdict::LoseAnswer
        } else {
            Verdict::Serve
        }
    }

    fn is_over_limit(&mut self, now: Instant) -> bool {
        let Some(limit) = self.per_second else {
            return false;
        };
        let (begun, count) = match self.second {
            Some((begun, count)) if now - begun < Duration::from_secs(1) => (begun, count + 1),
            _ => (now, 1),
        };
        self.second = Some((begun, count));
        count > limit
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Faults;
    use super::Verdict::{self, Down, Fail, Limit, LoseAnswer, Serve};

    #[track_caller]
    fn check(faults: Faults, expected: &[Verdict]) {
        let (mut faults, now) = (faults, Instant::now());
        let met: Vec<_> = expected.iter().map(|_| faults.meet(now).1).collect();
        assert_eq!(met, expected);
    }

    #[test]
    fn a_request_suffers_what_was_asked_for() {
        check(Faults::default(), &[Serve, Serve]);
        let down = true;
        check(
            Faults {
                down,
                ..Faults::default()
            },
            &[Down, Down],
        );
        let fail_every = Some(2);
        check(
            Faults {
                fail_every,
                ..Faults::default()
            },
            &[Serve, Fail, Serve, Fail],
        );
        let lose_answer_every = Some(3);
        check(
            Faults {
                lose_answer_every,
                ..Faults::default()
            },
            &[Serve, Serve, LoseAnswer, Serve],
        );
        let per_second = Some(2);
        check(
            Faults {
                per_second,
                ..Faults::default()
            },
            &[Serve, Serve, Limit, Limit],
        );
    }

    #[test]
    fn a_new_second_has_a_new_limit() {
        let mut faults = Faults {
            per_second: Some(1),
            ..Faults::default()
        };
        let now = Instant::now();

        assert_eq!(faults.meet(now).1, Serve);
        assert_eq!(faults.meet(now).1, Limit);
        assert_eq!(faults.meet(now + Duration::from_secs(1)).1, Serve);
    }
}
