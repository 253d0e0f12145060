//! The fraud service.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use fraud::domain::history::History;
use fraud::domain::review::{Case, Label, Ruling, rule};
use fraud::domain::{self, Docket, Holder, Judgement, Origin, Policy, Transaction, Verdict};
use fraud::event_handlers::Incoming;
use fraud::model;
use shared::batch::{Batch, Cause, Events, Outgoing};
use uuid::Uuid;

use super::super::dice::Dice;
use super::super::node::Handler;
use crate::facts::Fact;
use crate::readers::for_fraud;

/// As the service defaults it.
const POLICY: Policy = Policy {
    hold: 0.5,
    block: 0.9,
    bureau_takes: TimeDelta::seconds(45),
};

#[derive(Clone, Default)]
pub(in super::super) struct Cases {
    pub(in super::super) judgements: BTreeMap<Uuid, Judgement>,
    transactions: BTreeMap<Uuid, Transaction>,
    labels: BTreeMap<Uuid, Label>,
    histories: BTreeMap<Holder, History>,
    tombstones: BTreeSet<Uuid>,
}

impl Cases {
    fn load(&self) -> Docket {
        let judgements = self.judgements.values().cloned().collect();
        let mut docket = Docket::new(judgements, self.tombstones.clone());
        docket.histories.clone_from(&self.histories);
        docket
    }

    fn save(&mut self, docket: Docket) {
        self.judgements = docket.judgements;
        self.histories = docket.histories;
        self.tombstones = docket.tombstones;
        for transaction in docket.transactions {
            self.transactions.insert(transaction.order_id, transaction);
        }
    }

    pub(in super::super) fn held(&self) -> Vec<Uuid> {
        let judgements = self.judgements.values();
        judgements
            .filter(|judgement| matches!(judgement.verdict, Verdict::Held { .. }))
            .map(|judgement| judgement.order_id)
            .collect()
    }

    pub(in super::super) fn review(
        &mut self,
        order_id: Uuid,
        ruling: Ruling,
        now: DateTime<Utc>,
    ) -> Events {
        let mut case = Case {
            judgement: self.judgements[&order_id].clone(),
            transaction: self.transactions[&order_id].clone(),
            label: self.labels.get(&order_id).cloned(),
        };
        let label = Label {
            ruling,
            reviewer: "rita".to_owned(),
            note: String::new(),
            at: now,
        };
        let events = rule(&mut case, label).unwrap_or_default();
        self.judgements.insert(order_id, case.judgement);
        self.labels
            .extend(case.label.map(|label| (order_id, label)));
        events
    }

    /// The bureau's answers that are due.
    pub(in super::super) fn answer(&mut self, now: DateTime<Utc>) -> Vec<(Cause, Events)> {
        let mut answers = Vec::new();
        for judgement in self.judgements.values_mut() {
            if judgement.verdict.due_at().is_none_or(|due| due > now) {
                continue;
            }
            let transaction = &self.transactions[&judgement.order_id];
            let origin = judgement.verdict.origin().expect("it is pending").event_id;
            let cause = Cause::stored(origin, judgement.order_id, None);
            let (card, amount_minor) = (&transaction.card, transaction.amount_minor);
            let events = domain::answer(judgement, card, amount_minor, POLICY, now);
            answers.push((cause, events));
        }
        answers
    }

    pub(in super::super) fn next_answer(&self) -> Option<DateTime<Utc>> {
        let judgements = self.judgements.values();
        judgements
            .filter_map(|judgement| judgement.verdict.due_at())
            .min()
    }
}

impl Handler for Cases {
    type Incoming = Incoming;
    const NAME: &'static str = "fraud";

    fn read(fact: &Fact) -> Option<Incoming> {
        for_fraud(fact)
    }

    fn handle(&mut self, batch: &Batch<Incoming>, _: &mut Dice) -> Outgoing {
        let mut docket = self.load();

        let outgoing = batch.fold(|received| match &received.event {
            Incoming::TransactionCreated(event) => {
                let occurred_at = received.envelope.occurred_at;
                let Some(features) = domain::take_in(&mut docket, event, occurred_at)? else {
                    return Ok(Events::none());
                };
                let origin = Origin {
                    event_id: received.envelope.event_id,
                    traceparent: None,
                };
                let score = model::score(&features);
                domain::judge(&mut docket, event, score, origin, POLICY, batch.now)
            }
            Incoming::OrderCancelled(event) => {
                domain::close(&mut docket, event.order_id, batch.now)
            }
        });

        self.save(docket);
        outgoing
    }
}
