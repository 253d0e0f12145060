//! What ten, a hundred and a thousand times the measured rate would need, by arithmetic.
//!
//! Nothing here was run: each line is a measured figure, multiplied.

use std::fmt::Write as _;

use serde_json::Value;

use super::report::Summary;
use super::summary::median;

/// Machines that are busier than this answer late.
const BUSY: f64 = 0.6;
/// Of a database server as anybody can rent one.
const CORES_OF_A_DATABASE: f64 = 32.0;
/// Each keeps its rows and its files, on disks of the ordinary kind.
const COPIES_OF_A_RECORD: f64 = 3.0;
const KEPT_MONTHS: f64 = 7.0 / 30.0;
/// General-purpose machines and network disks, on demand, as large clouds sell them in 2026.
const USD_A_CORE_HOUR: f64 = 0.05;
const USD_A_GB_MONTH: f64 = 0.08;

const TIMES: [u32; 4] = [1, 10, 100, 1_000];

/// What was measured of whole orders, of inventory and of the relay.
struct Measured {
    orders_per_s: f64,
    /// Of every process, for one order, in microseconds.
    services_us: f64,
    postgres_us: f64,
    kafka_us: f64,
    events_per_order: f64,
    wal_bytes_per_order: f64,
    applied_per_s: f64,
    relayed_per_s: f64,
}

/// What some multiple of it needs.
struct Need {
    orders_per_s: f64,
    cores: f64,
    postgres_cores: f64,
    kafka_cores: f64,
    databases: f64,
    instances: f64,
    shards: f64,
    wal_mb_per_s: f64,
    usd_a_million: f64,
}

