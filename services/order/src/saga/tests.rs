//! Stories: what comes, one after another, and where the order ends.

use chrono::{DateTime, TimeDelta, Utc};
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::inventory::{
    AllocatedLine, ReleasedLine, ReleasedStock, StockAllocation, StockRejected, StockReleased,
    StockReserved, StockShortfall,
};
use shared::contract::order::{CancelReason, OrderCancelled, ShipTo};
use shared::contract::shipment::{
    DispatchedLine, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use uuid::Uuid;

use super::{AlreadyShipped, Rules};
use crate::domain::order::{Draft, DraftLine, Price, price};
use crate::domain::progress::Step;
use crate::domain::state::{Charge, Due, Participant, Saga, State, Verdict};

/// What may come. A number names a warehouse and its parcel.
#[derive(Debug, Clone, Copy)]
enum On {
    Reserved(usize),
    Rejected,
    Released,
    ReleasedUnasked,
    Approved,
    Held,
    Blocked,
    Voided,
    Dispatched(usize),
    Delivered(usize),
    Failed,
    Cancel,
    /// Time passes until the next deadline does.
    Due(Due),
}
use On::{
    Approved, Blocked, Cancel, Delivered, Dispatched, Failed, Held, Rejected, Released,
    ReleasedUnasked, Reserved, Voided,
};

/// A cheap order goes on by policy, a dear one does not.
const CHEAP: i32 = 10;
const DEAR: i32 = 11;

const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn rules() -> Rules {
    Rules {
        verdict_deadline: TimeDelta::seconds(30),
        verdict_policy_amount_minor: 20_000,
        hold_deadline: TimeDelta::hours(24),
        stock_deadline: TimeDelta::seconds(60),
        dispatch_deadline: TimeDelta::days(14),
        ack_deadline: TimeDelta::seconds(30),
    }
}

struct Story {
    saga: Saga,
    now: DateTime<Utc>,
    published: Vec<&'static str>,
    cancelled: Vec<OrderCancelled>,
    acks: Vec<Participant>,
}

impl Story {
    fn of(quantity: i32) -> Self {
        let prices = [(
            "POT".to_owned(),
            Price {
                unit_price_minor: 2000,
                currency: "EUR".into(),
            },
        )];
        let draft = Draft {
            order_id: Uuid::from_u128(1),
            customer_id: "alice".to_owned(),
            channel: "web".to_owned(),
            external_ref: None,
            lines: vec![DraftLine {
                sku: "POT".to_owned(),
                quantity,
            }],
            ship_to: ShipTo {
                name: "Alice".to_owned(),
                street: "Am Markt 1".to_owned(),
                postal_code: "10115".to_owned(),
                city: "Berlin".to_owned(),
                country: "DE".to_owned(),
            },
            card: "tok".to_owned(),
        };
        let order = price(draft, &prices.into(), START).expect("it can be placed");
        Self {
            saga: Saga::placed(&order, &rules()),
            now: START,
            published: order.placed().types(),
            cancelled: Vec::new(),
            acks: Vec::new(),
        }
    }

    /// Lets it come, and keeps an eye on what must always hold.
    fn on(&mut self, on: On) -> Result<(), String> {
        self.now += TimeDelta::milliseconds(10);
        let before = self.saga.clone();
        let outcome = self.decide(on);
        let step = match outcome {
            Ok(Some(step)) => step,
            Ok(None) => Step::noted("nothing"),
            Err(refusal) => {
                assert_eq!(self.saga, before, "{on:?} was refused and left something");
                return Err(refusal);
            }
        };
        let published = step.events.types();
        let grown = i32::try_from(published.len()).expect("few");
        assert_eq!(
            self.saga.version,
            before.version + grown,
            "{on:?}: a version for each event"
        );
        if let Some((version, event)) = step.events.find::<OrderCancelled>() {
            assert_eq!(version, before.version + 1);
            self.cancelled.push(event.clone());
        }
        self.published.extend(published);
        self.acks.extend(step.acked);
        let undone = matches!(
            self.saga.state,
            State::Shipped | State::Completed | State::Cancelled
        );
        assert_eq!(
            self.saga.deadline.is_none(),
            undone,
            "{on:?}: something must fall due"
        );
        Ok(())
    }

    fn decide(&mut self, on: On) -> Result<Option<Step>, String> {
        let (order_id, rules) = (self.saga.order_id, rules());
        let warehouse = |n: usize| format!("W{n}");
        let parcel = |n: usize| Uuid::from_u128(100 + n as u128);
        let (sku, quantity) = ("POT".to_owned(), 1);
        let (score, model_version, reasons) = (0.5, "test".to_owned(), vec!["velocity".to_owned()]);
        let decided_by = "model".to_owned();
        if let On::Due(due) = on {
            let deadline = self.saga.deadline.expect("something falls due");
            assert_eq!(deadline.due, due);
            assert!(
                self.saga
                    .clone()
                    .fall_due(deadline.at - TimeDelta::milliseconds(1), &rules)
                    .is_none()
            );
            self.now = self.now.max(deadline.at);
        }
        let (saga, now) = (&mut self.saga, self.now);
        let step = match on {
            Reserved(warehouses) => saga.stock_reserved(
                &StockReserved {
                    order_id,
                    allocations: (0..warehouses)
                        .map(|n| StockAllocation {
                            warehouse: warehouse(n),
                            lines: vec![AllocatedLine {
                                sku: sku.clone(),
                                quantity,
                            }],
                        })
                        .collect(),
                    placement: "nearest".to_owned(),
                },
                now,
                &rules,
            ),
            Rejected => saga.stock_rejected(
                &StockRejected {
                    order_id,
                    shortfalls: vec![StockShortfall {
                        sku,
                        requested: 2,
                        available: 1,
                    }],
                },
                now,
                &rules,
            ),
            Released => saga.stock_released(
                &StockReleased {
                    order_id,
                    released: vec![],
                },
                now,
                &rules,
            ),
            ReleasedUnasked => saga.stock_released(
                &StockReleased {
                    order_id,
                    released: vec![ReleasedStock {
                        warehouse: warehouse(0),
                        lines: vec![ReleasedLine { sku, quantity }],
                    }],
                },
                now,
                &rules,
            ),
            Approved => saga.transaction_approved(
                &TransactionApproved {
                    order_id,
                    transaction_id: order_id,
                    score,
                    model_version,
                    reasons,
                    decided_by,
                },
                now,
                &rules,
            ),
            Held => saga.transaction_held(
                &TransactionHeld {
                    order_id,
                    transaction_id: order_id,
                    score,
                    model_version,
                    reasons,
                    decided_by,
                },
                now,
                &rules,
            ),
            Blocked => saga.transaction_blocked(
                &TransactionBlocked {
                    order_id,
                    transaction_id: order_id,
                    score,
                    model_version,
                    reasons,
                    decided_by,
                },
                now,
                &rules,
            ),
            Voided => saga.picking_list_voided(
                &PickingListVoided {
                    order_id,
                    picking_list_ids: vec![],
                },
                now,
            ),
            Dispatched(n) => saga.shipment_dispatched(
                &ShipmentDispatched {
                    order_id,
                    customer_id: "alice".to_owned(),
                    shipment_id: parcel(n),
                    warehouse: warehouse(n),
                    carrier: "SimPost".to_owned(),
                    tracking_number: format!("SP{n}"),
                    lines: vec![DispatchedLine { sku, quantity }],
                },
                now,
                now,
            ),
            Delivered(n) => saga.shipment_delivered(
                &ShipmentDelivered {
                    order_id,
                    shipment_id: parcel(n),
                    warehouse: warehouse(n),
                },
                now,
                now,
            ),
            Failed => saga.shipment_failed(
                &ShipmentFailed {
                    order_id,
                    warehouse: warehouse(0),
                    carrier: "SimPost".to_owned(),
                    detail: "address not served".to_owned(),
                },
                now,
                &rules,
            ),
            Cancel => {
                return saga
                    .cancel_on_request(now, &rules)
                    .map_err(|AlreadyShipped| "already-shipped".to_owned());
            }
            On::Due(_) => return Ok(saga.fall_due(now, &rules)),
        };
        step.map(Some).map_err(|reject| reject.code.to_owned())
    }
}

const PLACED: [&str; 2] = ["OrderPlaced", "TransactionCreated"];

/// Plays a story, expects its end and what was published after the placing. Then plays it again
/// with everything coming twice, as when the inbox has forgotten: nothing may differ.
#[track_caller]
fn check(quantity: i32, story: &[On], state: State, published: &[&str]) -> Story {
    let mut once = Story::of(quantity);
    for on in story {
        once.on(*on)
            .unwrap_or_else(|refusal| panic!("{on:?} was refused: {refusal}"));
    }
    let expected: Vec<_> = PLACED.iter().chain(published).copied().collect();
    assert_eq!(
        (once.saga.state, &once.published),
        (state, &expected),
        "{story:?}"
    );
    let charge = match state {
        State::Pending | State::Confirmed | State::Cancelling => Charge::Authorized,
        State::Shipped | State::Completed => Charge::Captured,
        State::Cancelled => Charge::Voided,
    };
    assert_eq!(once.saga.charge, charge, "{story:?}");

    let mut twice = Story::of(quantity);
    for (position, on) in story.iter().enumerate() {
        twice.on(*on).expect("as before");
        for earlier in &story[..=position] {
            if !matches!(earlier, On::Due(_) | Cancel) {
                // A refusal is fine: it has no effect either.
                let _ = twice.on(*earlier);
            }
        }
    }
    assert_eq!(
        (twice.saga.state, &twice.published),
        (state, &expected),
        "twice: {story:?}"
    );
    assert_eq!(twice.acks, once.acks, "twice: {story:?}");
    once
}

#[test]
fn stock_and_verdict_confirm_an_order_in_either_order() {
    check(
        CHEAP,
        &[Reserved(1), Approved],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    check(
        CHEAP,
        &[Approved, Reserved(1)],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    check(CHEAP, &[Reserved(1)], State::Pending, &[]);
    check(CHEAP, &[Approved], State::Pending, &[]);
    check(DEAR, &[Held, Reserved(1)], State::Pending, &[]);
    check(
        DEAR,
        &[Held, Reserved(1), Approved],
        State::Confirmed,
        &["OrderConfirmed"],
    );
}

#[test]
fn an_order_completes_when_its_last_parcel_arrives() {
    let confirmed = [Approved, Reserved(2)];
    let on_its_way = [
        &confirmed[..],
        &[Dispatched(0), Dispatched(1), Delivered(0)],
    ]
    .concat();
    check(CHEAP, &on_its_way, State::Shipped, &["OrderConfirmed"]);
    let arrived = [&on_its_way[..], &[Delivered(1)]].concat();
    check(
        CHEAP,
        &arrived,
        State::Completed,
        &["OrderConfirmed", "OrderCompleted"],
    );
    let early = [
        &confirmed[..],
        &[Dispatched(0), Delivered(0), Dispatched(1), Delivered(1)],
    ]
    .concat();
    check(
        CHEAP,
        &early,
        State::Completed,
        &["OrderConfirmed", "OrderCompleted"],
    );
}

#[test]
fn a_parcel_that_overtakes_the_reservation_completes_all_the_same() {
    check(
        CHEAP,
        &[Approved, Dispatched(0), Delivered(0)],
        State::Shipped,
        &[],
    );
    check(
        CHEAP,
        &[Approved, Dispatched(0), Delivered(0), Reserved(1)],
        State::Completed,
        &["OrderCompleted"],
    );
}

#[test]
fn an_order_without_stock_is_cancelled_when_both_have_acknowledged() {
    let story = check(CHEAP, &[Rejected], State::Cancelling, &["OrderCancelled"]);
    let event = &story.cancelled[0];
    assert_eq!(event.reason, CancelReason::OutOfStock);
    assert_eq!(event.detail, "out of stock (POT: 2 wanted, 1 available)");
    assert!(!event.was_confirmed);
    assert_eq!(story.saga.waits_for(), ["inventory", "shipment"]);

    check(
        CHEAP,
        &[Rejected, Released],
        State::Cancelling,
        &["OrderCancelled"],
    );
    for acks in [[Released, Voided], [Voided, Released]] {
        let story = check(
            CHEAP,
            &[&[Rejected][..], &acks].concat(),
            State::Cancelled,
            &["OrderCancelled"],
        );
        assert_eq!(story.acks.len(), 2);
    }
}

#[test]
fn a_blocked_transaction_cancels_an_order_that_is_still_here() {
    for (story, was_confirmed) in [
        (&[Blocked][..], false),
        (&[Held, Blocked], false),
        (&[Approved, Reserved(1), Blocked], true),
        (&[Approved, Blocked], false),
    ] {
        let mut published = vec![];
        published.extend(was_confirmed.then_some("OrderConfirmed"));
        published.push("OrderCancelled");
        let story = check(CHEAP, story, State::Cancelling, &published);
        assert_eq!(story.cancelled[0].reason, CancelReason::Fraud);
        assert_eq!(story.cancelled[0].was_confirmed, was_confirmed);
    }
}

#[test]
fn a_blocked_transaction_recalls_goods_that_have_left_once() {
    let shipped = [Approved, Reserved(1), Dispatched(0)];
    let recalled = ["OrderConfirmed", "OrderRecalled"];
    let story = check(
        CHEAP,
        &[&shipped[..], &[Blocked]].concat(),
        State::Shipped,
        &recalled,
    );
    assert!(story.saga.recalled);
    check(
        CHEAP,
        &[&shipped[..], &[Blocked, Blocked, Delivered(0)]].concat(),
        State::Completed,
        &["OrderConfirmed", "OrderRecalled", "OrderCompleted"],
    );
    check(
        CHEAP,
        &[&shipped[..], &[Delivered(0), Blocked]].concat(),
        State::Completed,
        &["OrderConfirmed", "OrderCompleted", "OrderRecalled"],
    );
}

#[test]
fn a_dispatch_that_won_the_race_takes_the_order_forward() {
    let lost = [Approved, Reserved(2), Cancel, Dispatched(0)];
    let published = ["OrderConfirmed", "OrderCancelled"];
    let story = check(CHEAP, &lost, State::Shipped, &published);
    assert!(
        story.saga.cancellation.is_some(),
        "what was refused is remembered"
    );
    assert!(story.acks.is_empty());
    check(
        CHEAP,
        &[&lost[..], &[Dispatched(1), Delivered(0), Delivered(1)]].concat(),
        State::Completed,
        &["OrderConfirmed", "OrderCancelled", "OrderCompleted"],
    );
}

#[test]
fn goods_of_a_fraud_that_left_while_being_cancelled_are_recalled() {
    let published = ["OrderConfirmed", "OrderCancelled", "OrderRecalled"];
    let late = [Approved, Reserved(1), Blocked, Dispatched(0)];
    check(CHEAP, &late, State::Shipped, &published);
    let later = [Approved, Reserved(1), Cancel, Blocked, Dispatched(0)];
    check(CHEAP, &later, State::Shipped, &published);
}

#[test]
fn late_replies_do_not_revive_a_cancelled_order() {
    for late in [
        Reserved(1),
        Rejected,
        Approved,
        Held,
        Blocked,
        Released,
        Voided,
        Failed,
        Cancel,
    ] {
        check(
            CHEAP,
            &[Cancel, late],
            State::Cancelling,
            &["OrderCancelled"],
        );
        check(
            CHEAP,
            &[Cancel, Released, Voided, late],
            State::Cancelled,
            &["OrderCancelled"],
        );
    }
}

#[test]
fn a_customer_may_cancel_until_the_first_parcel_has_left() {
    check(CHEAP, &[Cancel], State::Cancelling, &["OrderCancelled"]);
    check(
        CHEAP,
        &[Cancel, Cancel],
        State::Cancelling,
        &["OrderCancelled"],
    );
    let mut story = check(
        CHEAP,
        &[Approved, Reserved(2), Dispatched(0)],
        State::Shipped,
        &["OrderConfirmed"],
    );
    assert_eq!(story.on(Cancel), Err("already-shipped".to_owned()));
}

#[test]
fn a_carrier_that_refuses_cancels_before_the_pivot_only() {
    let story = check(
        CHEAP,
        &[Approved, Reserved(2), Failed],
        State::Cancelling,
        &["OrderConfirmed", "OrderCancelled"],
    );
    assert_eq!(story.cancelled[0].reason, CancelReason::Carrier);
    assert!(story.cancelled[0].was_confirmed);
    let shipped = [Approved, Reserved(2), Dispatched(0), Failed];
    check(CHEAP, &shipped, State::Shipped, &["OrderConfirmed"]);
}

#[test]
fn stock_that_is_released_unasked_cancels_and_counts_as_acknowledged() {
    let story = [Reserved(1), ReleasedUnasked];
    check(CHEAP, &story, State::Cancelling, &["OrderCancelled"]);
    let story = check(
        CHEAP,
        &[&story[..], &[Voided]].concat(),
        State::Cancelled,
        &["OrderCancelled"],
    );
    assert_eq!(story.acks, [Participant::Inventory, Participant::Shipment]);
}

#[test]
fn without_a_verdict_the_amount_decides() {
    let verdict = On::Due(Due::Verdict);
    let story = check(
        CHEAP,
        &[Reserved(1), verdict],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    assert_eq!(story.saga.verdict, Verdict::ApprovedByPolicy);
    check(
        CHEAP,
        &[verdict, Reserved(1)],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    check(
        CHEAP,
        &[Reserved(1), verdict, Blocked],
        State::Cancelling,
        &["OrderConfirmed", "OrderCancelled"],
    );
    let story = check(
        CHEAP,
        &[Reserved(1), verdict, Approved],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    assert_eq!(story.saga.verdict, Verdict::Approved);

    check(DEAR, &[Reserved(1), verdict], State::Pending, &[]);
    check(
        DEAR,
        &[Reserved(1), verdict, Approved],
        State::Confirmed,
        &["OrderConfirmed"],
    );
    let hold = On::Due(Due::Hold);
    let story = check(
        DEAR,
        &[Reserved(1), verdict, hold],
        State::Cancelling,
        &["OrderCancelled"],
    );
    assert_eq!(story.cancelled[0].reason, CancelReason::Deadline);
}

#[test]
fn a_reviewer_who_takes_too_long_cancels() {
    let held = [Reserved(1), Held, On::Due(Due::Hold)];
    let story = check(CHEAP, &held, State::Cancelling, &["OrderCancelled"]);
    assert_eq!(story.cancelled[0].reason, CancelReason::Deadline);
}

#[test]
fn silent_participants_are_not_waited_for() {
    let story = check(
        CHEAP,
        &[Approved, On::Due(Due::Stock)],
        State::Cancelling,
        &["OrderCancelled"],
    );
    assert_eq!(story.cancelled[0].reason, CancelReason::Deadline);
    let story = check(
        CHEAP,
        &[Approved, Reserved(1), On::Due(Due::Dispatch)],
        State::Cancelling,
        &["OrderConfirmed", "OrderCancelled"],
    );
    assert!(story.cancelled[0].was_confirmed);
}

#[test]
fn overdue_acknowledgements_are_asked_about_ever_more_rarely_and_never_given_up() {
    let mut story = check(
        CHEAP,
        &[Cancel, Voided],
        State::Cancelling,
        &["OrderCancelled"],
    );
    let mut waits = Vec::new();
    for _ in 0..40 {
        story.on(On::Due(Due::Acks)).expect("it is due");
        let deadline = story.saga.deadline.expect("it is due again");
        waits.push((deadline.at - story.now).num_seconds());
    }
    assert_eq!(waits[..8], [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(waits.last(), Some(&3600));
    assert!(story.saga.compensation_overdue());
    assert_eq!(story.saga.waits_for(), ["inventory"]);
    assert_eq!(
        story.published.len(),
        PLACED.len() + 1,
        "the cancellation is published once"
    );

    story.on(Released).expect("it comes at last");
    assert_eq!(story.saga.state, State::Cancelled);
    assert!(!story.saga.compensation_overdue());
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    for (story, impossible, code) in [
        (
            &[Cancel, Released, Voided][..],
            Dispatched(0),
            "dispatched-after-void",
        ),
        (&[Approved, Reserved(1)], Delivered(0), "unknown-parcel"),
        (&[], Reserved(0), "reserved-nothing"),
    ] {
        let mut told = Story::of(CHEAP);
        for on in story {
            told.on(*on).expect("it may come");
        }
        assert_eq!(told.on(impossible), Err(code.to_owned()), "{impossible:?}");
    }
}
