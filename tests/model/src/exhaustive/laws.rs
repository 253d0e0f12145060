//! What must hold in every state, and what every course must come to.

use std::collections::HashSet;

use fraud::domain::Verdict;
use inventory::domain::{Order as Goods, Reservation, State as Held};
use order::domain::state::{Charge, State};
use shipment::domain::State as ListState;
use stateright::Property;

use super::flaws::Flaw;
use super::suite::Suite;
use super::world::{Course, Topic, World};
use crate::facts::Fact;
use crate::scene::{SKU, WAREHOUSES};

pub(super) fn all() -> Vec<Property<Suite>> {
    vec![
        Property::always("nobody refuses a record of our own", |_, world: &World| {
            !matches!(world.flaw, Some(Flaw::Refused { .. }))
        }),
        Property::always("an order's state changes as it may", |_, world: &World| {
            !matches!(world.flaw, Some(Flaw::IllegalTransition { .. }))
        }),
        Property::always("the ledger explains every unit", |_, world: &World| {
            world.flaw != Some(Flaw::LedgerDiffers)
        }),
        Property::always(
            "no stock is negative or promised twice",
            |_, world: &World| world.flaw != Some(Flaw::StockImpossible),
        ),
        Property::always(
            "versions of an aggregate rise by one",
            |_, world: &World| world.flaw != Some(Flaw::VersionGap),
        ),
        Property::always(
            "what is reserved is what orders hold",
            |suite, world: &World| stock_adds_up(suite, world),
        ),
        Property::always("no order is half undone", |_, world: &World| {
            world.orders.iter().all(is_whole)
        }),
        Property::always("a cancelled order holds nothing", |_, world: &World| {
            let mut cancelled = of_state(world, State::Cancelled);
            cancelled.all(|course| is_undone(course) && course.saga.charge == Charge::Voided)
        }),
        Property::always(
            "a completed order is booked as it was shipped",
            |suite, world: &World| {
                let orders = world.orders.iter().enumerate();
                let mut completed =
                    orders.filter(|(_, course)| course.saga.state == State::Completed);
                completed
                    .all(|(index, course)| is_done(course, suite.scenario.orders[index].quantity))
            },
        ),
        Property::always("nothing is alive under a tombstone", |_, world: &World| {
            world.orders.iter().all(|course| {
                let buried = course.fulfilment.cancelled_at.is_some();
                !buried
                    || course
                        .fulfilment
                        .lists
                        .iter()
                        .all(|list| list.state == ListState::Void)
            })
        }),
        Property::always("one cause has one effect", |_, world: &World| {
            world.orders.iter().all(each_effect_once)
        }),
        Property::always(
            "once all is read, somebody has the next move",
            |_, world: &World| {
                world.orders.iter().all(|course| {
                    !course.is_drained()
                        || course.saga.state.is_final()
                        || course.saga.deadline.is_some()
                        || can_be_delivered(course)
                })
            },
        ),
        Property::eventually(
            "every order ends, done or undone as a whole",
            |suite, world: &World| {
                let mut orders = world.orders.iter().enumerate();
                orders.all(|(index, course)| match course.saga.state {
                    State::Completed => is_done(course, suite.scenario.orders[index].quantity),
                    State::Cancelled => is_undone(course) && nobody_reviews(course),
                    State::Pending | State::Confirmed | State::Shipped | State::Cancelling => false,
                })
            },
        ),
    ]
}

pub(super) fn of_state(world: &World, state: State) -> impl Iterator<Item = &Course> {
    let orders = world.orders.iter();
    orders.filter(move |course| course.saga.state == state)
}

pub(super) fn reservations(course: &Course) -> &[Reservation] {
    match course.goods.value() {
        Some(Goods::Reserved(reservations)) => reservations,
        None | Some(Goods::Rejected | Goods::Cancelled) => &[],
    }
}

