//! Stories of orders, told by their events.

use std::collections::HashMap;

use shared::batch::Decision;
use shared::contract::inventory::{StockRejected, StockReleased, StockReserved};
use shared::contract::order::{CancelReason, OrderCancelled, OrderLine, OrderPlaced, ShipTo};
use shared::contract::shipment::{PickingListVoided, ShipmentDispatched};
use uuid::Uuid;

use super::*;

mod fates;
mod levels;
mod placement;

const ORDER: Uuid = Uuid::from_u128(1);

/// Three warehouses and two countries; what a story asks for lies on the shelves.
struct World {
    network: Network,
    book: Book,
    causes: u128,
    /// Event types in the order they were published, with their versions.
    published: Vec<(i32, &'static str)>,
}

/// One step of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Placed,
    Cancelled { was_confirmed: bool },
    Voided,
    Dispatched(&'static str),
}

use Step::{Cancelled, Dispatched, Placed, Voided};
const CANCELLED: Step = Cancelled {
    was_confirmed: false,
};
const CANCELLED_LATE: Step = Cancelled {
    was_confirmed: true,
};

impl World {
    fn new(stock: &[(&str, &str, i64)]) -> Self {
        let at = |latitude, longitude| Position {
            latitude,
            longitude,
        };
        let network = Network::new(
            vec![
                ("WAW".to_owned(), at(52.23, 21.01)),
                ("BER".to_owned(), at(52.52, 13.40)),
                ("MAD".to_owned(), at(40.42, -3.70)),
            ],
            vec![
                ("DE".to_owned(), at(51.11, 10.38)),
                ("PT".to_owned(), at(39.60, -8.50)),
            ],
        );
        let mut shelves = Stock::default();
        for (sku, warehouse, on_hand) in stock {
            let level = Level::new((*warehouse).to_owned(), *on_hand, 0, 0, false);
            shelves.load((*sku).to_owned(), 0, level);
        }
        Self {
            network,
            book: Book::new(HashMap::new(), shelves),
            causes: 0,
            published: Vec::new(),
        }
    }

    fn cause(&mut self) -> Uuid {
        self.causes += 1;
        Uuid::from_u128(self.causes)
    }

    fn place(&mut self, country: &str, lines: &[(&str, i32)]) -> Decision {
        let cause = self.cause();
        reserve(
            &mut self.book,
            &self.network,
            &placed(country, lines),
            cause,
        )
    }

    /// The order of these stories: ten trays and a mug, to Germany.
    fn step(&mut self, step: Step) -> Decision {
        let cause = self.cause();
        let order_id = ORDER;
        match step {
            Placed => {
                let event = placed("DE", &[("TRAY", 10), ("MUG", 1)]);
                reserve(&mut self.book, &self.network, &event, cause)
            }
            Cancelled { was_confirmed } => {
                let event = OrderCancelled {
                    order_id,
                    customer_id: "customer".to_owned(),
                    reason: CancelReason::Customer,
                    detail: "changed my mind".to_owned(),
                    was_confirmed,
                };
                cancel(&mut self.book, &event, cause)
            }
            Voided => {
                let event = PickingListVoided {
                    order_id,
                    picking_list_ids: Vec::new(),
                };
                void(&mut self.book, &event, cause)
            }
            Dispatched(warehouse) => {
                let event = ShipmentDispatched {
                    order_id,
                    customer_id: "customer".to_owned(),
                    shipment_id: Uuid::from_u128(99),
                    warehouse: warehouse.to_owned(),
                    carrier: "SimPost".to_owned(),
                    tracking_number: "SP1".to_owned(),
                    lines: Vec::new(),
                };
                ship(&mut self.book, &event, cause)
            }
        }
    }

