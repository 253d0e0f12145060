//! What the warehouse does with a list, step by step.
//!
//! A step that was done already is done: it changes nothing and succeeds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::batch::Events;
use shared::contract::shipment::{
    DispatchedLine, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use uuid::Uuid;

use super::{Fulfilment, Parcel, PickingList, State};

/// A carrier that was asked in vain is asked again after this long, then twice as long, …
const RETRY_DELAY_MIN: Duration = Duration::from_secs(1);
/// … but at least this often: after the pivot there is no other way than forward.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(64);

/// What a list is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Pick,
    Pack,
    Dispatch,
    Deliver,
}

/// The list is in no state for this step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("picking list {list_id} is {state}: {advice}")]
pub struct NotReady {
    pub step: Step,
    list_id: Uuid,
    state: &'static str,
    advice: &'static str,
}

/// The carrier's promise to take a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub carrier: &'static str,
    pub tracking_number: String,
}

pub fn pick(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let list = list(fulfilment, list_id);
    match list.state {
        State::Released => {
            list.enter(State::Picked, now);
            Ok(Events::none())
        }
        State::Picked | State::Packed | State::Dispatched(_) | State::Delivered(..) => {
            Ok(Events::none())
        }
        State::Draft | State::Void => Err(not_ready(list, Step::Pick)),
    }
}

pub fn pack(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let list = list(fulfilment, list_id);
    match list.state {
        State::Picked => {
            list.enter(State::Packed, now);
            Ok(Events::none())
        }
        State::Packed | State::Dispatched(_) | State::Delivered(..) => Ok(Events::none()),
        State::Draft | State::Released | State::Void => Err(not_ready(list, Step::Pack)),
    }
}

/// Whether a label is worth booking; `false` when the parcel has left already.
pub fn ready_to_dispatch(list: &PickingList) -> Result<bool, NotReady> {
    match list.state {
        State::Packed => Ok(true),
        State::Dispatched(_) | State::Delivered(..) => Ok(false),
        State::Draft | State::Released | State::Picked | State::Void => {
            Err(not_ready(list, Step::Dispatch))
        }
    }
}

/// The parcel leaves, under the label that was booked for it. The first one is the order's pivot.
pub fn dispatch(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    label: &Label,
    shipment_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let order_id = fulfilment.order_id;
    let customer_id = fulfilment
        .placed
        .as_ref()
        .map(|placed| placed.customer_id.clone());
    let list = list(fulfilment, list_id);
    if !ready_to_dispatch(list)? {
        return Ok(Events::none());
    }

    let parcel = Parcel {
        shipment_id,
        carrier: label.carrier.to_owned(),
        tracking_number: label.tracking_number.clone(),
        dispatched_at: now,
    };
    let dispatched = ShipmentDispatched {
        order_id,
        customer_id: customer_id.expect("a list is drafted only once the order is known"),
        shipment_id,
        warehouse: list.warehouse.clone(),
        carrier: parcel.carrier.clone(),
        tracking_number: parcel.tracking_number.clone(),
        lines: list
            .lines
            .iter()
            .map(|line| DispatchedLine {
                sku: line.sku.clone(),
                quantity: line.quantity,
            })
            .collect(),
    };
    list.enter(State::Dispatched(parcel), now);
    list.failure = None;
    Ok(Events::one(fulfilment.next_version(), dispatched))
}

/// The carrier does not take the parcel.
///
/// Before the pivot the order is told, once per list, and will be cancelled; after it somebody has
/// to find another way, so the list stays on the work list with the reason.
pub fn refuse(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    carrier: &'static str,
    detail: &str,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let (order_id, past_the_pivot) = (fulfilment.order_id, fulfilment.past_the_pivot());
    let list = list(fulfilment, list_id);
    if !ready_to_dispatch(list)? {
        return Ok(Events::none());
    }

    retry_later(list, now);
    let known = list.failure.replace(detail.to_owned()).is_some();
    if known || past_the_pivot {
        return Ok(Events::none());
    }
    let failed = ShipmentFailed {
        order_id,
        warehouse: list.warehouse.clone(),
        carrier: carrier.to_owned(),
        detail: detail.to_owned(),
    };
    Ok(Events::one(fulfilment.next_version(), failed))
}

