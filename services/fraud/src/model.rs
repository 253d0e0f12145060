//! The model: weighted rules through a logistic, so that a score reads as a probability.
//!
//! Everything that judges by learning stands behind [`score`]; what must hold whatever a model says
//! (block list, hard limit) is `domain`'s.

use crate::domain::history::Total;
use crate::domain::{Features, Score};

pub const VERSION: &str = "rules-1";

/// A transaction of which nothing is remarkable scores 0.05.
const BIAS: f64 = -3.0;
/// Fewer charges in thirty days are little history.
const LITTLE_HISTORY: i64 = 3;
/// Where parcels rarely reach the one who paid.
const RISKY_COUNTRIES: &[&str] = &["IR", "KP", "SY"];
/// More reasons than this help nobody decide.
const REASONS_MAX: usize = 3;

/// How risky a transaction is. A pure function: the same features always score the same.
pub fn score(features: &Features) -> Score {
    let mut found = Found(Vec::new());
    amount(features, &mut found);
    velocity(
        "customer",
        features.customer.hour,
        features.customer.day,
        &mut found,
    );
    velocity("card", features.card.hour, features.card.day, &mut found);
    found.weigh(
        0.8 * ramp(f64::from(features.item_count), 20.0, 100.0),
        || format!("{} units in one order", features.item_count),
    );
    let risky = RISKY_COUNTRIES.contains(&features.country.as_str());
    found.weigh(if risky { 0.9 } else { 0.0 }, || {
        format!("parcels to {} are risky", features.country)
    });

    let Found(mut found) = found;
    let sum = BIAS + found.iter().map(|(weight, _)| weight).sum::<f64>();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Score {
        value: 1.0 / (1.0 + (-sum).exp()),
        model_version: VERSION.to_owned(),
        reasons: found
            .into_iter()
            .take(REASONS_MAX)
            .map(|(_, reason)| reason)
            .collect(),
    }
}

struct Found(Vec<(f64, String)>);

impl Found {
    fn weigh(&mut self, weight: f64, reason: impl FnOnce() -> String) {
        if weight > 0.0 {
            self.0.push((weight, reason()));
        }
    }
}

fn amount(features: &Features, found: &mut Found) {
    let amount = features.amount_minor;
    let history = features.customer.month;
    if history.count < LITTLE_HISTORY {
        // With nothing else remarkable: above 1,200.00 held (0.73), from 10,000.00 blocked (0.95).
        let weight = match amount {
            1_000_000.. => 6.0,
            120_001.. => 4.0,
            _ => 1.5 * ramp(to_f64(amount), 50_000.0, 120_000.0),
        };
        found.weigh(weight, || {
            format!(
                "{} is much for a customer with little history",
                decimal(amount)
            )
        });
        return;
    }
    let usual = to_f64(history.sum_minor) / to_f64(history.count);
    let times = to_f64(amount) / usual.max(1.0);
    let weight = if amount >= 50_000 {
        3.5 * ramp(times, 5.0, 25.0)
    } else {
        0.0
    };
    found.weigh(weight, || {
        format!(
            "{} is {times:.0} times what this customer usually pays",
            decimal(amount)
        )
    });
}

/// A holder who shops much is no thief yet: nothing counts before the thirty-first charge in an
/// hour, and one holder alone, at any count, is held rather than blocked.
fn velocity(holder: &str, hour: Total, day: Total, found: &mut Found) {
    found.weigh(2.5 * ramp(to_f64(hour.count), 30.0, 90.0), || {
        format!("{} charges of this {holder} within an hour", hour.count)
    });
    found.weigh(0.8 * ramp(to_f64(day.count), 100.0, 300.0), || {
        format!("{} charges of this {holder} within a day", day.count)
    });
    found.weigh(
        1.5 * ramp(to_f64(day.sum_minor), 1_000_000.0, 5_000_000.0),
        || {
            format!(
                "{} charged to this {holder} within a day",
                decimal(day.sum_minor)
            )
        },
    );
}

/// 0 up to `from`, 1 from `to` on, straight between.
fn ramp(value: f64, from: f64, to: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rule does not see cents beyond 2^53"
)]
fn to_f64(value: i64) -> f64 {
    value as f64
}

fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::{Features, score};
    use crate::domain::history::{Total, Velocity};

    fn velocity(count: i64, sum_minor: i64) -> Velocity {
        let total = Total { count, sum_minor };
        Velocity {
            hour: total,
            day: total,
            month: total,
        }
    }

    fn of_amount(amount_minor: i64) -> Features {
        Features {
            amount_minor,
            item_count: 2,
            country: "DE".to_owned(),
            ..Features::default()
        }
    }

    #[track_caller]
    fn check(features: &Features, between: std::ops::Range<f64>, first_reason: &str) {
        let score = score(features);
        assert!(between.contains(&score.value), "{score:?}");
        let first = score.reasons.first().map_or("", String::as_str);
        assert!(first.contains(first_reason), "{score:?}");
        assert_eq!(first.is_empty(), first_reason.is_empty(), "{score:?}");
    }

    #[test]
    fn a_fresh_customer_may_shop_but_not_spend_a_fortune() {
        check(&of_amount(0), 0.0..0.1, "");
        check(&of_amount(3_998), 0.0..0.1, "");
        check(&of_amount(50_000), 0.0..0.1, "");
        check(&of_amount(120_000), 0.1..0.6, "little history");
        check(&of_amount(120_001), 0.6..0.9, "1200.01 is much");
        check(&of_amount(999_999), 0.6..0.9, "little history");
        check(&of_amount(1_000_000), 0.9..1.0, "little history");
        check(&of_amount(i64::MAX), 0.9..1.0, "little history");
    }

    #[test]
    fn a_large_basket_alone_does_not_turn_held_into_blocked() {
        check(
            &Features {
                item_count: 1_000,
                ..of_amount(500_000)
            },
            0.6..0.9,
            "little history",
        );
    }

    #[test]
    fn a_known_customer_is_measured_by_what_is_usual() {
        let customer = velocity(5, 5 * 100_000);
        check(
            &Features {
                customer,
                ..of_amount(260_000)
            },
            0.0..0.1,
            "",
        );
        let customer = velocity(5, 5 * 4_000);
        check(
            &Features {
                customer,
                ..of_amount(40_000)
            },
            0.0..0.1,
            "",
        );
        check(
            &Features {
                customer,
                ..of_amount(129_900)
            },
            0.6..0.9,
            "32 times",
        );
    }

    #[test]
    fn one_busy_holder_is_held_and_a_busy_card_of_a_busy_customer_blocked() {
        let busy = |count| velocity(count, count * 2_000);
        check(
            &Features {
                customer: busy(30),
                card: busy(30),
                ..of_amount(2_000)
            },
            0.0..0.1,
            "",
        );
        let customer = Features {
            customer: busy(10_000),
            ..of_amount(2_000)
        };
        check(
            &customer,
            0.6..0.9,
            "10000 charges of this customer within an hour",
        );
        check(
            &Features {
                card: busy(10_000),
                ..customer
            },
            0.9..1.0,
            "within an hour",
        );
    }

    #[test]
    fn the_country_counts_and_the_strongest_reason_comes_first() {
        let score = score(&Features {
            country: "KP".to_owned(),
            ..of_amount(90_000)
        });
        assert_eq!(
            score.reasons,
            [
                "parcels to KP are risky",
                "900.00 is much for a customer with little history",
            ]
        );
    }
}
