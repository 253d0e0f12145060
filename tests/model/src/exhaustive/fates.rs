//! What must have been seen somewhere, or the laws were never put to the test.

use inventory::domain::{Order as Goods, State as Held};
use order::domain::state::{State, Stock, Verdict};
use shared::contract::order::CancelReason;
use stateright::Property;

use super::laws::{of_state, reservations};
use super::suite::Suite;
use super::world::{Course, READERS, Service, Topic, World};
use crate::facts::Fact;

/// Of any one order.
pub(super) fn of_one() -> Vec<Property<Suite>> {
    vec![
        Property::sometimes("completed", |_, world: &World| {
            any(world, |course| course.saga.state == State::Completed)
        }),
        Property::sometimes("completed in two parcels", |_, world: &World| {
            any(world, |course| {
                course.saga.state == State::Completed && course.saga.parcels.len() == 2
            })
        }),
        Property::sometimes("cancelled by the customer", |_, world: &World| {
            cancelled_for(world, CancelReason::Customer)
        }),
        Property::sometimes("cancelled by fraud", |_, world: &World| {
            cancelled_for(world, CancelReason::Fraud)
        }),
        Property::sometimes("cancelled by the carrier", |_, world: &World| {
            cancelled_for(world, CancelReason::Carrier)
        }),
        Property::sometimes("cancelled by a deadline", |_, world: &World| {
            cancelled_for(world, CancelReason::Deadline)
        }),
        Property::sometimes("compensated before the action", |_, world: &World| {
            any(world, |course| {
                // Shipment was told of the cancellation first, and then what to pick.
                course.fulfilment.cancelled_at.is_some()
                    && course.fulfilment.lists.is_empty()
                    && has_read(course, Service::Shipment, Topic::Inventory, |fact| {
                        matches!(fact, Fact::StockReserved(_))
                    })
            })
        }),
        Property::sometimes("a reply came after its deadline", |_, world: &World| {
            any(world, |course| {
                reason(course) == Some(CancelReason::Deadline)
                    && course.saga.stock == Stock::Awaited
                    && has_read(course, Service::Order, Topic::Inventory, |fact| {
                        matches!(fact, Fact::StockReserved(_))
                    })
            })
        }),
        Property::sometimes(
            "a cancellation lost against a dispatch",
            |_, world: &World| {
                any(world, |course| {
                    course.saga.state == State::Completed && course.saga.cancellation.is_some()
                })
            },
        ),
        Property::sometimes("fraud was found after the dispatch", |_, world: &World| {
            any(world, |course| course.saga.recalled)
        }),
        Property::sometimes("policy went on without a verdict", |_, world: &World| {
            any(world, |course| {
                course.saga.state == State::Completed
                    && course.saga.verdict == Verdict::ApprovedByPolicy
            })
        }),
        Property::sometimes("units waited for shipment's answer", |_, world: &World| {
            any(world, |course| {
                let mut held = reservations(course).iter();
                held.any(|held| held.state == Held::Releasing)
            })
        }),
    ]
}

/// Where records come again.
pub(super) fn of_repeats() -> Vec<Property<Suite>> {
    vec![Property::sometimes(
        "what was published again was absorbed",
        |_, world: &World| {
            any(world, |course| {
                let log = course.log_of(Topic::Order);
                let repeated = log.iter().filter(|told| told.version == 1).count() == 2;
                repeated && course.is_drained() && course.saga.state == State::Completed
            })
        },
    )]
}

/// Where two orders want the same goods.
pub(super) fn of_rivals() -> Vec<Property<Suite>> {
    vec![
        Property::sometimes("cancelled for want of stock", |_, world: &World| {
            cancelled_for(world, CancelReason::OutOfStock)
        }),
        Property::sometimes("both ended, one each way", |_, world: &World| {
            of_state(world, State::Completed).count() == 1
                && of_state(world, State::Cancelled).count() == 1
        }),
        Property::sometimes(
            "the goods of a cancelled order went to the other",
            |_, world: &World| {
                let gave = world.orders.iter().position(|course| {
                    let mut held = reservations(course).iter();
                    held.any(|held| held.state == Held::Released)
                });
                gave.is_some_and(|gave| {
                    let mut orders = world.orders.iter().enumerate();
                    orders.any(|(index, course)| {
                        index != gave && course.saga.state == State::Completed
                    })
                })
            },
        ),
        Property::sometimes("a refused order was cancelled", |_, world: &World| {
            any(world, |course| {
                matches!(course.goods.value(), Some(Goods::Cancelled))
            })
        }),
    ]
}

fn any(world: &World, holds: impl Fn(&Course) -> bool) -> bool {
    world.orders.iter().any(holds)
}

fn reason(course: &Course) -> Option<CancelReason> {
    let cancellation = course.saga.cancellation.as_ref();
    cancellation.map(|cancellation| cancellation.reason)
}

fn cancelled_for(world: &World, why: CancelReason) -> bool {
    of_state(world, State::Cancelled).any(|course| reason(course) == Some(why))
}

fn has_read(course: &Course, service: Service, topic: Topic, fact: impl Fn(&Fact) -> bool) -> bool {
    let reader = READERS
        .iter()
        .position(|reader| *reader == (topic, service))
        .expect("it reads that");
    let read = usize::from(course.readers[reader].offset);
    course.log_of(topic)[..read]
        .iter()
        .any(|told| fact(&told.fact))
}