fn units(course: &Course, states: &[Held], warehouse: &str) -> i64 {
    reservations(course)
        .iter()
        .filter(|held| states.contains(&held.state) && held.warehouse == warehouse)
        .flat_map(|held| held.lines().map(|(_, quantity)| i64::from(quantity)))
        .sum()
}

fn stock_adds_up(suite: &Suite, world: &World) -> bool {
    WAREHOUSES
        .iter()
        .zip(suite.scenario.on_hand)
        .all(|(warehouse, received)| {
            let sum = |states: &[Held]| -> i64 {
                let orders = world.orders.iter();
                orders.map(|course| units(course, states, warehouse)).sum()
            };
            let level = world.stock.level(SKU, warehouse);
            level.is_some_and(|level| {
                level.reserved == sum(&[Held::Held, Held::Releasing])
                    && level.on_hand == received - sum(&[Held::Shipped])
            })
        })
}

/// Nothing of it went back while another part of it left.
fn is_whole(course: &Course) -> bool {
    let held = reservations(course);
    let lists = &course.fulfilment.lists;
    let undone = held.iter().any(|held| held.state == Held::Released)
        || lists.iter().any(|list| list.state == ListState::Void);
    let gone = held.iter().any(|held| held.state == Held::Shipped)
        || lists.iter().any(|list| list.state.parcel().is_some());
    !(undone && gone)
}

fn is_undone(course: &Course) -> bool {
    reservations(course)
        .iter()
        .all(|held| held.state == Held::Released)
        && course
            .fulfilment
            .lists
            .iter()
            .all(|list| list.state == ListState::Void)
}

/// Every unit left in a parcel and arrived. Inventory may hear of it later, but then it will.
fn is_done(course: &Course, quantity: i32) -> bool {
    let lists = &course.fulfilment.lists;
    let delivered: i32 = lists
        .iter()
        .filter(|list| list.state.delivered_at().is_some())
        .flat_map(|list| list.lines.iter().map(|line| line.quantity))
        .sum();
    let heard = course.is_drained();
    delivered == quantity
        && course.saga.charge == Charge::Captured
        && (!heard
            || reservations(course)
                .iter()
                .all(|held| held.state == Held::Shipped))
}

/// What was cancelled is on no reviewer's desk.
fn nobody_reviews(course: &Course) -> bool {
    let judgement = course.judged.judgement.as_ref();
    !judgement.is_some_and(|judgement| matches!(judgement.verdict, Verdict::Held { .. }))
}

fn each_effect_once(course: &Course) -> bool {
    [
        Topic::Order,
        Topic::Inventory,
        Topic::Shipment,
        Topic::Fraud,
    ]
    .into_iter()
    .all(|topic| {
        let mut versions = HashSet::new();
        let mut effects = HashSet::new();
        course.log_of(topic).iter().all(|told| {
            // Published again, it is the same effect.
            !versions.insert(told.version) || effects.insert(effect(&told.fact))
        })
    })
}

/// What may happen to an order once.
fn effect(fact: &Fact) -> (&'static str, &str) {
    match fact {
        Fact::StockReserved(_) | Fact::StockRejected(_) => ("the answer of inventory", ""),
        Fact::PickingListCreated(event) => (fact.name(), event.warehouse.as_str()),
        Fact::ShipmentDispatched(event) => (fact.name(), event.warehouse.as_str()),
        Fact::ShipmentDelivered(event) => (fact.name(), event.warehouse.as_str()),
        Fact::ShipmentFailed(event) => (fact.name(), event.warehouse.as_str()),
        _ => (fact.name(), ""),
    }
}

/// A parcel is on its way, or a list can take its next step.
fn can_be_delivered(course: &Course) -> bool {
    course.saga.state == State::Shipped
        && course.fulfilment.lists.iter().any(|list| match list.state {
            ListState::Released | ListState::Picked | ListState::Packed => true,
            ListState::Dispatched(_) => true,
            ListState::Draft | ListState::Delivered(..) | ListState::Void => false,
        })
}
