//! What is known about a transaction, and what is decided about it.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> approved: score below the hold score
//!     [*] --> held: score from the hold score on, or an amount above 5,000.00
//!     [*] --> blocked: score from the block score on, or a holder on the block list
//!     [*] --> pending: the card needs the bureau's answer
//!     [*] --> closed: the order was cancelled before
//!     pending --> approved
//!     pending --> held
//!     pending --> blocked
//!     pending --> closed: the order was cancelled
//!     held --> approved: a reviewer
//!     held --> blocked: a reviewer
//!     held --> closed: the order was cancelled
//! ```
//!
//! How to reach each from outside:
//!
//! | order | verdict |
//! | --- | --- |
//! | up to 500.00, a few items, a fresh customer | approved |
//! | card token `tok_stolen`, or customer `mallory` | blocked |
//! | above 1,200.00 and below 10,000.00, a customer with little history | held |
//! | card token `tok_slow_stolen` | blocked, once the bureau has answered |
//! | any other card token `tok_slow_…` | as without the bureau, once it has answered |
//!
//! Amounts are compared in minor units as they are; the suite's price list has one currency.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub mod history;
mod judge;
pub mod review;
#[cfg(test)]
mod tests;

use history::{History, Velocity};
pub use judge::{answer, close, judge, take_in};

/// How a score becomes a verdict.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub hold: f64,
    pub block: f64,
    pub bureau_takes: TimeDelta,
}

/// A charge, as it was created.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    pub id: Uuid,
    pub order_id: Uuid,
    pub customer_id: String,
    pub card: String,
    pub amount_minor: i64,
    pub currency: String,
    pub country: String,
    pub channel: String,
    pub item_count: i32,
    pub occurred_at: DateTime<Utc>,
}

/// Whose behaviour a window describes, and who can be on the block list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    Card(String),
    Customer(String),
}

impl Holder {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Card(_) => "card",
            Self::Customer(_) => "customer",
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Card(name) | Self::Customer(name) => name,
        }
    }
}

/// What the model is told about a transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    pub amount_minor: i64,
    pub item_count: i32,
    pub country: String,
    /// Before this transaction.
    pub customer: Velocity,
    pub card: Velocity,
}

/// What the model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// From 0 (no risk) to 1 (certain).
    pub value: f64,
    pub model_version: String,
    /// Strongest first.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The bureau's answer is awaited.
    Pending {
        due_at: DateTime<Utc>,
        origin: Origin,
    },
    Approved,
    Blocked,
    /// A reviewer has to decide.
    Held {
        origin: Origin,
    },
    /// The order was cancelled before anybody had to decide.
    Closed,
}

impl Verdict {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Approved => "approved",
            Self::Blocked => "blocked",
            Self::Held { .. } => "held",
            Self::Closed => "closed",
        }
    }

    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Pending { due_at, .. } => Some(*due_at),
            Self::Approved | Self::Blocked | Self::Held { .. } | Self::Closed => None,
        }
    }

    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Pending { origin, .. } | Self::Held { origin } => Some(origin),
            Self::Approved | Self::Blocked | Self::Closed => None,
        }
    }
}

/// The event a judgement began with: what a later verdict is caused by, and whose trace it
/// continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub event_id: Uuid,
    pub traceparent: Option<String>,
}

/// The aggregate: what stands about the transaction of one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub transaction_id: Uuid,
    pub order_id: Uuid,
    pub verdict: Verdict,
    pub score: Score,
    /// `model`, `bureau`, or the reviewer's subject.
    pub decided_by: String,
    /// Events published about this order so far.
    pub version: i32,
    pub decided_at: DateTime<Utc>,
}

/// Everything a batch touches, as loaded and then as decided.
#[derive(Debug, Default)]
pub struct Docket {
    pub histories: BTreeMap<Holder, History>,
    /// By order.
    pub judgements: BTreeMap<Uuid, Judgement>,
    /// Orders whose cancellation came first.
    pub tombstones: BTreeSet<Uuid>,
    /// With the reason.
    pub blocked: HashMap<Holder, String>,

    /// New in this batch, in order.
    pub transactions: Vec<Transaction>,
    /// Orders whose judgement is new or other than loaded.
    pub changed: BTreeSet<Uuid>,
    /// Orders whose tombstone is new.
    pub buried: BTreeSet<Uuid>,

    transaction_of: HashMap<Uuid, Uuid>,
    order_of: HashMap<Uuid, Uuid>,
}

impl Docket {
    pub fn new(judgements: Vec<Judgement>, tombstones: BTreeSet<Uuid>) -> Self {
        let mut docket = Self {
            tombstones,
            ..Self::default()
        };
        for judgement in judgements {
            docket
                .transaction_of
                .insert(judgement.order_id, judgement.transaction_id);
            docket
                .order_of
                .insert(judgement.transaction_id, judgement.order_id);
            docket.judgements.insert(judgement.order_id, judgement);
        }
        docket
    }

    fn keep(&mut self, judgement: Judgement) {
        self.changed.insert(judgement.order_id);
        self.judgements.insert(judgement.order_id, judgement);
    }
}
