//! What the order's events decide. They come from two topics, so in any order, and maybe again.

use chrono::{DateTime, Utc};
use shared::batch::{Decision, Events, Reject};
use shared::contract::inventory::{StockAllocation, StockReserved};
use shared::contract::order::OrderPlaced;
use shared::contract::shipment::{PickingLine, PickingListCreated, PickingListVoided};
use uuid::Uuid;

use super::{Fulfilment, Line, PickingList, Placed, State};

/// The destination is known.
pub fn place(
    fulfilment: &mut Fulfilment,
    event: &OrderPlaced,
    now: DateTime<Utc>,
    new_id: impl FnMut() -> Uuid,
) -> Decision {
    let ship_to = &event.ship_to;
    storable("customer_id", &event.customer_id)?;
    for (field, value) in [
        ("ship_to.name", &ship_to.name),
        ("ship_to.street", &ship_to.street),
        ("ship_to.postal_code", &ship_to.postal_code),
        ("ship_to.city", &ship_to.city),
        ("ship_to.country", &ship_to.country),
    ] {
        storable(field, value)?;
    }
    if fulfilment.cancelled_at.is_some() || fulfilment.placed.is_some() {
        return Ok(Events::none());
    }

    fulfilment.placed = Some(Placed {
        customer_id: event.customer_id.clone(),
        ship_to: ship_to.clone(),
    });
    Ok(draft(fulfilment, now, new_id))
}

/// What each warehouse picks is known.
pub fn allocate(
    fulfilment: &mut Fulfilment,
    event: &StockReserved,
    now: DateTime<Utc>,
    new_id: impl FnMut() -> Uuid,
) -> Decision {
    pickable(&event.allocations)?;
    let known = fulfilment.allocations.is_some() || !fulfilment.lists.is_empty();
    if fulfilment.cancelled_at.is_some() || known {
        return Ok(Events::none());
    }

    fulfilment.allocations = Some(event.allocations.clone());
    Ok(draft(fulfilment, now, new_id))
}

/// The warehouses may begin. Lists that do not exist yet will be released as they are drafted.
pub fn confirm(
    fulfilment: &mut Fulfilment,
    traceparent: Option<String>,
    now: DateTime<Utc>,
) -> Decision {
    if fulfilment.cancelled_at.is_some() || fulfilment.confirmed {
        return Ok(Events::none());
    }

    fulfilment.confirmed = true;
    fulfilment.traceparent = traceparent;
    for list in &mut fulfilment.lists {
        list.enter(State::Released, now);
    }
    Ok(Events::none())
}

/// Void everything, unless a parcel has left. A cancellation that lost against a dispatch gets no
/// answer of its own: the `ShipmentDispatched` that beat it is the answer.
pub fn cancel(fulfilment: &mut Fulfilment, now: DateTime<Utc>) -> Decision {
    if fulfilment.cancelled_at.is_some() || fulfilment.past_the_pivot() {
        return Ok(Events::none());
    }

    fulfilment.cancelled_at = Some(now);
    fulfilment.allocations = None;
    for list in &mut fulfilment.lists {
        list.enter(State::Void, now);
    }
    let voided = PickingListVoided {
        order_id: fulfilment.order_id,
        picking_list_ids: fulfilment
            .lists
            .iter()
            .map(|list| list.id.to_string())
            .collect(),
    };
    Ok(Events::one(fulfilment.next_version(), voided))
}

