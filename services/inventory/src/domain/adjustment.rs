//! What staff changes by hand.

use shared::batch::Events;
use uuid::Uuid;

use super::orders::{Book, LedgerEntry, Reason};

/// A change of units on the shelf that no order caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// Units that came in, at least 1.
    Receipt { quantity: i32 },
    /// What counting found: more or fewer units than the book says.
    Correction { delta: i32 },
}

/// Why a change by hand was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such SKU in that warehouse.
    UnknownLevel,
    /// Units that are promised to orders cannot be written off.
    BelowReserved { on_hand: i64, reserved: i64 },
}

/// Books a receipt or correction, with its reason, in the ledger.
pub fn adjust(
    book: &mut Book,
    sku: &str,
    warehouse: &str,
    adjustment: Adjustment,
    note: String,
    causation_id: Uuid,
) -> Result<Events, Refusal> {
    let level = book
        .stock
        .level(sku, warehouse)
        .ok_or(Refusal::UnknownLevel)?;
    let (reason, delta) = match adjustment {
        Adjustment::Receipt { quantity } => (Reason::Receive, quantity),
        Adjustment::Correction { delta } => (Reason::Correct, delta),
    };
    if level.on_hand + i64::from(delta) < level.reserved {
        let (on_hand, reserved) = (level.on_hand, level.reserved);
        return Err(Refusal::BelowReserved { on_hand, reserved });
    }

    let mut entry = LedgerEntry::new(causation_id, None, reason);
    entry.note = Some(note);
    entry.push(sku, warehouse, delta, 0);
    book.ledger.push(entry);
    Ok(book.stock.move_units(sku, warehouse, delta, 0))
}

/// Changes when the alarm is raised. A level that is below the new threshold raises it now.
pub fn set_threshold(
    book: &mut Book,
    sku: &str,
    warehouse: &str,
    threshold: i64,
) -> Result<Events, Refusal> {
    book.stock
        .level(sku, warehouse)
        .ok_or(Refusal::UnknownLevel)?;

    Ok(book.stock.set_threshold(sku, warehouse, threshold))
}