    #[track_caller]
    fn tell(&mut self, story: &[Step]) {
        for step in story {
            let events = self
                .step(*step)
                .unwrap_or_else(|reject| panic!("{step:?}: {reject}"));
            if let Some((version, _)) = events.find::<StockReserved>() {
                self.published.push((version, "StockReserved"));
            }
            if let Some((version, _)) = events.find::<StockRejected>() {
                self.published.push((version, "StockRejected"));
            }
            if let Some((version, _)) = events.find::<StockReleased>() {
                self.published.push((version, "StockReleased"));
            }
            self.check_books();
        }
    }

    fn states(&self) -> Vec<(&str, &str)> {
        match self.book.orders.get(&ORDER) {
            Some(Order::Reserved(reservations)) => reservations
                .iter()
                .map(|reservation| (reservation.warehouse.as_str(), reservation.state.as_str()))
                .collect(),
            Some(Order::Rejected) => vec![("-", "rejected")],
            Some(Order::Cancelled) => vec![("-", "cancelled")],
            None => Vec::new(),
        }
    }

    fn level(&self, sku: &str, warehouse: &str) -> (i64, i64) {
        let level = self
            .book
            .stock
            .level(sku, warehouse)
            .expect("the story has put it there");
        (level.on_hand, level.reserved)
    }

    /// Never negative; reserved is what live reservations hold, and what the ledger adds up to.
    #[track_caller]
    fn check_books(&self) {
        let mut held: HashMap<(&str, &str), i64> = HashMap::new();
        for order in self.book.orders.values() {
            if let Order::Reserved(reservations) = order {
                for reservation in reservations.iter().filter(|held| held.state.is_live()) {
                    for (sku, quantity) in reservation.lines() {
                        *held
                            .entry((sku, reservation.warehouse.as_str()))
                            .or_default() += i64::from(quantity);
                    }
                }
            }
        }
        for (sku, level) in self.book.stock.changed_levels() {
            assert!(
                level.on_hand >= 0 && (0..=level.on_hand).contains(&level.reserved),
                "{sku}"
            );
            let held = held
                .get(&(sku, level.warehouse.as_str()))
                .copied()
                .unwrap_or_default();
            assert_eq!(level.reserved, held, "{sku} in {}", level.warehouse);
        }

        let mut booked: HashMap<(&str, &str), i64> = HashMap::new();
        for entry in &self.book.ledger {
            let places = entry.skus.iter().zip(&entry.warehouses);
            for ((sku, warehouse), units) in places.zip(&entry.d_reserved) {
                *booked.entry((sku, warehouse)).or_default() += i64::from(*units);
            }
        }
        for (sku, level) in self.book.stock.changed_levels() {
            let booked = booked
                .get(&(sku, level.warehouse.as_str()))
                .copied()
                .unwrap_or_default();
            assert_eq!(
                level.reserved, booked,
                "ledger of {sku} in {}",
                level.warehouse
            );
        }
    }
}

fn placed(country: &str, lines: &[(&str, i32)]) -> OrderPlaced {
    OrderPlaced {
        order_id: ORDER,
        customer_id: "customer".to_owned(),
        channel: "web".to_owned(),
        external_ref: None,
        lines: lines
            .iter()
            .map(|(sku, quantity)| OrderLine {
                sku: (*sku).to_owned(),
                quantity: *quantity,
                unit_price_minor: 100,
            })
            .collect(),
        currency: "EUR".to_owned(),
        total_minor: 100,
        ship_to: ShipTo {
            name: "A".to_owned(),
            street: "B".to_owned(),
            postal_code: "C".to_owned(),
            city: "D".to_owned(),
            country: country.to_owned(),
        },
    }
}

/// Six trays in each warehouse, so that the order of the stories needs two.
const SPLIT: &[(&str, &str, i64)] = &[
    ("TRAY", "BER", 6),
    ("TRAY", "MAD", 6),
    ("TRAY", "WAW", 6),
    ("MUG", "BER", 9),
];
const EMPTY: &[(&str, &str, i64)] = &[("TRAY", "BER", 6), ("MUG", "BER", 9)];
