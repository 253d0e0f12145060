//! What must hold when a day is over.

use std::collections::{BTreeMap, HashMap, HashSet};

use inventory::domain::{Order as Goods, Reservation, State as Held};
use order::domain::state::{Charge, Participant, Saga, State, Stock};
use shared::contract::order::CancelReason;
use shipment::domain::{PickingList, State as ListState};
use uuid::Uuid;

use super::bus::Record;
use super::day::Day;
use super::node::{Handler, Node};
use crate::facts::Fact;

type Judged = Result<(), String>;

pub(super) fn judge(day: &mut Day) -> Judged {
    books_balance(day)?;
    for order_id in day.order.tables.orders.keys() {
        ends_whole(day, *order_id)?;
    }
    rail(&day.order, day)?;
    rail(&day.inventory, day)?;
    rail(&day.shipment, day)?;
    rail(&day.fraud, day)?;
    rail(&day.notification, day)?;
    one_mail_per_cause(day)?;
    count(day);
    Ok(())
}

fn broken(law: &str, what: impl std::fmt::Debug) -> Judged {
    Err(format!("{law}: {what:?}"))
}

/// The ledger explains every unit, and nothing is reserved for anybody any more.
fn books_balance(day: &Day) -> Judged {
    let inventory = &day.inventory.tables;
    let mut booked: BTreeMap<(&str, &str), (i64, i64)> = day
        .received
        .iter()
        .map(|(sku, warehouse, units)| ((*sku, *warehouse), (*units, 0)))
        .collect();
    let mut causes = HashSet::new();
    for entry in &inventory.ledger {
        for (at, sku) in entry.skus.iter().enumerate() {
            let warehouse = &entry.warehouses[at];
            let sums = booked.entry((sku, warehouse)).or_default();
            sums.0 += i64::from(entry.d_on_hand[at]);
            sums.1 += i64::from(entry.d_reserved[at]);
            if !causes.insert((entry.causation_id, sku, warehouse, entry.reason.as_str())) {
                return broken("one cause moves a unit once", entry);
            }
        }
    }
    for ((sku, warehouse), level) in &inventory.levels {
        let expected = booked.get(&(sku.as_str(), warehouse.as_str()));
        if expected != Some(&(level.on_hand, level.reserved)) {
            return broken("the ledger explains every unit", (sku, level, expected));
        }
        if level.reserved != 0 {
            return broken("nothing stays reserved", (sku, level));
        }
    }
    Ok(())
}

fn ends_whole(day: &Day, order_id: Uuid) -> Judged {
    let order = &day.order.tables;
    let saga = &order.sagas[&order_id];
    let held = reservations(day, order_id);
    let lists = lists(day, order_id);
    match saga.state {
        State::Cancelled => {
            let undone = held.iter().all(|held| held.state == Held::Released)
                && lists.iter().all(|list| list.state == ListState::Void)
                && saga.charge == Charge::Voided;
            if !undone {
                return broken("a cancelled order holds nothing", (saga, held, lists));
            }
            for participant in Participant::ALL {
                let mut acks = order.acks.iter();
                if !acks.any(|ack| *ack == (order_id, *participant)) {
                    return broken("a cancellation is acknowledged", (saga, participant));
                }
            }
        }
        State::Completed => {
            let ordered: BTreeMap<_, _> = order.orders[&order_id]
                .lines
                .iter()
                .map(|line| (line.sku.clone(), line.quantity))
                .collect();
            let shipped = lists.iter().flat_map(|list| {
                let delivered = list.state.delivered_at().is_some();
                let lines = list.lines.iter().filter(move |_| delivered);
                lines.map(|line| (line.sku.as_str(), line.quantity))
            });
            let booked = held.iter().flat_map(|held| {
                let gone = held.state == Held::Shipped;
                held.lines().filter(move |_| gone)
            });
            if sums(shipped) != ordered || sums(booked) != ordered {
                return broken(
                    "what was ordered was shipped and booked",
                    (saga, held, lists),
                );
            }
            if saga.charge != Charge::Captured {
                return broken("what was shipped was paid", saga);
            }
        }
        State::Pending | State::Confirmed | State::Shipped | State::Cancelling => {
            return broken("every order ends", (saga, held, lists));
        }
    }
    Ok(())
}

fn sums<'s>(lines: impl Iterator<Item = (&'s str, i32)>) -> BTreeMap<String, i32> {
    let mut sums = BTreeMap::new();
    for (sku, quantity) in lines {
        *sums.entry(sku.to_owned()).or_default() += quantity;
    }
    sums
}

fn reservations(day: &Day, order_id: Uuid) -> &[Reservation] {
    match day.inventory.tables.orders.get(&order_id) {
        Some(Goods::Reserved(reservations)) => reservations,
        None | Some(Goods::Rejected | Goods::Cancelled) => &[],
    }
}

