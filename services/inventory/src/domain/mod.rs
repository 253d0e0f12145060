//! Who gets which units, and what becomes of them. Pure: no I/O, clock, randomness or SQL.
//!
//! The state of one warehouse's reservation:
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> held : OrderPlaced
//!     held --> released : OrderCancelled (not confirmed), PickingListVoided
//!     held --> releasing : OrderCancelled (was confirmed)
//!     releasing --> released : PickingListVoided
//!     held --> shipped : ShipmentDispatched
//!     releasing --> shipped : ShipmentDispatched (dispatch won the race)
//!     released --> [*]
//!     shipped --> [*]
//! ```
//!
//! `order.events` and `shipment.events` come in any order between each other. Whatever the order,
//! **a cancelled order is acknowledged by exactly one `StockReleased`**, and an event that comes
//! again finds the state it left behind and changes nothing.

mod adjustment;
mod channels;
mod orders;
mod placement;
mod stock;
#[cfg(test)]
mod tests;

use shared::batch::{Decision, Events, Reject};
use shared::contract::inventory::{
    ReleasedLine, ReleasedStock, StockRejected, StockReleased, StockReserved,
};
use shared::contract::order::{OrderCancelled, OrderPlaced};
use shared::contract::shipment::{PickingListVoided, ShipmentDispatched};
use uuid::Uuid;

pub use adjustment::{Adjustment, Refusal, adjust, set_threshold};
pub use channels::{Channel, available_to_sell};
pub use orders::{Book, LedgerEntry, Order, Reason, Reservation, State};
pub use placement::{Network, Position};
pub use stock::{Level, Stock, Told, tell_levels};

use placement::Share;

/// Versions of an order in `inventory.events`: first the answer to `OrderPlaced`, then the answer
/// to `OrderCancelled`, which is the first where the cancellation overtook the order.
const FIRST: i32 = 1;
const SECOND: i32 = 2;

/// Sets every line aside, or refuses the order as a whole.
pub fn reserve(
    book: &mut Book,
    network: &Network,
    placed: &OrderPlaced,
    causation_id: Uuid,
) -> Decision {
    let order_id = placed.order_id;
    if book.orders.contains_key(&order_id) {
        return Ok(Events::none());
    }

    let placement = placement::place(&book.stock, network, &placed.ship_to.country, &placed.lines);
    let placement = match placement {
        Ok(placement) => placement,
        Err(shortfalls) => {
            book.orders.insert(order_id, Order::Rejected);
            return Ok(Events::one(
                FIRST,
                StockRejected {
                    order_id,
                    shortfalls,
                },
            ));
        }
    };

    let mut entry = LedgerEntry::new(causation_id, Some(order_id), Reason::Reserve);
    let mut alarms = Events::none();
    for share in &placement.shares {
        for (sku, quantity) in share.skus.iter().zip(&share.quantities) {
            alarms.extend(book.stock.move_units(sku, &share.warehouse, 0, *quantity));
            entry.push(sku, &share.warehouse, 0, *quantity);
        }
    }
    let allocations = placement.shares.iter().map(Share::allocation).collect();
    let mut reservations: Vec<_> = placement
        .shares
        .into_iter()
        .map(Share::into_reservation)
        .collect();
    // As they are loaded, so that what follows does not depend on whether they were.
    reservations.sort_unstable_by(|a, b| a.warehouse.cmp(&b.warehouse));
    book.ledger.push(entry);
    book.orders.insert(order_id, Order::Reserved(reservations));

    let mut events = Events::one(
        FIRST,
        StockReserved {
            order_id,
            allocations,
            placement: placement.why,
        },
    );
    events.extend(alarms);
    Ok(events)
}

/// Gives the units back, at once where no parcel can be on its way, else when shipment has
/// answered.
pub fn cancel(book: &mut Book, cancelled: &OrderCancelled, causation_id: Uuid) -> Decision {
    let order_id = cancelled.order_id;
    match book.orders.get_mut(&order_id) {
        // Overtook the order: from now on it is refused.
        None => {
            book.orders.insert(order_id, Order::Cancelled);
            Ok(Events::one(
                FIRST,
                StockReleased {
                    order_id,
                    released: Vec::new(),
                },
            ))
        }
        Some(order @ Order::Rejected) => {
            *order = Order::Cancelled;
            Ok(Events::one(
                SECOND,
                StockReleased {
                    order_id,
                    released: Vec::new(),
                },
            ))
        }
        Some(Order::Cancelled) => Ok(Events::none()),
        Some(Order::Reserved(reservations)) => {
            // The first parcel is the pivot of the whole order: the rest follows it.
            if reservations
                .iter()
                .any(|reservation| reservation.state == State::Shipped)
            {
                return Ok(Events::none());
            }
            if !cancelled.was_confirmed {
                return Ok(release(book, order_id, causation_id));
            }
            for reservation in reservations {
                if reservation.state == State::Held {
                    reservation.state = State::Releasing;
                }
            }
            Ok(Events::none())
        }
    }
}

