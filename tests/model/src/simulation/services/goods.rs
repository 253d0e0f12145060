//! The inventory service.

use std::collections::BTreeMap;

use inventory::domain::{Adjustment, Book, LedgerEntry, Level, Network, Order, Stock, adjust};
use inventory::event_handlers::{Incoming, decide};
use shared::batch::{Batch, Events, Outgoing};
use uuid::Uuid;

use super::super::dice::Dice;
use super::super::node::Handler;
use crate::facts::Fact;
use crate::readers::for_inventory;

#[derive(Clone)]
pub(in super::super) struct Goods {
    network: Network,
    pub(in super::super) orders: BTreeMap<Uuid, Order>,
    /// By SKU and warehouse.
    pub(in super::super) levels: BTreeMap<(String, String), Level>,
    versions: BTreeMap<String, i32>,
    pub(in super::super) ledger: Vec<LedgerEntry>,
}

impl Goods {
    pub(in super::super) fn new(
        network: Network,
        levels: impl IntoIterator<Item = (String, Level)>,
    ) -> Self {
        Self {
            network,
            orders: BTreeMap::new(),
            levels: levels
                .into_iter()
                .map(|(sku, level)| ((sku, level.warehouse.clone()), level))
                .collect(),
            versions: BTreeMap::new(),
            ledger: Vec::new(),
        }
    }

    /// All of the stock: it is little.
    fn load(&self, orders: impl IntoIterator<Item = Uuid>) -> Book {
        let mut stock = Stock::default();
        for ((sku, _), level) in &self.levels {
            let version = self.versions.get(sku).copied().unwrap_or_default();
            stock.load(sku.clone(), version, level.clone());
        }
        let known = |id: Uuid| Some((id, self.orders.get(&id)?.clone()));
        Book::new(orders.into_iter().filter_map(known).collect(), stock)
    }

    fn save(&mut self, book: Book) {
        for (sku, level) in book.stock.changed_levels() {
            let Level {
                warehouse,
                on_hand,
                reserved,
                threshold,
                low,
                ..
            } = level.clone();
            let key = (sku.to_owned(), warehouse.clone());
            let level = Level::new(warehouse, on_hand, reserved, threshold, low);
            self.levels.insert(key, level);
        }
        for (sku, version) in book.stock.changed_versions() {
            self.versions.insert(sku.to_owned(), version);
        }
        for (order_id, mut order) in book.orders {
            if let Order::Reserved(reservations) = &mut order {
                for reservation in reservations {
                    reservation.saved = Some(reservation.state);
                }
            }
            self.orders.insert(order_id, order);
        }
        self.ledger.extend(book.ledger);
    }

    /// Staff receives units, or corrects what counting found.
    pub(in super::super) fn adjust(
        &mut self,
        sku: &str,
        warehouse: &str,
        adjustment: Adjustment,
        cause: Uuid,
    ) -> Events {
        let mut book = self.load([]);
        let note = "as counted".to_owned();
        let adjusted = adjust(&mut book, sku, warehouse, adjustment, note, cause);
        self.save(book);
        adjusted.unwrap_or_default()
    }

    /// Why this cannot be, if it cannot.
    pub(in super::super) fn impossible(&self) -> Option<String> {
        let possible = |level: &Level| level.reserved >= 0 && level.on_hand >= level.reserved;
        let mut levels = self.levels.iter();
        levels
            .find(|(_, level)| !possible(level))
            .map(|((sku, warehouse), level)| format!("{sku} in {warehouse} is {level:?}"))
    }
}

impl Handler for Goods {
    type Incoming = Incoming;
    const NAME: &'static str = "inventory";

    fn read(fact: &Fact) -> Option<Incoming> {
        for_inventory(fact)
    }

    fn handle(&mut self, batch: &Batch<Incoming>, _: &mut Dice) -> Outgoing {
        let orders = batch.events().iter().filter_map(|received| {
            let aggregate_id = &received.envelope.aggregate_id;
            Uuid::try_parse(aggregate_id).ok()
        });
        let mut book = self.load(orders);

        let outgoing = batch.fold(|received| {
            let cause = received.envelope.event_id;
            decide(&mut book, &self.network, &received.event, cause)
        });

        self.save(book);
        outgoing
    }
}
