//! Every fate of an order, on a fresh stack, over the same APIs that customers and staff use.
//!
//! In the order of a run ([`show`]): set the [`stage`], [`play`] the fates below (each is a
//! [`scene`], in which a customer and [`staff`] act; their stories stand in [`forward`],
//! [`undone`], [`disturbed`] and [`channels`]), gather what each left behind ([`mails`],
//! [`traces`]), print the [`table`], ask the laws.
//!
//! - **What is seen is put in the same words as what is expected**, and compared as text.
//! - **Nothing waits for a time**: everything waits for a condition, with a bound.

mod channels;
mod disturbed;
mod forward;
mod mails;
mod play;
mod redelivery;
mod scene;
mod show;
mod staff;
mod stage;
mod table;
mod traces;
mod undone;
mod wait;

use std::path::PathBuf;

use clap::Args;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use self::mails::Kind::{self, Cancelled, Confirmed, Dispatched, Received};
use self::scene::Scene;

#[derive(Args)]
pub(crate) struct Demo {
    #[arg(long)]
    json: bool,
    /// Leave the stack running, to look around in it
    #[arg(long)]
    keep: bool,
    /// Leave out the fates that wait for a deadline or stop a service
    #[arg(long)]
    quick: bool,
    /// Where the stack's state lies; a new folder, unless told
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Moves every port; to free ones, unless told
    #[arg(long)]
    port_offset: Option<u16>,
}

/// One story: what a customer and staff do, and what must come of it.
struct Fate {
    name: &'static str,
    /// Each story has a customer of its own, whom fraud has never seen.
    customer: &'static str,
    turn: Turn,
    expected: &'static str,
    mails: &'static [Kind],
    story: for<'s> fn(&'s Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>>,
}

/// When a story has its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Beside others.
    Together,
    /// Beside others; it waits for a deadline to pass.
    Slow,
    /// After all others, for it stops a service that they need.
    Alone,
}

/// In the order in which an order can end.
const FATES: &[Fate] = &[
    Fate {
        name: "completed",
        customer: "ada",
        turn: Turn::Together,
        expected: "completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| forward::completes(scene).boxed_local(),
    },
    Fate {
        name: "completed from two warehouses",
        customer: "ben",
        turn: Turn::Together,
        expected: "completed, 2 parcels",
        mails: &[Received, Confirmed, Dispatched, Dispatched],
        story: |scene| forward::is_split(scene).boxed_local(),
    },
    Fate {
        name: "completed, and stock runs low",
        customer: "cleo",
        turn: Turn::Together,
        expected: "operations told in 10 s; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| forward::runs_low(scene).boxed_local(),
    },
    Fate {
        name: "held, then approved by a reviewer",
        customer: "dan",
        turn: Turn::Together,
        expected: "held for review; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| forward::is_reviewed(scene).boxed_local(),
    },
    Fate {
        name: "rejected for stock",
        customer: "eve",
        turn: Turn::Together,
        expected: "cancelled: out of stock",
        mails: &[Received, Cancelled],
        story: |scene| undone::finds_no_stock(scene).boxed_local(),
    },
    Fate {
        name: "blocked for fraud",
        customer: "fay",
        turn: Turn::Together,
        expected: "cancelled: fraud",
        mails: &[Received, Cancelled],
        story: |scene| undone::is_blocked(scene).boxed_local(),
    },
    Fate {
        name: "cancelled by the customer",
        customer: "gus",
        turn: Turn::Together,
        expected: "cancelled after confirmation: customer",
        mails: &[Received, Confirmed, Cancelled],
        story: |scene| undone::is_called_off(scene).boxed_local(),
    },
    Fate {
        name: "refused by the carrier",
        customer: "hal",
        turn: Turn::Together,
        expected: "cancelled after confirmation: carrier",
        mails: &[Received, Confirmed, Cancelled],
        story: |scene| undone::finds_no_carrier(scene).boxed_local(),
    },
    Fate {
        name: "verdict late and negative",
        customer: "ida",
        turn: Turn::Slow,
        expected: "cancelled after confirmation: fraud",
        mails: &[Received, Confirmed, Cancelled],
        story: |scene| undone::is_blocked_late(scene).boxed_local(),
    },
    Fate {
        name: "no verdict by its deadline",
        customer: "jon",
        turn: Turn::Slow,
        expected: "cancelled: deadline",
        mails: &[Received, Cancelled],
        story: |scene| undone::hears_no_verdict(scene).boxed_local(),
    },
    Fate {
        name: "requested twice under one key",
        customer: "kim",
        turn: Turn::Together,
        expected: "one order, told twice; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| disturbed::is_requested_twice(scene).boxed_local(),
    },
    Fate {
        name: "events delivered twice",
        customer: "lea",
        turn: Turn::Together,
        expected: "repeats changed nothing; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| disturbed::is_delivered_twice(scene).boxed_local(),
    },
    Fate {
        name: "a bad record in between",
        customer: "nora",
        turn: Turn::Together,
        expected: "4 dead letters; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| disturbed::outlasts_a_bad_record(scene).boxed_local(),
    },
    Fate {
        name: "shipment down for a while",
        customer: "max",
        turn: Turn::Alone,
        expected: "confirmed meanwhile; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| disturbed::outlasts_shipment(scene).boxed_local(),
    },
    Fate {
        name: "sold on one of several channels",
        customer: "olga",
        turn: Turn::Alone,
        expected: "every channel right in 5 s; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| channels::is_sold_on_one(scene).boxed_local(),
    },
    Fate {
        name: "a marketplace down for a while",
        customer: "pia",
        turn: Turn::Alone,
        expected: "others right meanwhile; right again in 10 s; completed, 1 parcel",
        mails: &[Received, Confirmed, Dispatched],
        story: |scene| channels::outlasts_a_marketplace(scene).boxed_local(),
    },
    Fate {
        name: "the last units on two channels",
        customer: "quin",
        turn: Turn::Alone,
        expected: "one confirmed, one cancelled; completed, 1 parcel",
        mails: &[Received, Received, Confirmed, Cancelled, Dispatched],
        story: |scene| channels::sells_the_last(scene).boxed_local(),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::FATES;

    #[test]
    fn each_story_has_a_name_and_a_customer_of_its_own() {
        let names: BTreeSet<_> = FATES.iter().map(|fate| fate.name).collect();
        let customers: BTreeSet<_> = FATES.iter().map(|fate| fate.customer).collect();

        assert_eq!(names.len(), FATES.len());
        assert_eq!(customers.len(), FATES.len());
    }
}
