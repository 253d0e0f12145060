//! What strikes when: a pure function of seed and size.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use shared::crash;

use super::dice::{Deck, Dice};
use super::faults::ABORTING;
use super::profile::Size;
use crate::local::Part;
use crate::services;

/// One thing that goes wrong, with everything that was drawn about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(super) enum Fault {
    /// The service is started anew with the point armed, and dies when it passes it that often.
    Crash {
        service: &'static str,
        point: &'static str,
        pass: u64,
    },
    /// `kill -9` while a transaction is open.
    Kill {
        service: &'static str,
    },
    Pause {
        service: &'static str,
        seconds: u64,
    },
    /// A peer takes over meanwhile, and what was paused wakes up as its rival.
    Zombie {
        service: &'static str,
        seconds: u64,
    },
    Twin {
        service: &'static str,
        seconds: u64,
    },
    /// `kill -9` of something that the services stand on.
    Outage {
        part: &'static str,
        seconds: u64,
    },
    /// Connections to the database end after a COMMIT was sent and before its answer came.
    Cut {
        service: &'static str,
        cuts: u64,
    },
    Slow {
        service: &'static str,
        delay_ms: u64,
        seconds: u64,
    },
    /// Nothing comes through, and nobody is told; then the connections end.
    HalfOpen {
        service: &'static str,
        seconds: u64,
    },
    Rewind {
        service: &'static str,
        records: u64,
    },
    Skew {
        service: &'static str,
        by_s: i64,
        seconds: u64,
    },
    /// A record that ends every process which decodes it.
    Abort {
        service: &'static str,
    },
    /// Every service in turn, asked to stop and started again.
    Roll,
}

/// When a fault strikes, counted from the first order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Planned {
    pub(super) at_ms: u64,
    #[serde(flatten)]
    pub(super) fault: Fault,
}

/// The first orders arrive in peace, so that there is something to break.
const PEACE: Duration = Duration::from_secs(4);
/// The last fault strikes early enough to be over in time.
const LAST_BEFORE_END: Duration = Duration::from_secs(12);
const DOWN_S: (u64, u64) = (2, 5);
/// Longer than a group waits for a silent member: six seconds.
const PAUSED_S: (u64, u64) = (8, 11);

pub(super) fn plan(seed: u64, size: &Size) -> Vec<Planned> {
    let mut dice = Dice::new(seed, "plan");
    let mut planned = Vec::new();
    let span = size.under_fire.saturating_sub(PEACE + LAST_BEFORE_END);
    let span_ms = u64::try_from(span.as_millis()).expect("a run is shorter than ages");
    let peace_ms = u64::try_from(PEACE.as_millis()).expect("it is short");

    let mut add = |dice: &mut Dice, faults: Vec<Fault>| {
        // Spread evenly, each somewhere in its share of the time.
        let slots = faults.len() as u64;
        for (slot, fault) in (0..).zip(faults) {
            let share = span_ms / slots;
            let at_ms = peace_ms + slot * share + dice.below(share);
            planned.push(Planned { at_ms, fault });
        }
    };
    let crashes = crashes(&mut dice, size.rounds_per_point);
    add(&mut dice, crashes);

    let mut deck = Deck::of(&services::NAMES);
    let mut anybody = |dice: &mut Dice| deck.draw(dice);
    let mut of = |count: u64, draw: &mut dyn FnMut(&mut Dice) -> Fault| {
        let faults = (0..count).map(|_| draw(&mut dice)).collect();
        add(&mut dice, faults);
    };
    of(size.kills, &mut |dice| Fault::Kill {
        service: anybody(dice),
    });
    of(size.pauses, &mut |dice| Fault::Pause {
        service: anybody(dice),
        seconds: dice.between(PAUSED_S.0, PAUSED_S.1),
    });
    of(size.zombies, &mut |dice| Fault::Zombie {
        service: anybody(dice),
        seconds: dice.between(PAUSED_S.0, PAUSED_S.1),
    });
    of(size.twins, &mut |dice| Fault::Twin {
        service: anybody(dice),
        seconds: dice.between(4, 8),
    });
    for (count, part) in [
        (size.brokers, Part::Kafka),
        (size.databases, Part::Postgres),
        (size.registries, Part::Registry),
        (size.collectors, Part::Jaeger),
        (size.mail_servers, Part::Mail),
    ] {
        of(count, &mut |dice| Fault::Outage {
            part: part.name(),
            seconds: dice.between(DOWN_S.0, DOWN_S.1),
        });
    }
    of(size.cuts, &mut |dice| Fault::Cut {
        service: anybody(dice),
        cuts: dice.between(1, 3),
    });
    of(size.slow_links, &mut |dice| Fault::Slow {
        service: anybody(dice),
        delay_ms: dice.between(20, 100),
        seconds: dice.between(4, 8),
    });
    of(size.half_open, &mut |dice| Fault::HalfOpen {
        service: anybody(dice),
        seconds: dice.between(3, 6),
    });
    of(size.rewinds, &mut |dice| Fault::Rewind {
        service: anybody(dice),
        records: dice.between(size.rewound / 4, size.rewound),
    });
    of(size.skews, &mut |dice| Fault::Skew {
        service: anybody(dice),
        by_s: if dice.percent(50) { 3_600 } else { -3_600 },
        seconds: dice.between(4, 8),
    });
    of(size.aborts, &mut |dice| Fault::Abort {
        service: dice.pick(&ABORTING).0,
    });
    of(size.rolls, &mut |_| Fault::Roll);

    planned.sort_by_key(|planned| planned.at_ms);
    planned
}

