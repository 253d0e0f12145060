//! What people do on a day, and what time brings.

use fraud::domain::review::Ruling;
use inventory::domain::Adjustment;
use notification::domain::Outcome;
use order::domain::order::Order;
use shared::batch::Cause;
use uuid::Uuid;

use super::day::{Day, SKUS};
use super::services::{Labour, Open};
use crate::scene::{self, WAREHOUSES};

/// Few, so that they meet at the shelves.
const ORDERS_MAX: usize = 5;
/// What the customers' cards make of a charge: fine, stolen, asked about at the bureau.
const CARDS: [&str; 5] = [
    "tok_1",
    "tok_2",
    "tok_stolen",
    "tok_slow_1",
    "tok_slow_stolen",
];
impl Day {
    pub(super) fn place(&mut self) {
        let index = self.order.tables.orders.len();
        if index == ORDERS_MAX {
            return;
        }
        let order = self.draw(index);
        self.tell(|| format!("order {} of {:?}", order.id, order.lines));
        let cause = Cause::stored(self.dice.id(), order.id, None);
        let events = self.order.tables.place(order);
        self.order.publish(&cause, events, self.now, &mut self.dice);
        self.seen.orders += 1;
    }

    fn draw(&mut self, index: usize) -> Order {
        let mut lines = Vec::new();
        for sku in SKUS {
            if lines.is_empty() || self.dice.chance(30) {
                let quantity = 1 + i32::try_from(self.dice.below(3)).expect("a few");
                lines.push((sku, quantity));
            }
        }
        let card = *self.dice.pick(&CARDS[..]).expect("there are cards");
        // Most are honest.
        let card = if self.dice.chance(60) { CARDS[0] } else { card };
        // Dear ones are held when nothing is known of the customer.
        let unit_price_minor = if self.dice.chance(20) { 90_000 } else { 1_000 };
        scene::order_of(index, &lines, unit_price_minor, card, self.now)
    }

    pub(super) fn cancel(&mut self) {
        let orders: Vec<Uuid> = self.order.tables.orders.keys().copied().collect();
        let Some(order_id) = self.dice.pick(&orders).copied() else {
            return;
        };
        self.tell(|| format!("customer cancels {order_id}"));
        let cause = Cause::stored(self.dice.id(), order_id, None);
        let events = self.order.tables.cancel(order_id, &cause, self.now);
        self.order.publish(&cause, events, self.now, &mut self.dice);
    }

    pub(super) fn sweep(&mut self) {
        self.tell(|| "sweep".to_owned());
        for (cause, events) in self.order.tables.sweep(self.now, &mut self.dice) {
            self.seen.deadlines += 1;
            self.order.publish(&cause, events, self.now, &mut self.dice);
        }
    }

    pub(super) fn work(&mut self) {
        let open = self.shipment.tables.open();
        let Some(list) = self.dice.pick(&open).copied() else {
            return;
        };
        // A carrier that has refused a parcel hardly changes its mind.
        let refuses = if list.refused { 90 } else { 15 };
        let labour = match (list.labour, self.dice.below(110)) {
            (Labour::Dispatch, chance) if chance < refuses => Labour::Refuse,
            (Labour::Dispatch, 100..) => Labour::PutOff,
            (labour, _) => labour,
        };
        self.take_step(Open { labour, ..list });
    }

    pub(super) fn take_step(&mut self, list: Open) {
        let Open {
            order_id,
            list_id,
            labour,
            ..
        } = list;
        self.tell(|| format!("{labour:?} list {list_id} of {order_id}"));
        let cause = Cause::stored(self.dice.id(), order_id, None);
        let shipment = &mut self.shipment.tables;
        let events = shipment.work(order_id, list_id, labour, self.now, &mut self.dice);
        self.shipment
            .publish(&cause, events, self.now, &mut self.dice);
    }

    pub(super) fn review(&mut self) -> bool {
        let held = self.fraud.tables.held();
        let Some(order_id) = self.dice.pick(&held).copied() else {
            return false;
        };
        let ruling = if self.dice.chance(50) {
            Ruling::Approve
        } else {
            Ruling::Block
        };
        self.tell(|| format!("review of {order_id}: {ruling:?}"));
        let cause = Cause::stored(self.dice.id(), order_id, None);
        let events = self.fraud.tables.review(order_id, ruling, self.now);
        self.fraud.publish(&cause, events, self.now, &mut self.dice);
        true
    }

    pub(super) fn answer(&mut self) {
        for (cause, events) in self.fraud.tables.answer(self.now) {
            self.tell(|| format!("the bureau answers: {:?}", events.types()));
            self.fraud.publish(&cause, events, self.now, &mut self.dice);
        }
    }

    pub(super) fn mail(&mut self, faults: bool) -> bool {
        let pending = self.notification.tables.pending();
        let Some(key) = self.dice.pick(&pending) else {
            return false;
        };
        let outcome = match self.dice.below(100) {
            0..5 => Outcome::Refused("no such mailbox".to_owned()),
            5..20 if faults => Outcome::Postponed("busy".to_owned()),
            _ => Outcome::Accepted,
        };
        self.tell(|| format!("mail {key:?}: {outcome:?}"));
        let (cause, events) = self.notification.tables.send(key, &outcome, self.now);
        let notification = &mut self.notification;
        notification.publish(&cause, events, self.now, &mut self.dice);
        true
    }

    pub(super) fn adjust(&mut self) {
        let sku = *self.dice.pick(&SKUS).expect("there are articles");
        let warehouse = *self.dice.pick(&WAREHOUSES).expect("there are warehouses");
        let quantity = 1 + i32::try_from(self.dice.below(3)).expect("a few");
        let adjustment = if self.dice.chance(50) {
            Adjustment::Receipt { quantity }
        } else {
            Adjustment::Correction { delta: -quantity }
        };
        self.tell(|| format!("{sku} in {warehouse}: {adjustment:?}"));
        let cause = Cause::stored(self.dice.id(), sku, None);
        let inventory = &mut self.inventory.tables;
        let events = inventory.adjust(sku, warehouse, adjustment, cause.id);
        self.inventory
            .publish(&cause, events, self.now, &mut self.dice);
    }
}
