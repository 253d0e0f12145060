//! Every way to spoil a record, by what is wrong with it.

mod avro;
mod domain;
mod frame;
mod headers;
mod times;

use super::{Draw, Fate, Kind, Record};
use Fate::{DeadLetter, DeadLetters, Nothing};

/// At least one event of every topic and for every consumer.
const EVERY: &[&str] = &[
    "OrderPlaced",
    "TransactionCreated",
    "StockReserved",
    "LowStock",
    "TransactionApproved",
    "ShipmentDispatched",
    "NotificationSent",
];
const PLACED: &[&str] = &["OrderPlaced"];
const TRANSACTION: &[&str] = &["TransactionCreated"];
const CANCELLED: &[&str] = &["OrderCancelled"];
const COMPLETED: &[&str] = &["OrderCompleted"];
const RESERVED: &[&str] = &["StockReserved"];
const LOW: &[&str] = &["LowStock"];
const APPROVED: &[&str] = &["TransactionApproved"];
const VOIDED: &[&str] = &["PickingListVoided"];
/// Its reader has nothing to do with it, so what is odd about it can be seen to do no harm.
const SENT: &[&str] = &["NotificationSent"];

/// All of them. Names are unique.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    [
        frame::KINDS,
        avro::KINDS,
        headers::KINDS,
        times::KINDS,
        domain::KINDS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn there_are_many_kinds_and_each_has_a_name_of_its_own() {
        let names: HashSet<_> = super::all().map(|kind| kind.name).collect();

        assert_eq!(names.len(), super::all().count());
        assert!(names.len() >= 60, "{}", names.len());
    }
}
