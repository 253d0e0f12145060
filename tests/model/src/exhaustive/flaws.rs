//! What no single decision may do.

use inventory::domain::{Book, Stock};
use order::domain::state::{Saga, State};
use shared::batch::Reject;

use crate::scene::{SKU, WAREHOUSES};

/// A law that a decision broke. It stays visible in every state that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flaw {
    /// A record of our own making became a dead letter.
    Refused {
        by: &'static str,
        code: &'static str,
    },
    IllegalTransition {
        from: State,
        to: State,
    },
    /// Units moved without a line in the ledger, or otherwise than it says.
    LedgerDiffers,
    StockImpossible,
    /// Versions of one aggregate are 1, 2, 3 …
    VersionGap,
}

impl Flaw {
    pub(super) fn refused(by: &'static str, reject: &Reject) -> Self {
        Self::Refused {
            by,
            code: reject.code,
        }
    }
}

/// Whither each state may lead.
const LEGAL: &[(State, State)] = &[
    (State::Pending, State::Confirmed),
    (State::Pending, State::Cancelling),
    (State::Pending, State::Shipped),
    (State::Confirmed, State::Cancelling),
    (State::Confirmed, State::Shipped),
    (State::Cancelling, State::Cancelled),
    (State::Cancelling, State::Shipped),
    (State::Shipped, State::Completed),
];

pub(super) fn of_saga(before: &Saga, after: &Saga) -> Option<Flaw> {
    let (from, to) = (before.state, after.state);
    let legal = from == to || LEGAL.contains(&(from, to));
    (!legal).then_some(Flaw::IllegalTransition { from, to })
}

pub(super) fn of_book(before: &Stock, book: &Book) -> Option<Flaw> {
    for warehouse in WAREHOUSES {
        let level = |stock: &Stock| {
            let level = stock.level(SKU, warehouse);
            level.map_or((0, 0), |level| (level.on_hand, level.reserved))
        };
        let (was, is) = (level(before), level(&book.stock));
        if is.0 < 0 || is.1 < 0 || is.1 > is.0 {
            return Some(Flaw::StockImpossible);
        }
        let (mut on_hand, mut reserved) = was;
        for entry in &book.ledger {
            for (at, place) in entry.warehouses.iter().enumerate() {
                if place == warehouse {
                    on_hand += i64::from(entry.d_on_hand[at]);
                    reserved += i64::from(entry.d_reserved[at]);
                }
            }
        }
        if is != (on_hand, reserved) {
            return Some(Flaw::LedgerDiffers);
        }
    }
    None
}
