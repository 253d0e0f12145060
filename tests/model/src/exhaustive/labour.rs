//! What shipment does with an order and its lists.

use shared::batch::Events;
use shipment::domain::{Fulfilment, Label};
use uuid::Uuid;

use super::decisions::{id_of, parts};
use super::flaws::Flaw;
use super::known::Known;
use crate::facts::Told;
use crate::readers::{for_shipment, received};
use crate::scene::START;

/// What makes shipment decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Labour {
    Read(Known<Told>),
    /// Picking and packing: nobody outside can tell the one from the other.
    Pack(usize),
    Dispatch(usize),
    /// The carrier does not take the parcel.
    Refuse(usize),
    Deliver(usize),
}

pub(super) fn work(fulfilment: &mut Fulfilment, labour: Labour) -> (Events, Option<Flaw>) {
    use shipment::domain::{deliver, dispatch, pack, pick, refuse};

    let id = |fulfilment: &Fulfilment, list: usize| fulfilment.lists[list].id;
    // A list that is not ready for a step is left as it is, and staff is told so.
    let events = match labour {
        Labour::Read(told) => {
            let incoming = for_shipment(&told.fact).expect("shipment reads it");
            let received = received(incoming, told.value(), id_of(told), START);
            let base = fulfilment.order_id.as_u128() << 64;
            let mut lists = fulfilment.lists.len() as u128;
            let new_id = || {
                lists += 1;
                Uuid::from_u128(base + lists)
            };
            let decided = shipment::event_handlers::decide(fulfilment, &received, START, new_id);
            return parts("shipment", decided);
        }
        Labour::Pack(list) => {
            let id = id(fulfilment, list);
            pick(fulfilment, id, START).and_then(|_| pack(fulfilment, id, START))
        }
        Labour::Dispatch(list) => {
            let label = Label {
                carrier: "simpost",
                tracking_number: format!("SP{list}"),
            };
            // One parcel per list, so it may share its id.
            let id = id(fulfilment, list);
            dispatch(fulfilment, id, &label, id, START)
        }
        Labour::Refuse(list) => {
            let id = id(fulfilment, list);
            refuse(fulfilment, id, "simpost", "not served", START)
        }
        Labour::Deliver(list) => deliver(fulfilment, id(fulfilment, list), START),
    };
    (events.unwrap_or_default(), None)
}
