//! What an order holds, and the changes that a batch makes.

use std::collections::HashMap;

use uuid::Uuid;

use super::stock::Stock;

/// How an order that was seen stands. One that was not is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// One per warehouse, at least one.
    Reserved(Vec<Reservation>),
    /// Refused for want of stock; its cancellation is still to come.
    Rejected,
    /// Cancelled while it held nothing, and acknowledged.
    Cancelled,
}

/// The share of an order that one warehouse set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub warehouse: String,
    pub state: State,
    pub skus: Vec<String>,
    pub quantities: Vec<i32>,
    /// The state in the database; `None` while it is not there.
    pub saved: Option<State>,
}

impl Reservation {
    pub fn lines(&self) -> impl Iterator<Item = (&str, i32)> {
        self.skus
            .iter()
            .map(String::as_str)
            .zip(self.quantities.iter().copied())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Held,
    /// Cancelled after it was confirmed: shipment has yet to say whether the parcel is gone.
    Releasing,
    Released,
    Shipped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Shipped => "shipped",
        }
    }

    pub fn parse(state: &str) -> Option<Self> {
        [Self::Held, Self::Releasing, Self::Released, Self::Shipped]
            .into_iter()
            .find(|known| known.as_str() == state)
    }

    /// Its units are counted as reserved.
    pub fn is_live(self) -> bool {
        match self {
            Self::Held | Self::Releasing => true,
            Self::Released | Self::Shipped => false,
        }
    }
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Reserve,
    Release,
    Ship,
    Receive,
    Correct,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Ship => "ship",
            Self::Receive => "receive",
            Self::Correct => "correct",
        }
    }
}

/// One row of the ledger: every change that one event or request made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The event or request behind the change.
    pub causation_id: Uuid,
    pub order_id: Option<Uuid>,
    pub reason: Reason,
    /// Why, in the words of the staff.
    pub note: Option<String>,
    pub skus: Vec<String>,
    pub warehouses: Vec<String>,
    pub d_on_hand: Vec<i32>,
    pub d_reserved: Vec<i32>,
}

impl LedgerEntry {
    pub(super) fn new(causation_id: Uuid, order_id: Option<Uuid>, reason: Reason) -> Self {
        Self {
            causation_id,
            order_id,
            reason,
            note: None,
            skus: Vec::new(),
            warehouses: Vec::new(),
            d_on_hand: Vec::new(),
            d_reserved: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, sku: &str, warehouse: &str, d_on_hand: i32, d_reserved: i32) {
        self.skus.push(sku.to_owned());
        self.warehouses.push(warehouse.to_owned());
        self.d_on_hand.push(d_on_hand);
        self.d_reserved.push(d_reserved);
    }
}

/// The loaded state of a batch. **No unit moves without a line in the ledger.**
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    pub orders: HashMap<Uuid, Order>,
    pub stock: Stock,
    pub ledger: Vec<LedgerEntry>,
}

impl Book {
    pub fn new(orders: HashMap<Uuid, Order>, stock: Stock) -> Self {
        Self {
            orders,
            stock,
            ledger: Vec::new(),
        }
    }
}