/// Every point as often as is asked for, in any order, each in a service that passes it. Order has
/// points that nobody else has, so at first it is spared the others.
fn crashes(dice: &mut Dice, rounds: u64) -> Vec<Fault> {
    let others = services::NAMES.into_iter().filter(|name| *name != "order");
    let mut others = Deck::of(&others.collect::<Vec<_>>());
    let mut all = Deck::of(&services::NAMES);
    let mut crashes = Vec::new();
    for round in 0..rounds {
        for point in crash::POINTS {
            let service = match point.split_once('.') {
                Some(("api" | "saga", _)) => "order",
                _ if round == 0 => others.draw(dice),
                _ => all.draw(dice),
            };
            let pass = match point {
                // Once for each second instance that comes, and once for a record.
                "consumer.revoked" | "consumer.attempt-recorded" => 1,
                "saga.claimed" => dice.between(1, 3),
                _ => dice.between(1, 12),
            };
            crashes.push(Fault::Crash {
                service,
                point,
                pass,
            });
        }
    }
    dice.shuffle(&mut crashes);
    crashes
}

impl Fault {
    /// Whose turn it is: nothing else strikes the same target meanwhile.
    pub(super) fn target(&self) -> &'static str {
        match self {
            Self::Crash { service, .. }
            | Self::Kill { service }
            | Self::Pause { service, .. }
            | Self::Zombie { service, .. }
            | Self::Twin { service, .. }
            | Self::Cut { service, .. }
            | Self::Slow { service, .. }
            | Self::HalfOpen { service, .. }
            | Self::Rewind { service, .. }
            | Self::Abort { service }
            | Self::Skew { service, .. } => service,
            Self::Outage { part, .. } => part,
            Self::Roll => "all services",
        }
    }

    /// Whether orders may be refused, or not be answered, because of it.
    pub(super) fn stops_intake(&self) -> bool {
        matches!(self, Self::Roll) || ["order", "postgres"].contains(&self.target())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash {
                service,
                point,
                pass,
            } => write!(f, "{service} dies at {point}, pass {pass}"),
            Self::Kill { service } => write!(f, "kill -9 of {service}"),
            Self::Pause { service, seconds } => write!(f, "{service} is paused for {seconds} s"),
            Self::Zombie { service, seconds } => {
                write!(f, "{service} is paused for {seconds} s beside a second one")
            }
            Self::Twin { service, seconds } => write!(f, "two of {service} for {seconds} s"),
            Self::Outage { part, seconds } => write!(f, "kill -9 of {part}, away for {seconds} s"),
            Self::Cut { service, cuts } => {
                write!(
                    f,
                    "{cuts} connections of {service} cut after COMMIT was sent"
                )
            }
            Self::Slow {
                service,
                delay_ms,
                seconds,
            } => write!(
                f,
                "{service} is {delay_ms} ms from Postgres for {seconds} s"
            ),
            Self::HalfOpen { service, seconds } => {
                write!(
                    f,
                    "nothing passes between {service} and Postgres for {seconds} s"
                )
            }
            Self::Rewind { service, records } => {
                write!(f, "offsets of {service} go back by {records}")
            }
            Self::Skew {
                service,
                by_s,
                seconds,
            } => write!(
                f,
                "the clock of {service} is wrong by {by_s} s for {seconds} s"
            ),
            Self::Abort { service } => {
                write!(f, "a record that ends {service} whenever it is decoded")
            }
            Self::Roll => write!(f, "every service is restarted in turn"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::profile::Profile;

    #[test]
    fn a_seed_gives_the_same_plan_each_time_and_another_seed_another() {
        for profile in [Profile::Smoke, Profile::Change, Profile::Night] {
            let size = profile.size(None);
            assert_eq!(plan(7, &size), plan(7, &size));
            assert_ne!(plan(7, &size), plan(8, &size));
        }
    }

    #[test]
    fn every_point_is_passed_as_often_as_the_profile_says_and_in_time() {
        let size = Profile::Change.size(None);
        let planned = plan(1, &size);
        let end = u64::try_from(size.under_fire.as_millis()).expect("it is short");

        for point in crash::POINTS {
            let rounds = planned
                .iter()
                .filter(
                    |planned| matches!(planned.fault, Fault::Crash { point: p, .. } if p == point),
                )
                .count() as u64;
            assert_eq!(rounds, size.rounds_per_point, "{point}");
        }
        assert!(planned.iter().all(|planned| planned.at_ms < end));
        assert!(planned.is_sorted_by_key(|planned| planned.at_ms));
    }
}
