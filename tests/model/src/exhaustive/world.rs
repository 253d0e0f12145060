//! A world of a few orders: what each service knows, what lies on the topics, who has read how far.

use inventory::domain::{Order as Goods, Stock};
use order::domain::state::Saga;
use shipment::domain::Fulfilment;

use super::flaws::Flaw;
use super::judging::Judged;
use super::known::Known;
use crate::facts::{Fact, Told};
use crate::readers::{for_fraud, for_inventory, for_order, for_shipment};

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) orders: Vec<Course>,
    pub(super) stock: Known<Stock>,
    pub(super) setting: u8,
    /// How many records may still come again.
    pub(super) repeats: u8,
    pub(super) flaw: Option<Flaw>,
}

/// One order, everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Course {
    pub(super) saga: Known<Saga>,
    pub(super) goods: Known<Option<Goods>>,
    pub(super) fulfilment: Known<Fulfilment>,
    pub(super) judged: Known<Judged>,
    /// What lies on each topic under the order's key.
    pub(super) topics: [Known<Log>; 4],
    pub(super) readers: [Position; READERS.len()],
}

pub(super) type Log = Vec<Known<Told>>;

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Position {
    pub(super) offset: u8,
    /// The inbox knows what lies before.
    pub(super) known: u8,
}

/// A topic under the key of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Order,
    Inventory,
    Shipment,
    Fraud,
}

impl Topic {
    pub(super) const ALL: [Self; 4] = [Self::Order, Self::Inventory, Self::Shipment, Self::Fraud];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Order,
    Inventory,
    Shipment,
    Fraud,
}

pub(super) const READERS: [(Topic, Service); 8] = [
    (Topic::Order, Service::Inventory),
    (Topic::Order, Service::Shipment),
    (Topic::Order, Service::Fraud),
    (Topic::Inventory, Service::Order),
    (Topic::Inventory, Service::Shipment),
    (Topic::Shipment, Service::Order),
    (Topic::Shipment, Service::Inventory),
    (Topic::Fraud, Service::Order),
];

impl Service {
    pub(super) fn reads(self, fact: &Fact) -> bool {
        match self {
            // That lists exist, order only notes in its timeline.
            Self::Order => {
                !matches!(fact, Fact::PickingListCreated(_)) && for_order(fact).is_some()
            }
            Self::Inventory => for_inventory(fact).is_some(),
            Self::Shipment => for_shipment(fact).is_some(),
            Self::Fraud => for_fraud(fact).is_some(),
        }
    }
}

impl Course {
    /// Nobody decides anything about records that a service has not registered for.
    pub(super) fn skip_unread(&mut self) {
        for (position, (topic, service)) in self.readers.iter_mut().zip(READERS) {
            let log = self.topics[topic as usize].value();
            while log
                .get(usize::from(position.offset))
                .is_some_and(|told| !service.reads(&told.fact))
            {
                position.offset += 1;
                position.known = position.known.max(position.offset);
            }
        }
    }

    pub(super) fn log_of(&self, topic: Topic) -> &'static [Known<Told>] {
        self.topics[topic as usize].value()
    }

    /// The next record of a reader, if there is one.
    pub(super) fn next_of(&self, reader: usize) -> Option<Known<Told>> {
        let offset = usize::from(self.readers[reader].offset);
        self.log_of(READERS[reader].0).get(offset).copied()
    }

    /// Everybody has read everything.
    pub(super) fn is_drained(&self) -> bool {
        (0..READERS.len()).all(|reader| self.next_of(reader).is_none())
    }

    pub(super) fn charge(&self) -> Known<Told> {
        self.log_of(Topic::Order)[1]
    }

    pub(super) fn awaits_score(&self, told: Known<Told>) -> bool {
        matches!(told.fact, Fact::TransactionCreated(_)) && self.judged.judgement.is_none()
    }
}