/// The carrier did not answer: only time can tell.
pub fn put_off(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let list = list(fulfilment, list_id);
    if ready_to_dispatch(list)? {
        retry_later(list, now);
    }
    Ok(Events::none())
}

pub fn deliver(
    fulfilment: &mut Fulfilment,
    list_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Events, NotReady> {
    let order_id = fulfilment.order_id;
    let list = list(fulfilment, list_id);
    let parcel = match &list.state {
        State::Dispatched(parcel) => parcel.clone(),
        State::Delivered(..) => return Ok(Events::none()),
        State::Draft | State::Released | State::Picked | State::Packed | State::Void => {
            return Err(not_ready(list, Step::Deliver));
        }
    };

    let delivered = ShipmentDelivered {
        order_id,
        shipment_id: parcel.shipment_id,
        warehouse: list.warehouse.clone(),
    };
    list.enter(State::Delivered(parcel, now), now);
    Ok(Events::one(fulfilment.next_version(), delivered))
}

fn list(fulfilment: &mut Fulfilment, list_id: Uuid) -> &mut PickingList {
    let mut lists = fulfilment.lists.iter_mut();
    lists
        .find(|list| list.id == list_id)
        .expect("a list is looked up with its own order")
}

fn retry_later(list: &mut PickingList, now: DateTime<Utc>) {
    let doublings = list.attempts.clamp(0, 6).unsigned_abs();
    list.retry_at = Some(now + (RETRY_DELAY_MIN * 2_u32.pow(doublings)).min(RETRY_DELAY_MAX));
    list.attempts = list.attempts.saturating_add(1);
}

fn not_ready(list: &PickingList, step: Step) -> NotReady {
    let advice = match list.state {
        State::Draft => "its order is not confirmed yet, and the list is released once it is",
        State::Released => "pick it first",
        State::Picked => "pack it first",
        State::Packed => "dispatch it first",
        State::Dispatched(_) | State::Delivered(..) => "nothing is left to do before that",
        State::Void => "its order was cancelled, so put the goods back",
    };
    NotReady {
        step,
        list_id: list.id,
        state: list.state.name(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, label, later, now, story};
    use super::*;

    use Told::{Cancelled, Confirmed, Delivered, Dispatched, Packed, Picked, Placed, Reserved};

    const RELEASED: [Told; 3] = [Placed, Reserved(&["BER", "MAD"]), Confirmed];

    #[track_caller]
    fn check(told: &[Told], step: Step, expected: Result<&str, &str>) {
        let (mut fulfilment, _) = story(told);
        let before = fulfilment.clone();
        let id = fulfilment.lists[0].id;

        let decided = match step {
            Step::Pick => pick(&mut fulfilment, id, now()),
            Step::Pack => pack(&mut fulfilment, id, now()),
            Step::Dispatch => dispatch(&mut fulfilment, id, &label(), id, now()),
            Step::Deliver => deliver(&mut fulfilment, id, now()),
        };

        match (decided, expected) {
            (Ok(_), Ok(state)) => assert_eq!(fulfilment.lists[0].state.name(), state, "{told:?}"),
            (Err(error), Err(advice)) => {
                assert!(error.to_string().contains(advice), "{error}");
                assert_eq!(fulfilment, before, "a refused step leaves no trace");
            }
            (decided, expected) => {
                panic!(
                    "{told:?} {step:?}: {:?}, not {expected:?}",
                    decided.map(|e| e.types())
                );
            }
        }
    }

    #[test]
    fn a_list_is_picked_packed_dispatched_and_delivered_in_this_order() {
        let done = [Picked(0), Packed(0), Dispatched(0), Delivered(0)];
        for (count, reached) in ["released", "picked", "packed", "dispatched", "delivered"]
            .into_iter()
            .enumerate()
        {
            let told = [&RELEASED[..], &done[..count]].concat();
            for (index, (step, state, advice)) in [
                (Step::Pick, "picked", ""),
                (Step::Pack, "packed", "is released: pick it first"),
                (Step::Dispatch, "dispatched", "first"),
                (Step::Deliver, "delivered", "first"),
            ]
            .into_iter()
            .enumerate()
            {
                match index {
                    _ if index < count => check(&told, step, Ok(reached)),
                    _ if index == count => check(&told, step, Ok(state)),
                    _ => check(&told, step, Err(advice)),
                }
            }
        }
    }

    #[test]
    fn nothing_is_picked_before_the_confirmation_or_after_the_cancellation() {
        let draft = &RELEASED[..2];
        check(
            draft,
            Step::Pick,
            Err("is draft: its order is not confirmed yet"),
        );
        check(draft, Step::Dispatch, Err("is draft"));
        let void = [&RELEASED[..], &[Picked(0), Packed(0), Cancelled]].concat();
        for step in [Step::Pick, Step::Pack, Step::Dispatch, Step::Deliver] {
            check(
                &void,
                step,
                Err("is void: its order was cancelled, so put the goods back"),
            );
        }
    }

    #[test]
    fn a_dispatch_tells_what_left_and_where() {
        let (mut fulfilment, _) = story(&[&RELEASED[..], &[Picked(0), Packed(0)]].concat());
        let id = fulfilment.lists[0].id;

        let events = dispatch(&mut fulfilment, id, &label(), Uuid::max(), now()).expect("packed");

        let (version, event) = events
            .find::<ShipmentDispatched>()
            .expect("it was dispatched");
        assert_eq!(version, 3);
        assert_eq!(event.order_id, fulfilment.order_id);
        assert_eq!(event.shipment_id, Uuid::max());
        assert_eq!(event.tracking_number, label().tracking_number);
        assert_eq!(event.lines[0].quantity, 2);
    }

    #[test]
    fn a_refusal_is_told_once_and_can_still_be_cancelled_or_dispatched() {
        let packed = [&RELEASED[..], &[Picked(0), Packed(0)]].concat();
        let (mut fulfilment, _) = story(&packed);
        let id = fulfilment.lists[0].id;

        let first = refuse(&mut fulfilment, id, "simpost", "not served", now()).expect("packed");
        let again = refuse(&mut fulfilment, id, "simpost", "not served", now()).expect("packed");

        assert_eq!(
            first.find::<ShipmentFailed>().map(|(version, _)| version),
            Some(3)
        );
        assert!(again.is_empty());
        assert_eq!(fulfilment.lists[0].state, State::Packed);
        assert_eq!(fulfilment.lists[0].failure.as_deref(), Some("not served"));

        let mut cancelled = fulfilment.clone();
        let voided = super::super::cancel(&mut cancelled, now()).expect("nothing left");
        assert_eq!(voided.types(), ["PickingListVoided"]);
        assert!(refuse(&mut cancelled, id, "simpost", "not served", now()).is_err());

        dispatch(&mut fulfilment, id, &label(), id, now()).expect("still packed");
        assert_eq!(fulfilment.lists[0].failure, None);
    }

    #[test]
    fn a_refusal_after_the_pivot_is_kept_on_the_list_and_not_told() {
        let (mut fulfilment, events) = story(
            &[
                &RELEASED[..],
                &[Picked(0), Packed(0), Dispatched(0), Picked(1), Packed(1)],
            ]
            .concat(),
        );
        let id = fulfilment.lists[1].id;

        let refused = refuse(&mut fulfilment, id, "simpost", "too heavy", now()).expect("packed");

        assert!(refused.is_empty());
        assert_eq!(
            fulfilment.version,
            i32::try_from(events.len()).expect("few")
        );
        assert_eq!(fulfilment.lists[1].failure.as_deref(), Some("too heavy"));
    }

    #[test]
    fn a_carrier_that_does_not_answer_is_asked_ever_more_rarely_but_for_ever() {
        let (mut fulfilment, _) = story(&[&RELEASED[..], &[Picked(0), Packed(0)]].concat());
        let id = fulfilment.lists[0].id;
        for delay_s in [1, 2, 4, 8, 16, 32, 64, 64, 64] {
            put_off(&mut fulfilment, id, now()).expect("packed");
            assert_eq!(fulfilment.lists[0].retry_at, Some(later(delay_s)));
        }

        dispatch(&mut fulfilment, id, &label(), id, now()).expect("packed");

        assert_eq!(
            (fulfilment.lists[0].attempts, fulfilment.lists[0].retry_at),
            (0, None)
        );
    }
}
