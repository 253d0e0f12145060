//! Thousands of days, each by its own seed: five services on a rail that dies, repeats and is late.
//!
//! A seed is a whole day: which orders come, what they want, who acts when, what fails. The same
//! seed is the same day, so a day that ends badly can be looked at again, step by step.

/// What is thrown, and what is counted.
mod dice;
mod seen;

/// What carries: topics, and the rail of one service.
mod bus;
mod node;
mod services;

/// What happens, and what must hold afterwards.
mod acts;
mod day;
mod laws;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use day::Day;
use seen::Seen;

const DAYS: u64 = 10_000;
/// Days need nothing of each other.
const THREADS: u64 = 2;

/// How a day went, or what was broken on it.
fn live(seed: u64, aloud: bool) -> Result<Seen, String> {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut day = Day::new(seed, aloud);
        day.live()?;
        laws::judge(&mut day)?;
        Ok(day.seen)
    }));
    // What a decision panics with is on standard error already.
    lived.unwrap_or_else(|_| Err("a decision panicked".to_owned()))
}

fn failed(seed: u64, what: &str) -> String {
    format!(
        "seed {seed}: {what}\nsee that day alone with: \
         SIMULATION_SEED={seed} cargo test -p model one_day -- --nocapture"
    )
}

#[test]
fn ten_thousand_days_end_well() {
    let begun = Instant::now();
    let every = |thread: u64| {
        move || {
            let mut seen = Seen::default();
            for seed in (thread..DAYS).step_by(usize::try_from(THREADS).expect("a few")) {
                seen.add(&live(seed, false).map_err(|what| failed(seed, &what))?);
            }
            Ok::<_, String>(seen)
        }
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| std::thread::spawn(every(thread)))
        .collect();
    let mut seen = Seen::default();
    for thread in threads {
        match thread.join().expect("a day catches its panics") {
            Ok(some) => seen.add(&some),
            Err(failed) => panic!("{failed}"),
        }
    }

    eprintln!(
        "{DAYS} days, {} orders, {} events in {:.1} s",
        seen.orders,
        seen.events,
        begun.elapsed().as_secs_f64()
    );
    for (what, count) in seen.required() {
        eprintln!("{count:>9} {what}");
        assert!(count >= 50, "only {count} {what}: the days are too quiet");
    }
}

#[test]
fn one_day_of_a_chosen_seed_ends_well() {
    let seed = std::env::var("SIMULATION_SEED");
    let (seed, aloud) = match &seed {
        Ok(seed) => (seed.parse().expect("SIMULATION_SEED is a number"), true),
        Err(_) => (0, false),
    };
    if let Err(what) = live(seed, aloud) {
        panic!("{}", failed(seed, &what));
    }
}
