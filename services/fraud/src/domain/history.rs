//! Rolling windows of one customer or card: exact sums of what came before a moment.
//!
//! Time is the charge's own, so late and replayed charges land where they belong, and the same
//! charges in the same order always leave the same history.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const FIVE_MINUTES_S: i64 = 5 * 60;
const HOUR_S: i64 = 60 * 60;
const DAY_S: i64 = 24 * HOUR_S;

/// Buckets in an hour, a day and thirty days; the one in progress counts as the last.
const HOUR_BUCKETS: usize = 12;
const DAY_BUCKETS: usize = 24;
const MONTH_BUCKETS: usize = 30;

/// What is remembered of one customer or card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    five_minutes: Series,
    hours: Series,
    days: Series,
}

/// Charges in the hour, the day and the thirty days up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Velocity {
    pub hour: Total,
    pub day: Total,
    pub month: Total,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub count: i64,
    pub sum_minor: i64,
}

impl History {
    pub fn add(&mut self, at: DateTime<Utc>, amount_minor: i64) {
        let at = at.timestamp();
        self.five_minutes
            .add(at.div_euclid(FIVE_MINUTES_S), amount_minor, HOUR_BUCKETS);
        self.hours
            .add(at.div_euclid(HOUR_S), amount_minor, DAY_BUCKETS);
        self.days
            .add(at.div_euclid(DAY_S), amount_minor, MONTH_BUCKETS);
    }

    /// What was added so far, up to and including the buckets of that moment.
    pub fn up_to(&self, at: DateTime<Utc>) -> Velocity {
        let at = at.timestamp();
        Velocity {
            hour: self
                .five_minutes
                .total(at.div_euclid(FIVE_MINUTES_S), HOUR_BUCKETS),
            day: self.hours.total(at.div_euclid(HOUR_S), DAY_BUCKETS),
            month: self.days.total(at.div_euclid(DAY_S), MONTH_BUCKETS),
        }
    }
}

/// Buckets with something in them, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Series(Vec<Bucket>);

/// Number of the bucket since 1970, charges in it, sum of their amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket(i64, i64, i64);

impl Series {
    /// Keeps twice the span, counted in filled buckets rather than in time: a window up to any
    /// charge that is not ages late stays whole, and one charge with a date far in the future
    /// takes a single place instead of pushing everything out.
    fn add(&mut self, number: i64, amount_minor: i64, span: usize) {
        match self.0.binary_search_by_key(&number, |bucket| bucket.0) {
            Ok(found) => {
                let Bucket(_, count, sum_minor) = &mut self.0[found];
                *count += 1;
                *sum_minor = sum_minor.saturating_add(amount_minor);
            }
            Err(place) => {
                self.0.insert(place, Bucket(number, 1, amount_minor));
                if self.0.len() > 2 * span {
                    self.0.remove(0);
                }
            }
        }
    }

    fn total(&self, last: i64, span: usize) -> Total {
        let span = i64::try_from(span).expect("a span is a few dozen buckets");
        let mut total = Total::default();
        for Bucket(number, count, sum_minor) in &self.0 {
            if (last - span + 1..=last).contains(number) {
                total.count += count;
                total.sum_minor = total.sum_minor.saturating_add(*sum_minor);
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{History, Velocity};

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    fn counts(velocity: Velocity) -> (i64, i64, i64) {
        (
            velocity.hour.count,
            velocity.day.count,
            velocity.month.count,
        )
    }

    #[track_caller]
    fn check(charges_at_minutes: &[i64], asked_at_minute: i64, expected: (i64, i64, i64)) {
        let mut history = History::default();
        for minute in charges_at_minutes {
            history.add(at(*minute), 100);
        }
        let velocity = history.up_to(at(asked_at_minute));
        assert_eq!(counts(velocity), expected);
        assert_eq!(velocity.month.sum_minor, expected.2 * 100);
    }

    #[test]
    fn a_charge_leaves_each_window_when_its_time_has_come() {
        const DAY: i64 = 24 * 60;
        check(&[], 0, (0, 0, 0));
        check(&[0], 0, (1, 1, 1));
        check(&[0], 59, (1, 1, 1));
        check(&[0], 60, (0, 1, 1));
        check(&[0], DAY - 1, (0, 1, 1));
        check(&[0], DAY, (0, 0, 1));
        check(&[0], 30 * DAY - 1, (0, 0, 1));
        check(&[0], 30 * DAY, (0, 0, 0));
    }

    #[test]
    fn a_late_charge_lands_in_its_own_bucket_and_sees_only_buckets_up_to_it() {
        // The day in progress is one bucket, so it counts whole.
        check(&[90, 10], 15, (1, 1, 2));
        check(&[90, 10], 90, (1, 2, 2));
        assert_eq!(history(&[90, 10]), history(&[10, 90]));
    }

    fn history(charges_at_minutes: &[i64]) -> History {
        let mut history = History::default();
        for minute in charges_at_minutes {
            history.add(at(*minute), 100);
        }
        history
    }

    #[test]
    fn a_charge_from_the_far_future_pushes_nothing_out() {
        check(&[4_000_000_000, 0, 5], 5, (2, 2, 2));
    }

    #[test]
    fn a_busy_holder_keeps_whole_windows_in_bounded_space() {
        let history = history(&(0..100_000).collect::<Vec<_>>());

        // The last moment is 10:39 on a day: forty minutes of the hour, 640 of the day.
        let expected = (60, 23 * 60 + 40, 29 * 24 * 60 + 640);
        assert_eq!(counts(history.up_to(at(99_999))), expected);
        let lengths =
            [&history.five_minutes, &history.hours, &history.days].map(|series| series.0.len());
        assert_eq!(lengths, [24, 48, 60]);
    }
}
