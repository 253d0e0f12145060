//! Every state that a few orders can reach, to the last.
//!
//! An order's course is decided by four services who hear of each other late, again, and in any
//! order between topics. Whatever comes when, the laws hold in every state, and from every state
//! the order comes to an end: done, or undone as a whole.

/// What can happen next, and what the services make of it.
mod actions;
mod decisions;
mod judging;
mod labour;
mod suite;
mod world;

/// What must hold, and what must have been seen.
mod fates;
mod flaws;
mod laws;

mod known;

use std::time::Instant;

use chrono::TimeDelta;
use order::saga::Rules;
use stateright::{Checker, HasDiscoveries, Model};

use actions::Freedom;
use judging::Risk;
use suite::{Scenario, Suite};

use crate::scene;

const FREE: Freedom = Freedom {
    quantity: 1,
    customer_cancels: true,
    deadlines_pass: true,
    carrier_refuses: true,
    risks: &Risk::ALL,
};

/// A world that is small enough to be visited whole is one where not everybody is free.
const QUIET: Freedom = Freedom {
    customer_cancels: false,
    deadlines_pass: false,
    carrier_refuses: false,
    risks: &[Risk::Low],
    ..FREE
};

/// Which of two deadlines passes first is a setting, and whether orders go on without a verdict.
fn settings() -> Vec<Rules> {
    let usual = scene::rules();
    let stock_first = Rules {
        stock_deadline: TimeDelta::seconds(10),
        ..usual.clone()
    };
    let hold_first = Rules {
        hold_deadline: TimeDelta::seconds(20),
        verdict_policy_amount_minor: 0,
        ..usual.clone()
    };
    vec![usual, stock_first, hold_first]
}

fn explore(title: &str, scenario: Scenario, states_min: usize) {
    let begun = Instant::now();
    let checker = Suite::of(scenario)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    eprintln!(
        "{title}: {} states, {} transitions, {} steps deep, in {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f64(),
    );
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(
        states >= states_min,
        "only {states} states: something that can happen was left out"
    );
}

#[test]
fn an_order_in_two_parcels_ends_whole_whatever_happens_to_it() {
    let scenario = Scenario {
        settings: settings(),
        orders: vec![Freedom {
            quantity: 2,
            ..FREE
        }],
        on_hand: [1, 1],
        repeats: 0,
        fates: fates::of_one(),
    };
    explore("one order in two parcels", scenario, 2_000_000);
}

#[test]
fn a_record_that_comes_again_changes_nothing_not_even_when_it_was_forgotten() {
    let scenario = Scenario {
        settings: vec![scene::rules()],
        orders: vec![FREE],
        on_hand: [1, 1],
        repeats: 1,
        fates: fates::of_repeats(),
    };
    explore("one order, and any record again", scenario, 3_000_000);
}

#[test]
fn two_orders_for_the_same_unit_never_share_it() {
    let cancels = Freedom {
        customer_cancels: true,
        ..QUIET
    };
    let scenario = Scenario {
        settings: vec![scene::rules()],
        orders: vec![cancels, cancels],
        on_hand: [1, 0],
        repeats: 0,
        fates: fates::of_rivals(),
    };
    explore("two orders for one unit", scenario, 2_000_000);
}

#[test]
fn an_order_that_comes_and_goes_harms_no_other() {
    let restless = Freedom {
        carrier_refuses: false,
        risks: &[Risk::Low, Risk::Certain],
        ..FREE
    };
    let scenario = Scenario {
        settings: vec![scene::rules()],
        orders: vec![restless, QUIET],
        on_hand: [1, 0],
        repeats: 0,
        fates: fates::of_rivals(),
    };
    explore("a restless order beside a quiet one", scenario, 1_000_000);
}
