//! How large a run is, and what it must at least have seen to say anything.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Profile {
    /// About three minutes; for every push
    Smoke,
    /// Fifteen minutes; for every change that touches the rail
    Change,
    /// Hours
    Night,
}

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Size {
    /// Faults strike during this time; the load goes on until they are healed.
    pub(super) under_fire: Duration,
    pub(super) orders_per_s: u64,
    /// Of every crash point.
    pub(super) rounds_per_point: u64,
    pub(super) kills: u64,
    /// Stopped for longer than the group waits, and let go again.
    pub(super) pauses: u64,
    /// The same while a second instance takes over.
    pub(super) zombies: u64,
    /// Two instances, and so two relays, at once.
    pub(super) twins: u64,
    pub(super) brokers: u64,
    pub(super) databases: u64,
    pub(super) registries: u64,
    pub(super) collectors: u64,
    pub(super) mail_servers: u64,
    pub(super) cuts: u64,
    pub(super) slow_links: u64,
    pub(super) half_open: u64,
    pub(super) rewinds: u64,
    /// Records that offsets go back by, at most.
    pub(super) rewound: u64,
    pub(super) skews: u64,
    /// Records that end who decodes them.
    pub(super) aborts: u64,
    pub(super) rolls: u64,
    pub(super) poison: u64,
    /// Of all events, in percent.
    pub(super) republished: u64,
}

/// Below these a run is invalid, not passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Minimums {
    pub(super) orders: u64,
    pub(super) acked_percent: u64,
    pub(super) kills: u64,
    pub(super) hits_per_point: u64,
    pub(super) kills_in_flight_percent: u64,
    pub(super) duplicates: u64,
    pub(super) duplicates_percent: u64,
    pub(super) rebalances_in_flight: u64,
    pub(super) of_each_end: u64,
    pub(super) late_replies: u64,
    pub(super) early_compensations: u64,
    pub(super) poison: u64,
}

impl Profile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Change => "change",
            Self::Night => "night",
        }
    }

    fn usual_minutes(self) -> u64 {
        match self {
            Self::Smoke => 2,
            Self::Change => 15,
            Self::Night => 360,
        }
    }

    /// Another time than the usual makes everything more or less in proportion.
    pub(super) fn size(self, minutes: Option<u64>) -> Size {
        let usual = self.usual_minutes();
        let minutes = minutes.unwrap_or(usual).max(1);
        let of = |count: u64| (count * minutes).div_ceil(usual);
        let under_fire = Duration::from_secs(minutes * 60);
        match self {
            Self::Smoke => Size {
                under_fire: under_fire - Duration::from_secs(minutes * 12),
                orders_per_s: 12,
                rounds_per_point: of(1),
                kills: of(4),
                pauses: of(1),
                zombies: of(2),
                twins: of(1),
                brokers: of(1),
                databases: of(1),
                registries: of(1),
                collectors: of(1),
                mail_servers: of(1),
                cuts: of(2),
                slow_links: of(1),
                half_open: of(1),
                rewinds: of(2),
                rewound: 400,
                skews: of(1),
                aborts: of(1),
                rolls: 0,
                poison: of(40),
                republished: 10,
            },
            Self::Change => Size {
                under_fire,
                orders_per_s: 60,
                rounds_per_point: of(10),
                kills: of(20),
                pauses: of(8),
                zombies: of(12),
                twins: of(6),
                brokers: of(10),
                databases: of(8),
                registries: of(3),
                collectors: of(3),
                mail_servers: of(3),
                cuts: of(10),
                slow_links: of(4),
                half_open: of(4),
                rewinds: of(5),
                rewound: 2_000,
                skews: of(3),
                aborts: of(5),
                rolls: of(1),
                poison: of(2_100),
                republished: 10,
            },
            Self::Night => Size {
                under_fire,
                orders_per_s: 50,
                rounds_per_point: of(100),
                kills: of(200),
                pauses: of(80),
                zombies: of(120),
                twins: of(60),
                brokers: of(100),
                databases: of(80),
                registries: of(30),
                collectors: of(30),
                mail_servers: of(30),
                cuts: of(100),
                slow_links: of(40),
                half_open: of(40),
                rewinds: of(50),
                rewound: 2_000,
                skews: of(30),
                aborts: of(50),
                rolls: of(10),
                poison: of(105_000),
                republished: 20,
            },
        }
    }

    pub(super) fn minimums(self, minutes: Option<u64>) -> Minimums {
        let usual = self.usual_minutes();
        let minutes = minutes.unwrap_or(usual).max(1);
        let of = |count: u64| count * minutes / usual;
        match self {
            Self::Smoke => Minimums {
                orders: of(900),
                acked_percent: 90,
                kills: of(20),
                hits_per_point: of(1),
                kills_in_flight_percent: 60,
                duplicates: of(300),
                duplicates_percent: 1,
                rebalances_in_flight: of(1),
                of_each_end: of(5),
                late_replies: 1,
                early_compensations: 1,
                poison: of(30),
            },
            Self::Change => Minimums {
                orders: of(50_000),
                acked_percent: 90,
                kills: of(200),
                hits_per_point: of(5),
                kills_in_flight_percent: 60,
                duplicates: of(30_000),
                duplicates_percent: 1,
                rebalances_in_flight: of(3),
                of_each_end: of(50),
                late_replies: 1,
                early_compensations: 1,
                poison: of(2_000),
            },
            Self::Night => Minimums {
                orders: of(1_000_000),
                acked_percent: 90,
                kills: of(2_000),
                hits_per_point: of(50),
                kills_in_flight_percent: 60,
                duplicates: of(1_000_000),
                duplicates_percent: 1,
                rebalances_in_flight: of(30),
                of_each_end: of(500),
                late_replies: of(10),
                early_compensations: of(10),
                poison: of(100_000),
            },
        }
    }
}
