//! What all looks have found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::verify::report::{EXAMPLES_MAX, LawResult, Report};

/// More different violations than this of one law tell nothing new.
const VIOLATIONS_MAX: usize = 1000;

/// The laws of the watch, in the handbook's order.
const LAWS: [(&str, &str); 9] = [
    ("I1", "live: what was promised is there"),
    (
        "I2",
        "live: one key per order, no order without its event, no event without its order",
    ),
    (
        "I3",
        "live: stock is never negative, and the ledger explains every unit",
    ),
    (
        "I4",
        "live: what is reserved is what live reservations hold",
    ),
    ("I5", "live: one effect per cause"),
    ("I6", "live: versions of an aggregate rise by one"),
    ("I8", "live: orders change their state as they may"),
    ("I9", "live: nothing is alive under a tombstone"),
    (
        "S9",
        "live: no group's offset is past what its database has seen",
    ),
];

#[derive(Default)]
pub(super) struct Findings(Mutex<Found>);

#[derive(Default)]
struct Found {
    laws: BTreeMap<&'static str, Law>,
    orders: i64,
    events: i64,
}

#[derive(Default)]
struct Law {
    checked: i64,
    /// By their text: what stays wrong is found in every look.
    violations: BTreeSet<String>,
}

impl Findings {
    pub(super) fn checked(&self, law: &'static str, rows: usize) {
        self.with(|found| found.laws.entry(law).or_default().checked += count(rows));
    }

    pub(super) fn violated(&self, law: &'static str, example: String) {
        self.with(|found| {
            let violations = &mut found.laws.entry(law).or_default().violations;
            if violations.len() < VIOLATIONS_MAX {
                violations.insert(example);
            }
        });
    }

    pub(super) fn passed(&self, orders: usize, events: usize) {
        self.with(|found| {
            found.orders += count(orders);
            found.events += count(events);
        });
    }

    pub(super) fn report(&self) -> Report {
        self.with(|found| Report {
            laws: LAWS
                .map(|(law, title)| found.laws.entry(law).or_default().result(law, title))
                .into(),
            orders: found.orders,
            events: found.events,
        })
    }

    fn with<T>(&self, what: impl FnOnce(&mut Found) -> T) -> T {
        what(&mut self.0.lock().expect("no holder panics"))
    }
}

impl Law {
    fn result(&self, law: &'static str, title: &'static str) -> LawResult {
        LawResult {
            law,
            title,
            checked: self.checked,
            violations: count(self.violations.len()),
            examples: self.violations.iter().take(EXAMPLES_MAX).cloned().collect(),
        }
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