/// One list per warehouse, as soon as both the destination and the allocation are known.
fn draft(
    fulfilment: &mut Fulfilment,
    now: DateTime<Utc>,
    mut new_id: impl FnMut() -> Uuid,
) -> Events {
    let mut events = Events::none();
    if fulfilment.placed.is_none() {
        return events;
    }
    for allocation in fulfilment.allocations.take().unwrap_or_default() {
        let lines: Vec<_> = allocation
            .lines
            .into_iter()
            .map(|line| Line {
                sku: line.sku,
                quantity: line.quantity,
            })
            .collect();
        let list = PickingList {
            id: new_id(),
            warehouse: allocation.warehouse,
            lines,
            state: if fulfilment.confirmed {
                State::Released
            } else {
                State::Draft
            },
            created_at: now,
            changed_at: now,
            attempts: 0,
            retry_at: None,
            failure: None,
        };
        let created = PickingListCreated {
            order_id: fulfilment.order_id,
            picking_list_id: list.id,
            warehouse: list.warehouse.clone(),
            lines: list
                .lines
                .iter()
                .map(|line| PickingLine {
                    sku: line.sku.clone(),
                    quantity: line.quantity,
                })
                .collect(),
        };
        events.push(fulfilment.next_version(), created);
        fulfilment.lists.push(list);
    }
    events
}

/// What could never become lists.
fn pickable(allocations: &[StockAllocation]) -> Result<(), Reject> {
    let unpickable = |detail: String| Err(Reject::new("allocation-not-pickable", detail));
    if allocations.is_empty() {
        return unpickable("no warehouse is named".to_owned());
    }
    for (index, allocation) in allocations.iter().enumerate() {
        let warehouse = &allocation.warehouse;
        storable("warehouse", warehouse)?;
        if allocations[..index]
            .iter()
            .any(|earlier| earlier.warehouse == *warehouse)
        {
            return unpickable(format!("warehouse {warehouse} is named twice"));
        }
        if allocation.lines.is_empty() {
            return unpickable(format!("warehouse {warehouse} has nothing to pick"));
        }
        for line in &allocation.lines {
            storable("sku", &line.sku)?;
            if line.quantity < 1 {
                return unpickable(format!("{} units of {}", line.quantity, line.sku));
            }
        }
    }
    Ok(())
}