/// Nothing leaves any more, so the units are free. Shipment voids cancelled orders only.
///
/// Of an order that is not known yet, or that holds nothing, there is nothing to give back. It was
/// never confirmed, since that takes our `StockReserved`; so its cancellation releases at once, and
/// acknowledges.
pub fn void(book: &mut Book, voided: &PickingListVoided, causation_id: Uuid) -> Decision {
    let order_id = voided.order_id;
    match book.orders.get(&order_id) {
        None | Some(Order::Rejected | Order::Cancelled) => Ok(Events::none()),
        Some(Order::Reserved(reservations)) => {
            if reservations
                .iter()
                .any(|reservation| reservation.state == State::Shipped)
            {
                return Err(Reject::new(
                    "voided-after-dispatch",
                    format!("a parcel of order {order_id} left before its picking was voided"),
                ));
            }
            Ok(release(book, order_id, causation_id))
        }
    }
}

/// The parcel left: its units are neither here nor reserved any more.
pub fn ship(book: &mut Book, dispatched: &ShipmentDispatched, causation_id: Uuid) -> Decision {
    let order_id = dispatched.order_id;
    let warehouse = &dispatched.warehouse;
    let reservation = match book.orders.get_mut(&order_id) {
        Some(Order::Reserved(reservations)) => reservations
            .iter_mut()
            .find(|reservation| &reservation.warehouse == warehouse),
        None | Some(Order::Rejected | Order::Cancelled) => None,
    };
    let Some(reservation) = reservation else {
        return Err(Reject::new(
            "dispatched-without-reservation",
            format!("order {order_id} holds nothing in warehouse {warehouse}"),
        ));
    };
    match reservation.state {
        State::Shipped => Ok(Events::none()),
        State::Released => Err(Reject::new(
            "dispatched-after-release",
            format!("order {order_id} had given its units in warehouse {warehouse} back"),
        )),
        State::Held | State::Releasing => {
            let mut entry = LedgerEntry::new(causation_id, Some(order_id), Reason::Ship);
            let mut alarms = Events::none();
            for (sku, quantity) in reservation.lines() {
                alarms.extend(book.stock.move_units(sku, warehouse, -quantity, -quantity));
                entry.push(sku, warehouse, -quantity, -quantity);
            }
            reservation.state = State::Shipped;
            book.ledger.push(entry);
            Ok(alarms)
        }
    }
}

/// Frees what the order still holds. Nothing, and no second acknowledgement, where all was freed.
fn release(book: &mut Book, order_id: Uuid, causation_id: Uuid) -> Events {
    let Some(Order::Reserved(reservations)) = book.orders.get_mut(&order_id) else {
        return Events::none();
    };
    let mut entry = LedgerEntry::new(causation_id, Some(order_id), Reason::Release);
    let mut released = Vec::new();
    let mut alarms = Events::none();
    for reservation in reservations
        .iter_mut()
        .filter(|reservation| reservation.state.is_live())
    {
        for (sku, quantity) in reservation.lines() {
            alarms.extend(
                book.stock
                    .move_units(sku, &reservation.warehouse, 0, -quantity),
            );
            entry.push(sku, &reservation.warehouse, 0, -quantity);
        }
        released.push(ReleasedStock {
            warehouse: reservation.warehouse.clone(),
            lines: reservation
                .lines()
                .map(|(sku, quantity)| ReleasedLine {
                    sku: sku.to_owned(),
                    quantity,
                })
                .collect(),
        });
        reservation.state = State::Released;
    }
    if released.is_empty() {
        return Events::none();
    }
    book.ledger.push(entry);
    let mut events = Events::one(SECOND, StockReleased { order_id, released });
    events.extend(alarms);
    events
}
