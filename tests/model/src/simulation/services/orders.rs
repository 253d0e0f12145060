//! The order service.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use order::domain::order::Order;
use order::domain::progress::{Origin, Progress, unknown_order};
use order::domain::state::{Participant, Saga, State};
use order::event_handlers::{Incoming, decide};
use order::saga::Rules;
use shared::batch::{Batch, Cause, Events, Outgoing};
use uuid::Uuid;

use super::super::dice::Dice;
use super::super::node::Handler;
use crate::facts::Fact;
use crate::readers::for_order;

#[derive(Clone)]
pub(in super::super) struct Orders {
    rules: Rules,
    pub(in super::super) orders: BTreeMap<Uuid, Order>,
    pub(in super::super) sagas: BTreeMap<Uuid, Saga>,
    pub(in super::super) acks: Vec<(Uuid, Participant)>,
    pub(in super::super) moves: Vec<(Uuid, State, State)>,
}

impl Orders {
    pub(in super::super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            orders: BTreeMap::new(),
            sagas: BTreeMap::new(),
            acks: Vec::new(),
            moves: Vec::new(),
        }
    }

    fn load(&self, ids: impl IntoIterator<Item = Uuid>, now: DateTime<Utc>) -> Progress {
        let ids = ids.into_iter();
        let sagas = ids.filter_map(|id| self.sagas.get(&id).cloned()).collect();
        Progress::new(sagas, now)
    }

    fn save(&mut self, progress: &Progress) {
        for saga in progress.changed() {
            self.sagas.insert(saga.order_id, saga.clone());
        }
        let acks = progress.acks().iter();
        self.acks
            .extend(acks.map(|ack| (ack.order_id, ack.participant)));
        for entry in progress.entries() {
            if let (Some(from), Some(to)) = (entry.from, entry.to) {
                self.moves.push((entry.order_id, from, to));
            }
        }
    }

    pub(in super::super) fn place(&mut self, order: Order) -> Events {
        let events = order.placed();
        self.sagas
            .insert(order.id, Saga::placed(&order, &self.rules));
        self.orders.insert(order.id, order);
        events
    }

    /// The customer asks; nothing follows where it is too late.
    pub(in super::super) fn cancel(
        &mut self,
        order_id: Uuid,
        cause: &Cause,
        now: DateTime<Utc>,
    ) -> Events {
        let mut progress = self.load([order_id], now);
        let origin = Origin::cause("CancelRequested", cause);
        let rules = self.rules.clone();
        let decided =
            progress.advance(order_id, origin, |saga| saga.cancel_on_request(now, &rules));
        self.save(&progress);
        decided.ok().flatten().unwrap_or_default()
    }

    /// What is due, each with its own cause.
    pub(in super::super) fn sweep(
        &mut self,
        now: DateTime<Utc>,
        dice: &mut Dice,
    ) -> Vec<(Cause, Events)> {
        let is_due = |saga: &&Saga| saga.deadline.is_some_and(|deadline| deadline.at <= now);
        let due: Vec<_> = self
            .sagas
            .values()
            .filter(is_due)
            .map(|saga| saga.order_id)
            .collect();
        let mut progress = self.load(due.iter().copied(), now);
        let mut swept = Vec::new();
        for order_id in due {
            let cause = Cause::stored(dice.id(), order_id, None);
            let origin = Origin::cause("Deadline", &cause);
            let Ok(events) = progress.advance(order_id, origin, |saga| {
                Ok::<_, Infallible>(saga.fall_due(now, &self.rules))
            });
            swept.push((cause, events.unwrap_or_default()));
        }
        self.save(&progress);
        swept
    }

    pub(in super::super) fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let sagas = self.sagas.values();
        sagas.filter_map(|saga| Some(saga.deadline?.at)).min()
    }
}

impl Handler for Orders {
    type Incoming = Incoming;
    const NAME: &'static str = "order";

    fn read(fact: &Fact) -> Option<Incoming> {
        for_order(fact)
    }

    fn handle(&mut self, batch: &Batch<Incoming>, _: &mut Dice) -> Outgoing {
        let order_of = |aggregate_id: &str| Uuid::try_parse(aggregate_id).ok();
        let events = batch.events().iter().map(|received| &received.envelope);
        let touched: Vec<_> = events
            .chain(batch.duplicates())
            .filter_map(|envelope| order_of(&envelope.aggregate_id))
            .collect();
        let mut progress = self.load(touched, batch.now);

        let outgoing = batch.fold(|received| match order_of(&received.envelope.aggregate_id) {
            Some(order_id) => progress.step(order_id, Origin::event(received), |saga| {
                decide(saga, received, batch.now, &self.rules)
            }),
            // A mail about an article.
            None => match received.event {
                Incoming::NotificationSent(_) | Incoming::NotificationFailed(_) => {
                    Ok(Events::none())
                }
                _ => Err(unknown_order(&received.envelope.aggregate_id)),
            },
        });

        self.save(&progress);
        outgoing
    }
}
