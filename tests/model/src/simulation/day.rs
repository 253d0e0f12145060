//! One day in the life of the suite: customers, staff and carriers act, parts die and come back,
//! time passes. Then everything heals, and what is left to do is done.

use chrono::{DateTime, TimeDelta, Utc};

use super::bus::Bus;
use super::dice::Dice;
use super::node::Node;
use super::seen::Seen;
use super::services::{Cases, Goods, Mails, Orders, Parcels};
use crate::scene::{self, START, WAREHOUSES};

pub(super) const SKUS: [&str; 2] = ["MUG", "KETTLE"];
const DISTURBED_STEPS: usize = 250;
/// A day that needs more to come to rest never will.
const HEALED_ROUNDS_MAX: usize = 2_000;

pub(super) struct Day {
    pub(super) now: DateTime<Utc>,
    pub(super) bus: Bus,
    pub(super) order: Node<Orders>,
    pub(super) inventory: Node<Goods>,
    pub(super) shipment: Node<Parcels>,
    pub(super) fraud: Node<Cases>,
    pub(super) notification: Node<Mails>,
    /// What lay in the warehouses in the morning.
    pub(super) received: Vec<(&'static str, &'static str, i64)>,
    pub(super) seen: Seen,
    pub(super) dice: Dice,
    /// Tells every step, for whoever looks into one day.
    aloud: bool,
}

/// The same to whichever service the dice choose.
macro_rules! any_service {
    ($day:ident, |$node:ident| $act:expr) => {
        match $day.dice.below(5) {
            0 => {
                let $node = &mut $day.order;
                $act
            }
            1 => {
                let $node = &mut $day.inventory;
                $act
            }
            2 => {
                let $node = &mut $day.shipment;
                $act
            }
            3 => {
                let $node = &mut $day.fraud;
                $act
            }
            _ => {
                let $node = &mut $day.notification;
                $act
            }
        }
    };
}

/// The same to every service, and whether it did something anywhere.
macro_rules! every_service {
    ($day:ident, |$node:ident| $act:expr) => {{
        let mut done = false;
        {
            let $node = &mut $day.order;
            done |= $act;
        }
        {
            let $node = &mut $day.inventory;
            done |= $act;
        }
        {
            let $node = &mut $day.shipment;
            done |= $act;
        }
        {
            let $node = &mut $day.fraud;
            done |= $act;
        }
        {
            let $node = &mut $day.notification;
            done |= $act;
        }
        done
    }};
}

impl Day {
    pub(super) fn new(seed: u64, aloud: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut received = Vec::new();
        for sku in SKUS {
            for warehouse in WAREHOUSES {
                let units = i64::try_from(dice.below(6)).expect("a handful");
                received.push((sku, warehouse, units));
            }
        }
        let levels = received
            .iter()
            .map(|(sku, warehouse, units)| ((*sku).to_owned(), scene::level(warehouse, *units)));
        Self {
            now: START,
            bus: Bus::new(),
            order: Node::new(Orders::new(scene::rules())),
            inventory: Node::new(Goods::new(scene::network(), levels)),
            shipment: Node::new(Parcels::default()),
            fraud: Node::new(Cases::default()),
            notification: Node::new(Mails::default()),
            received,
            seen: Seen::default(),
            dice,
            aloud,
        }
    }

    /// `Err`: something impossible was seen, or it does not come to rest.
    pub(super) fn live(&mut self) -> Result<(), String> {
        for _ in 0..DISTURBED_STEPS {
            self.step();
            self.look()?;
        }
        for _ in 0..HEALED_ROUNDS_MAX {
            if !self.mend_and_work_on() {
                return Ok(());
            }
            self.look()?;
        }
        Err(format!(
            "no rest after {HEALED_ROUNDS_MAX} rounds without a fault"
        ))
    }

    /// What holds at every moment.
    fn look(&self) -> Result<(), String> {
        match self.inventory.tables.impossible() {
            Some(what) => Err(format!("stock is possible: {what}")),
            None => Ok(()),
        }
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.aloud {
            eprintln!("{} {}", self.now.format("%H:%M:%S%.3f"), what());
        }
    }

    fn step(&mut self) {
        // Mostly a moment, at times longer than any answer may take.
        let waits = if self.dice.chance(2) { 90_000 } else { 1_000 };
        let waits = i64::try_from(self.dice.below(waits)).expect("a minute and a half");
        self.now += TimeDelta::milliseconds(waits);
        match self.dice.below(100) {
            0..43 => self.poll(),
            43..67 => self.relay(),
            67..70 => self.place(),
            70..71 => self.cancel(),
            71..75 => self.sweep(),
            75..90 => self.work(),
            90..92 => drop(self.review()),
            92..94 => drop(self.mail(true)),
            94..95 => self.adjust(),
            95..97 => self.crash(),
            97..98 => self.rewind(),
            _ => self.answer(),
        }
    }

    fn poll(&mut self) {
        self.tell(|| "poll".to_owned());
        any_service!(self, |node| {
            node.poll(&self.bus, self.now, true, &mut self.dice, &mut self.seen);
        });
    }

    fn relay(&mut self) {
        self.tell(|| "relay".to_owned());
        any_service!(self, |node| {
            node.relay(&mut self.bus, true, &mut self.dice);
        });
    }

    fn crash(&mut self) {
        self.tell(|| "crash".to_owned());
        any_service!(self, |node| self.seen.relay_repeats += node.crash());
    }

    fn rewind(&mut self) {
        let forgetting = self.dice.chance(50);
        self.tell(|| format!("rewind, forgetting: {forgetting}"));
        any_service!(self, |node| {
            node.rewind(forgetting, &self.bus, &mut self.dice);
        });
        self.seen.rewinds += 1;
        self.seen.forgotten += usize::from(forgetting);
    }

    /// One round of everything that is left to do, and time only where nothing else is. False when
    /// nothing is left.
    fn mend_and_work_on(&mut self) -> bool {
        let mut busy = every_service!(self, |node| {
            node.mend(self.now, &mut self.dice, &mut self.seen)
        });
        busy |= every_service!(self, |node| {
            node.relay(&mut self.bus, false, &mut self.dice)
        });
        busy |= every_service!(self, |node| {
            node.poll(&self.bus, self.now, false, &mut self.dice, &mut self.seen)
        });
        let (refused, open): (Vec<_>, Vec<_>) = self
            .shipment
            .tables
            .open()
            .into_iter()
            .partition(|list| list.refused);
        busy |= !open.is_empty();
        open.into_iter().for_each(|list| self.take_step(list));
        busy |= self.review();
        busy |= self.mail(false);
        if busy {
            return true;
        }
        // Whatever was refused and not cancelled is taken in the end.
        if !refused.is_empty() {
            refused.into_iter().for_each(|list| self.take_step(list));
            return true;
        }
        let due = [
            self.order.tables.next_deadline(),
            self.fraud.tables.next_answer(),
        ];
        let Some(next) = due.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        self.sweep();
        self.answer();
        true
    }
}
