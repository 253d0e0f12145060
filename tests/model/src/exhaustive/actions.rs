//! What can happen next.

use fraud::domain::Verdict;
use order::domain::state::{Due, State};
use shipment::domain::{PickingList, State as ListState};

use super::judging::{Decision, Risk};
use super::labour::Labour;
use super::world::{Course, READERS, Service, Topic};

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A service reads its next record and commits what follows.
    ///
    /// A crash before the commit leaves nothing behind, so it needs no action of its own; nor does
    /// a relay that is late, since its readers may be late as well.
    Read {
        order: usize,
        reader: usize,
    },
    /// Fraud reads a charge, and its model thinks this of it.
    Judge {
        order: usize,
        risk: Risk,
    },
    DeadlinePasses {
        order: usize,
    },
    CustomerCancels {
        order: usize,
    },
    Review {
        order: usize,
        decision: Decision,
    },
    Work {
        order: usize,
        labour: Labour,
    },
    /// A consumer reads again from here: it crashed after its commit, or was rewound. With
    /// `forgotten`, so long after that the inbox does not know the records any more.
    Rewind {
        order: usize,
        reader: usize,
        to: u8,
        forgotten: bool,
    },
    /// The relay crashed before its watermark moved, and publishes from here again.
    PublishAgain {
        order: usize,
        topic: Topic,
        from: u8,
    },
}

/// What may happen to an order in a scenario, beside records that come in any order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freedom {
    pub(super) quantity: i32,
    pub(super) customer_cancels: bool,
    pub(super) deadlines_pass: bool,
    pub(super) carrier_refuses: bool,
    pub(super) risks: &'static [Risk],
}

/// Records that come for the first time, time that passes, and what people do.
pub(super) fn of_course(
    order: usize,
    course: &Course,
    freedom: &Freedom,
    actions: &mut Vec<Action>,
) {
    for (reader, (_, service)) in READERS.iter().enumerate() {
        let Some(told) = course.next_of(reader) else {
            continue;
        };
        if *service == Service::Fraud && course.awaits_score(told) {
            let risks = freedom.risks.iter();
            actions.extend(risks.map(|risk| Action::Judge { order, risk: *risk }));
        } else {
            actions.push(Action::Read { order, reader });
        }
    }
    // Asking again for acknowledgements is no way on.
    let asks_again = course
        .saga
        .deadline
        .is_some_and(|deadline| deadline.due == Due::Acks && course.saga.acks_overdue > 0);
    if freedom.deadlines_pass && course.saga.deadline.is_some() && !asks_again {
        actions.push(Action::DeadlinePasses { order });
    }
    let cancellable = matches!(course.saga.state, State::Pending | State::Confirmed);
    if freedom.customer_cancels && cancellable {
        actions.push(Action::CustomerCancels { order });
    }
    let held = course.judged.judgement.as_ref();
    if held.is_some_and(|held| matches!(held.verdict, Verdict::Held { .. })) {
        for decision in [Decision::Approve, Decision::Block] {
            actions.push(Action::Review { order, decision });
        }
    }
    for (at, list) in course.fulfilment.lists.iter().enumerate() {
        for labour in steps_of(list, at) {
            let refused = matches!(labour, Labour::Refuse(_));
            if !refused || (freedom.carrier_refuses && list.failure.is_none()) {
                actions.push(Action::Work { order, labour });
            }
        }
    }
}

/// Lists that have taken this step already, or cannot take it, are not worth trying.
fn steps_of(list: &PickingList, at: usize) -> Vec<Labour> {
    match list.state {
        ListState::Released => vec![Labour::Pack(at)],
        ListState::Packed => vec![Labour::Dispatch(at), Labour::Refuse(at)],
        ListState::Dispatched(_) => vec![Labour::Deliver(at)],
        ListState::Draft | ListState::Picked | ListState::Delivered(..) | ListState::Void => {
            Vec::new()
        }
    }
}

/// Records that come again.
pub(super) fn repeats(order: usize, course: &Course, actions: &mut Vec<Action>) {
    for (reader, position) in course.readers.iter().enumerate() {
        for to in 0..position.offset {
            let told = course.log_of(READERS[reader].0)[usize::from(to)];
            if !READERS[reader].1.reads(&told.fact) {
                continue;
            }
            for forgotten in [false, true] {
                actions.push(Action::Rewind {
                    order,
                    reader,
                    to,
                    forgotten,
                });
            }
        }
    }
    for topic in Topic::ALL {
        let length = u8::try_from(course.log_of(topic).len()).expect("an order has few events");
        for from in 0..length {
            actions.push(Action::PublishAgain { order, topic, from });
        }
    }
}
