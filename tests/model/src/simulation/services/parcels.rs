//! The shipment service.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::batch::{Batch, Events, Outgoing};
use shipment::domain::{Fulfilment, State};
use shipment::event_handlers::{Incoming, decide};
use uuid::Uuid;

use super::super::dice::Dice;
use super::super::node::Handler;
use crate::facts::Fact;
use crate::readers::for_shipment;

#[derive(Clone, Default)]
pub(in super::super) struct Parcels {
    pub(in super::super) fulfilments: BTreeMap<Uuid, Fulfilment>,
}

/// What the warehouse does with a list.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Labour {
    Pick,
    Pack,
    Dispatch,
    Refuse,
    PutOff,
    Deliver,
}

/// A list that is not at its end.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Open {
    pub(in super::super) order_id: Uuid,
    pub(in super::super) list_id: Uuid,
    /// What it waits for.
    pub(in super::super) labour: Labour,
    /// The carrier did not take it.
    pub(in super::super) refused: bool,
}

impl Parcels {
    fn of(&self, order_id: Uuid) -> Fulfilment {
        let known = self.fulfilments.get(&order_id).cloned();
        known.unwrap_or_else(|| crate::scene::unheard(order_id))
    }

    /// Every list that is not at its end.
    pub(in super::super) fn open(&self) -> Vec<Open> {
        let lists = self.fulfilments.values().flat_map(|fulfilment| {
            let lists = fulfilment.lists.iter();
            lists.map(|list| (fulfilment.order_id, list))
        });
        lists
            .filter_map(|(order_id, list)| {
                let labour = match list.state {
                    State::Released => Labour::Pick,
                    State::Picked => Labour::Pack,
                    State::Packed => Labour::Dispatch,
                    State::Dispatched(_) => Labour::Deliver,
                    State::Draft | State::Delivered(..) | State::Void => return None,
                };
                Some(Open {
                    order_id,
                    list_id: list.id,
                    labour,
                    refused: list.failure.is_some(),
                })
            })
            .collect()
    }

    /// A list that is not ready is left as it is.
    pub(in super::super) fn work(
        &mut self,
        order_id: Uuid,
        list_id: Uuid,
        labour: Labour,
        now: DateTime<Utc>,
        dice: &mut Dice,
    ) -> Events {
        use shipment::domain::{Label, deliver, dispatch, pack, pick, put_off, refuse};

        let mut fulfilment = self.of(order_id);
        let decided = match labour {
            Labour::Pick => pick(&mut fulfilment, list_id, now),
            Labour::Pack => pack(&mut fulfilment, list_id, now),
            Labour::Dispatch => {
                let label = Label {
                    carrier: "simpost",
                    tracking_number: list_id.to_string(),
                };
                dispatch(&mut fulfilment, list_id, &label, dice.id(), now)
            }
            Labour::Refuse => refuse(&mut fulfilment, list_id, "simpost", "not served", now),
            Labour::PutOff => put_off(&mut fulfilment, list_id, now),
            Labour::Deliver => deliver(&mut fulfilment, list_id, now),
        };
        self.fulfilments.insert(order_id, fulfilment);
        decided.unwrap_or_default()
    }
}

impl Handler for Parcels {
    type Incoming = Incoming;
    const NAME: &'static str = "shipment";

    fn read(fact: &Fact) -> Option<Incoming> {
        for_shipment(fact)
    }

    fn handle(&mut self, batch: &Batch<Incoming>, dice: &mut Dice) -> Outgoing {
        batch.fold(|received| {
            let order_id = Uuid::try_parse(&received.envelope.aggregate_id);
            let mut fulfilment = self.of(order_id.expect("keyed by order"));
            let decided = decide(&mut fulfilment, received, batch.now, || dice.id());
            self.fulfilments.insert(fulfilment.order_id, fulfilment);
            decided
        })
    }
}