/// Postgres refuses a zero character in text, and would refuse the whole batch with it.
fn storable(field: &str, value: &str) -> Result<(), Reject> {
    if value.contains('\0') {
        return Err(Reject::new(
            "text-not-storable",
            format!("{field} has a zero character"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, id, now, order_id, story, unknown};
    use super::*;

    #[test]
    fn lists_are_drafted_once_both_halves_are_known_in_any_order() {
        for told in [
            vec![Told::Placed, Told::Reserved(&["BER", "MAD"])],
            vec![Told::Reserved(&["BER", "MAD"]), Told::Placed],
        ] {
            let (fulfilment, events) = story(&told);

            assert_eq!(
                events,
                ["1 PickingListCreated", "2 PickingListCreated"],
                "{told:?}"
            );
            assert_eq!(fulfilment.lists.len(), 2);
            assert_eq!(fulfilment.lists[0].warehouse, "BER");
            assert_eq!(fulfilment.lists[1].warehouse, "MAD");
            assert!(
                fulfilment
                    .lists
                    .iter()
                    .all(|list| list.state == State::Draft)
            );
            assert_eq!(fulfilment.allocations, None);
        }
    }

    #[track_caller]
    fn check(told: &[Told], states: &[&str], expected: &[&str]) {
        let (fulfilment, events) = story(told);
        let seen: Vec<_> = fulfilment
            .lists
            .iter()
            .map(|list| list.state.name())
            .collect();
        assert_eq!(seen, states, "{told:?}");
        assert_eq!(events, expected, "{told:?}");
    }

    #[test]
    fn a_confirmation_releases_the_lists_whenever_it_comes() {
        use Told::{Confirmed, Placed, Reserved};
        let berlin = Reserved(&["BER"]);
        let created = ["1 PickingListCreated"];
        check(&[Placed, berlin, Confirmed], &["released"], &created);
        check(&[Confirmed, Placed, berlin], &["released"], &created);
        check(&[Placed, Confirmed, berlin], &["released"], &created);
        check(&[berlin, Confirmed, Placed], &["released"], &created);
    }

    #[test]
    fn a_cancellation_voids_everything_and_is_answered_once() {
        use Told::{Cancelled, Confirmed, Packed, Picked, Placed, Reserved};
        let both = Reserved(&["BER", "MAD"]);
        let answers = [
            "1 PickingListCreated",
            "2 PickingListCreated",
            "3 PickingListVoided",
        ];
        check(&[Placed, both, Cancelled], &["void", "void"], &answers);
        check(
            &[Placed, both, Confirmed, Cancelled, Cancelled],
            &["void", "void"],
            &answers,
        );
        check(
            &[
                Placed,
                both,
                Confirmed,
                Picked(0),
                Picked(1),
                Packed(1),
                Cancelled,
            ],
            &["void", "void"],
            &answers,
        );
    }

    #[test]
    fn a_cancellation_that_comes_first_leaves_a_tombstone() {
        use Told::{Cancelled, Confirmed, Placed, Reserved};
        let both = Reserved(&["BER", "MAD"]);
        let only = ["1 PickingListVoided"];
        check(&[Cancelled], &[], &only);
        check(&[Cancelled, Placed, both, Confirmed], &[], &only);
        check(&[Placed, Cancelled, both, Confirmed, Cancelled], &[], &only);
        check(&[both, Cancelled, Placed], &[], &only);
    }

    #[test]
    fn the_first_dispatch_refuses_a_cancellation_of_the_whole_order() {
        use Told::{Cancelled, Confirmed, Delivered, Dispatched, Packed, Picked, Placed, Reserved};
        let before = [
            Placed,
            Reserved(&["BER", "MAD"]),
            Confirmed,
            Picked(0),
            Packed(0),
        ];
        let answers = [
            "1 PickingListCreated",
            "2 PickingListCreated",
            "3 ShipmentDispatched",
        ];
        check(
            &[&before[..], &[Dispatched(0), Cancelled, Cancelled]].concat(),
            &["dispatched", "released"],
            &answers,
        );
        check(
            &[
                &before[..],
                &[Dispatched(0), Delivered(0), Cancelled],
                &[Picked(1), Packed(1), Dispatched(1)],
            ]
            .concat(),
            &["delivered", "dispatched"],
            &[
                &answers[..],
                &["4 ShipmentDelivered", "5 ShipmentDispatched"],
            ]
            .concat(),
        );
    }

    #[test]
    fn events_that_come_again_have_no_second_effect() {
        use Told::{Cancelled, Confirmed, Dispatched, Packed, Picked, Placed, Reserved};
        let berlin = Reserved(&["BER"]);
        let stories: [&[Told]; 3] = [
            &[Placed, berlin, Confirmed],
            &[
                Placed,
                berlin,
                Confirmed,
                Picked(0),
                Packed(0),
                Dispatched(0),
            ],
            &[berlin, Confirmed, Placed, Picked(0), Cancelled],
        ];
        for told in stories {
            let (once, events) = story(told);
            let (again, events_again) = story(&[told, told].concat());
            assert_eq!((again, events_again), (once, events), "{told:?}");
        }
    }

    #[test]
    fn an_allocation_that_cannot_be_picked_is_rejected_and_leaves_no_trace() {
        let lines = |quantity| {
            vec![shared::contract::inventory::AllocatedLine {
                sku: "MUG".to_owned(),
                quantity,
            }]
        };
        let at = |warehouse: &str, lines| StockAllocation {
            warehouse: warehouse.to_owned(),
            lines,
        };
        for (allocations, code) in [
            (vec![], "allocation-not-pickable"),
            (vec![at("BER", vec![])], "allocation-not-pickable"),
            (vec![at("BER", lines(0))], "allocation-not-pickable"),
            (
                vec![at("BER", lines(1)), at("BER", lines(1))],
                "allocation-not-pickable",
            ),
            (vec![at("B\0R", lines(1))], "text-not-storable"),
        ] {
            let mut fulfilment = unknown();
            let reserved = StockReserved {
                order_id: order_id(),
                allocations,
                placement: String::new(),
            };

            let decided = allocate(&mut fulfilment, &reserved, now(), || id(1));

            assert_eq!(decided.map(|_| ()).map_err(|reject| reject.code), Err(code));
            assert_eq!(fulfilment, unknown());
        }
    }
}