fn lists(day: &Day, order_id: Uuid) -> &[PickingList] {
    let fulfilment = day.shipment.tables.fulfilments.get(&order_id);
    fulfilment.map_or(&[], |fulfilment| &fulfilment.lists)
}

/// Of one service: nothing refused, nothing missed, one effect per cause, and versions in order.
fn rail<H: Handler>(node: &Node<H>, day: &Day) -> Judged {
    if let Some(refused) = node.refused.first() {
        return broken("nobody refuses a record of our own", refused);
    }
    if let Some(missed) = node.missed(&day.bus).first() {
        return broken("every event reaches its readers", (H::NAME, missed));
    }
    let mut effects = HashSet::new();
    let mut versions: HashMap<(&str, &str), i32> = HashMap::new();
    for row in &node.outbox {
        let (place, key) = (row.place(), row.key.as_str());
        if !effects.insert((row.cause, effect(row), key)) {
            return broken("one cause has one effect", row);
        }
        let last = versions.entry((place.0, key)).or_default();
        *last += 1;
        if row.told.version != *last {
            return broken("versions of an aggregate rise by one", row);
        }
        let on_topic = day.bus.read(place).iter();
        let same: Vec<_> = on_topic.filter(|record| record.id == row.id).collect();
        if same.is_empty() {
            return broken("what was committed is published", row);
        }
        if same.iter().any(|record| record.told != row.told) {
            return broken("one id is one event", row);
        }
    }
    first_occurrences_in_order(node, day)
}

/// A batch for two warehouses tells of two lists.
fn effect(row: &Record) -> (&'static str, &str) {
    match &row.told.fact {
        Fact::PickingListCreated(event) => (row.told.fact.name(), &event.warehouse),
        Fact::LowStock(event) => (row.told.fact.name(), &event.warehouse),
        fact => (fact.name(), ""),
    }
}

/// Repeats are legal, reversals are not.
fn first_occurrences_in_order<H: Handler>(node: &Node<H>, day: &Day) -> Judged {
    let places: HashSet<_> = node.outbox.iter().map(Record::place).collect();
    for place in places {
        let mut last: HashMap<&str, i32> = HashMap::new();
        for record in day.bus.read(place) {
            let last = last.entry(record.key.as_str()).or_default();
            if record.told.version > *last + 1 {
                return broken("first occurrences of versions rise by one", record);
            }
            *last = record.told.version.max(*last);
        }
    }
    Ok(())
}

/// Each event that asks for a mail has asked for one, and no mail is without one.
fn one_mail_per_cause(day: &Day) -> Judged {
    let asked = [
        &day.order.outbox,
        &day.inventory.outbox,
        &day.shipment.outbox,
    ]
    .into_iter()
    .flatten()
    .filter(|row| crate::readers::for_notification(&row.told.fact).is_some());
    let asked: HashSet<_> = asked.map(|row| row.id).collect();
    let mails = &day.notification.tables.mails;
    let sent: HashSet<_> = mails.values().map(|mail| mail.causation_id).collect();
    if asked != sent || mails.len() != asked.len() {
        return broken("one cause has one mail", asked.symmetric_difference(&sent));
    }
    Ok(())
}

fn count(day: &mut Day) {
    let moves = &day.order.tables.moves;
    let cancelled = |saga: &Saga| saga.cancellation.clone();
    for saga in day.order.tables.sagas.values() {
        let reason = cancelled(saga).map(|cancellation| cancellation.reason);
        let end = match saga.state {
            State::Completed => "completed".to_owned(),
            _ => reason
                .map(order::domain::state::reason_name)
                .unwrap_or_default()
                .to_owned(),
        };
        *day.seen.ends.entry(end).or_default() += 1;
        let was_reserved = matches!(
            day.inventory.tables.orders.get(&saga.order_id),
            Some(Goods::Reserved(_))
        );
        let late =
            reason == Some(CancelReason::Deadline) && saga.stock == Stock::Awaited && was_reserved;
        day.seen.late_replies += usize::from(late);
        let lost = (saga.order_id, State::Cancelling, State::Shipped);
        day.seen.lost_races += usize::from(moves.contains(&lost));
        day.seen.recalls += usize::from(saga.recalled);
        day.seen.two_parcels += usize::from(saga.parcels.len() == 2);
    }
    let outboxes = [
        day.order.outbox.len(),
        day.inventory.outbox.len(),
        day.shipment.outbox.len(),
        day.fraud.outbox.len(),
        day.notification.outbox.len(),
    ];
    day.seen.events += outboxes.iter().sum::<usize>();
}
