//! What the services decide, each question asked once.
//!
//! **Time is left out**: everything happens at one instant, a deadline can pass at any moment once
//! it is set, and what a state remembers of time is wiped. So whatever the clocks say is covered.

use std::collections::HashMap;
use std::sync::Arc;

use inventory::domain::{Book, Network, Order as Goods, Stock};
use order::domain::state::Saga;
use order::saga::Rules;
use shared::batch::{Events, Reject};
use shipment::domain::Fulfilment;
use uuid::Uuid;

use super::flaws::{self, Flaw};
use super::judging::{Doubt, Judged, judge};
use super::known::{Answers, Known, Values};
use super::labour::{Labour, work};
use crate::facts::{Told, told};
use crate::readers::{for_inventory, for_order, received};
use crate::scene::{self, SKU, START, WAREHOUSES};

/// What one decision led to.
#[derive(Debug)]
pub(super) struct Outcome<S> {
    pub(super) state: S,
    pub(super) told: Vec<Known<Told>>,
    pub(super) flaw: Option<Flaw>,
}

/// What makes order decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Prompt {
    Read(Known<Told>),
    DeadlinePassed,
    CustomerCancels,
}

type Shelves = (Known<Option<Goods>>, Known<Stock>);
type Answer<S> = Arc<Outcome<S>>;

/// The services.
pub(super) struct Services {
    network: Network,
    settings: Vec<Rules>,
    pub(super) told: Values<String, Told>,
    pub(super) sagas: Values<String, Saga>,
    pub(super) goods: Values<String, Option<Goods>>,
    pub(super) stocks: Values<String, Stock>,
    pub(super) fulfilments: Values<String, Fulfilment>,
    pub(super) judged: Values<String, Judged>,
    order: Answers<(u8, Known<Saga>, Prompt), Answer<Known<Saga>>>,
    inventory: Answers<(Shelves, Known<Told>), Answer<Shelves>>,
    shipment: Answers<(Known<Fulfilment>, Labour), Answer<Known<Fulfilment>>>,
    fraud: Answers<(Known<Judged>, Doubt), Answer<Known<Judged>>>,
}

impl Services {
    pub(super) fn new(settings: Vec<Rules>) -> Self {
        Self {
            network: scene::network(),
            settings,
            told: Values::new(),
            sagas: Values::new(),
            goods: Values::new(),
            stocks: Values::new(),
            fulfilments: Values::new(),
            judged: Values::new(),
            order: Answers::new(),
            inventory: Answers::new(),
            shipment: Answers::new(),
            fraud: Answers::new(),
        }
    }

    pub(super) fn tell(&self, events: &Events) -> Vec<Known<Told>> {
        told(events)
            .into_iter()
            .map(|told| self.told.keep(told))
            .collect()
    }

    pub(super) fn order(
        &self,
        setting: u8,
        saga: Known<Saga>,
        prompt: Prompt,
    ) -> Answer<Known<Saga>> {
        self.order.ask((setting, saga, prompt), || {
            let rules = &self.settings[usize::from(setting)];
            let mut after = saga.value().clone();
            let step = match prompt {
                Prompt::Read(told) => {
                    let incoming = for_order(&told.fact).expect("order reads it");
                    let received = received(incoming, told.value(), id_of(told), START);
                    order::event_handlers::decide(&mut after, &received, START, rules).map(Some)
                }
                Prompt::DeadlinePassed => {
                    let due = saga.deadline.expect("a deadline is set").at;
                    Ok(after.fall_due(due, rules))
                }
                // Too late: the customer is told so, and that is all.
                Prompt::CustomerCancels => Ok(after.cancel_on_request(START, rules).ok().flatten()),
            };
            let (events, refused) = match step {
                Ok(step) => (step.map(|step| step.events).unwrap_or_default(), None),
                Err(reject) => (Events::none(), Some(Flaw::refused("order", &reject))),
            };
            Arc::new(Outcome {
                flaw: refused.or_else(|| flaws::of_saga(&saga, &after)),
                told: self.tell(&events),
                state: self.sagas.keep(timeless(after)),
            })
        })
    }

    pub(super) fn inventory(&self, shelves: Shelves, told: Known<Told>) -> Answer<Shelves> {
        self.inventory.ask((shelves, told), || {
            let (goods, stock) = shelves;
            let incoming = for_inventory(&told.fact).expect("inventory reads it");
            let order_id = order_of(&told);
            let orders: HashMap<_, _> = goods
                .value()
                .iter()
                .map(|goods| (order_id, goods.clone()))
                .collect();
            let mut book = Book::new(orders, stock.value().clone());
            let decided =
                inventory::event_handlers::decide(&mut book, &self.network, &incoming, id_of(told));
            let (events, refused) = parts("inventory", decided);
            let flaw = refused.or_else(|| flaws::of_book(&stock, &book));
            let mut goods = book.orders.remove(&order_id);
            if let Some(Goods::Reserved(reservations)) = &mut goods {
                // As it is when it is loaded again.
                for reservation in reservations {
                    reservation.saved = Some(reservation.state);
                }
            }
            Arc::new(Outcome {
                state: (self.goods.keep(goods), self.stocks.keep(saved(&book.stock))),
                told: self.tell(&events),
                flaw,
            })
        })
    }

    pub(super) fn shipment(
        &self,
        fulfilment: Known<Fulfilment>,
        labour: Labour,
    ) -> Answer<Known<Fulfilment>> {
        self.shipment.ask((fulfilment, labour), || {
            let mut after = fulfilment.value().clone();
            let (events, flaw) = work(&mut after, labour);
            for list in &mut after.lists {
                list.attempts = 0;
                list.retry_at = None;
            }
            Arc::new(Outcome {
                state: self.fulfilments.keep(after),
                told: self.tell(&events),
                flaw,
            })
        })
    }

    pub(super) fn fraud(&self, judged: Known<Judged>, doubt: Doubt) -> Answer<Known<Judged>> {
        self.fraud.ask((judged, doubt), || {
            let mut after = judged.value().clone();
            let (events, flaw) = parts("fraud", judge(&mut after, doubt));
            Arc::new(Outcome {
                state: self.judged.keep(after),
                told: self.tell(&events),
                flaw,
            })
        })
    }
}

pub(super) fn parts(
    service: &'static str,
    decided: Result<Events, Reject>,
) -> (Events, Option<Flaw>) {
    match decided {
        Ok(events) => (events, None),
        Err(reject) => (Events::none(), Some(Flaw::refused(service, &reject))),
    }
}

/// Wipes what a saga remembers of time; how often acknowledgements were overdue matters up to once.
fn timeless(mut saga: Saga) -> Saga {
    saga.since = START;
    saga.verdict_at = START;
    saga.updated_at = START;
    saga.acks_overdue = saga.acks_overdue.min(1);
    if let Some(deadline) = &mut saga.deadline {
        deadline.at = START;
    }
    saga
}

/// As it is when it is loaded again.
fn saved(stock: &Stock) -> Stock {
    scene::stock(WAREHOUSES.iter().map(|warehouse| {
        let level = stock.level(SKU, warehouse).expect("no level disappears");
        (level.on_hand, level.reserved)
    }))
}

pub(super) fn order_of(told: &Told) -> Uuid {
    Uuid::try_parse(&told.fact.key()).expect("these topics are keyed by order")
}

pub(super) fn id_of(told: Known<Told>) -> Uuid {
    Uuid::from_u128(1 + u128::from(told.number()))
}