/// A section of the page; nothing where something was not measured.
pub(super) fn section(summaries: &[Summary], lines: &[Value]) -> Option<String> {
    let measured = Measured::of(summaries, lines)?;
    let needs = TIMES.map(|times| measured.times(f64::from(times)));
    let mut text = String::from("\n## Past one machine\n\n");
    let _ = writeln!(
        text,
        "Arithmetic, not a run: the figures above, multiplied, on machines that are kept at {:.0} \
         % of their cores. One order took {:.1} ms of processor time ({:.1} Postgres, {:.1} \
         Kafka), {:.1} events and {:.1} kB of write-ahead log; one inventory applied {:.0} events \
         a second, one relay sent {:.0}.\n",
        BUSY * 100.0,
        (measured.services_us + measured.postgres_us + measured.kafka_us) / 1e3,
        measured.postgres_us / 1e3,
        measured.kafka_us / 1e3,
        measured.events_per_order,
        measured.wal_bytes_per_order / 1e3,
        measured.applied_per_s,
        measured.relayed_per_s,
    );
    text.push_str("| |");
    for times in TIMES {
        let _ = write!(text, " {times} × |");
    }
    text.push_str("\n| --- | --: | --: | --: | --: |\n");
    type Line = (&'static str, fn(&Need) -> f64);
    let table: [Line; 9] = [
        ("orders a second, to their end", |need| need.orders_per_s),
        ("cores", |need| need.cores),
        ("of them Postgres", |need| need.postgres_cores),
        ("of them Kafka", |need| need.kafka_cores),
        ("databases of 32 cores", |need| need.databases),
        ("inventories, each with its partitions", |need| {
            need.instances
        }),
        ("relay shards, were all events one service's", |need| {
            need.shards
        }),
        ("MB of write-ahead log a second", |need| need.wal_mb_per_s),
        ("US$ for a million orders", |need| need.usd_a_million),
    ];
    for (what, of) in table {
        let _ = write!(text, "| {what} |");
        for need in &needs {
            let _ = write!(text, " {} |", readable(of(need)));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "\nUS$ {USD_A_CORE_HOUR} an hour for a core and {USD_A_GB_MONTH} a month for a GB; what an \
         order writes is kept for seven days, once in a database and on {COPIES_OF_A_RECORD:.0} \
         brokers, and counted as large as its write-ahead log."
    );
    text.push_str(&breaks(&needs));
    Some(text)
}

/// What gives way first at each step.
fn breaks(needs: &[Need; 4]) -> String {
    let [_, ten, hundred, thousand] = needs;
    format!(
        "\n- **10 ×: the machine.** {} cores are more than one of this size; Postgres and Kafka \
         get machines of their own, and nothing else changes.\n\
         - **100 ×: the shared Postgres.** {} cores and {} MB of log a second are for one server \
         per service, which the services are built for: none reads another's tables. Topics get \
         as many partitions as inventories; a topic's partitions are set when it is made.\n\
         - **1000 ×: one database per service.** {} servers are more than five services have. \
         Each service's rows belong to one order (or one article) and no statement joins two, so a \
         service's database can be split by that key, each part with its instances and its relay. \
         Stock is the exception that stays: all orders for one article meet in one row, which a \
         batch updates once, so a single article sells at most what one partition's batches can \
         carry ({} events a second here). Whole traces of every order are sampled long before.\n",
        readable(ten.cores),
        readable(hundred.postgres_cores),
        readable(hundred.wal_mb_per_s),
        readable(thousand.databases),
        readable(thousand.orders_per_s / thousand.instances),
    )
}

impl Measured {
    fn of(summaries: &[Summary], lines: &[Value]) -> Option<Self> {
        let of = |bench: &str| {
            let valid = |summary: &&Summary| summary.bench == bench && summary.valid;
            summaries.iter().find(valid)
        };
        let per_s = |bench: &str| of(bench)?.per_s.get("ours").copied();
        let saga = of("saga")?;
        let rounds: Vec<&Value> = lines
            .iter()
            .filter(|line| {
                line["bench"] == "saga" && line["subject"] == "ours" && line["valid"] == true
            })
            .collect();
        let spent = |process: &str| {
            let mut us: Vec<f64> = rounds
                .iter()
                .filter_map(|round| round["cpu_us"][process].as_f64())
                .collect();
            median(&mut us)
        };
        let (postgres_us, kafka_us) = (spent("postgres")?, spent("kafka")?);
        let client_us = spent("client").unwrap_or_default();
        let all_us = saga.figures.get("cpu_us_per_unit")?;
        Some(Self {
            orders_per_s: per_s("saga")?,
            services_us: (all_us - postgres_us - kafka_us - client_us).max(0.0),
            postgres_us,
            kafka_us,
            events_per_order: *saga.figures.get("events_per_order")?,
            wal_bytes_per_order: *saga.figures.get("wal_bytes_per_order")?,
            applied_per_s: per_s("apply-drain")?,
            relayed_per_s: per_s("relay")?,
        })
    }

    fn times(&self, times: f64) -> Need {
        let orders_per_s = self.orders_per_s * times;
        let cores = |us: f64| us / 1e6 * orders_per_s / BUSY;
        let postgres_cores = cores(self.postgres_us);
        let order_us = self.services_us + self.postgres_us + self.kafka_us;
        let million_core_hours = order_us / BUSY / 3600.0;
        let million_gb = self.wal_bytes_per_order * 1e6 / 1e9 * (1.0 + COPIES_OF_A_RECORD);
        Need {
            orders_per_s,
            cores: cores(order_us),
            postgres_cores,
            kafka_cores: cores(self.kafka_us),
            databases: (postgres_cores / CORES_OF_A_DATABASE).ceil(),
            instances: (orders_per_s / self.applied_per_s / BUSY).ceil(),
            shards: (orders_per_s * self.events_per_order / self.relayed_per_s / BUSY).ceil(),
            wal_mb_per_s: self.wal_bytes_per_order * orders_per_s / 1e6,
            usd_a_million: million_core_hours * USD_A_CORE_HOUR
                + million_gb * KEPT_MONTHS * USD_A_GB_MONTH,
        }
    }
}

fn readable(value: f64) -> String {
    if value >= 100.0 || value == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::Measured;

    #[test]
    fn ten_times_as_much_needs_ten_times_as_much_and_costs_the_same_an_order() {
        let measured = Measured {
            orders_per_s: 200.0,
            services_us: 2_000.0,
            postgres_us: 3_000.0,
            kafka_us: 1_000.0,
            events_per_order: 10.0,
            wal_bytes_per_order: 10_000.0,
            applied_per_s: 20_000.0,
            relayed_per_s: 50_000.0,
        };

        let (once, ten) = (measured.times(1.0), measured.times(10.0));

        // 200 orders of 6 ms each second, on cores that are busy for 60 %.
        assert!((once.cores - 2.0).abs() < 1e-9);
        assert!((once.wal_mb_per_s - 2.0).abs() < 1e-9);
        assert!((ten.cores - 20.0).abs() < 1e-9);
        assert!((ten.usd_a_million - once.usd_a_million).abs() < 1e-9);
        // 6,000 core seconds at 60 % are 2.8 hours; 40 GB are kept for a week.
        assert!((once.usd_a_million - (2.777_8 * 0.05 + 40.0 * 7.0 / 30.0 * 0.08)).abs() < 1e-3);
    }
}
