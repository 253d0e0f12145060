//! What fraud does with a charge.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use fraud::domain::review::{Case, Label, Ruling, rule};
use fraud::domain::{Docket, Judgement, Origin, Policy, Score, Transaction};
use shared::batch::{Events, Reject};
use shared::contract::order::TransactionCreated;
use uuid::Uuid;

use super::decisions::{id_of, order_of};
use super::known::Known;
use crate::facts::{Fact, Told};
use crate::scene::START;

/// What makes fraud decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Doubt {
    Read(Known<Told>),
    /// A charge to judge, and what the model thinks of it.
    Judge(Known<Told>, Risk),
    Review(Known<Told>, Decision),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Risk {
    Low,
    Doubtful,
    Certain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Decision {
    Approve,
    Block,
}

/// What fraud keeps about one order.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub(super) judgement: Option<Judgement>,
    pub(super) transaction: Option<Transaction>,
    pub(super) label: Option<Label>,
    pub(super) buried: bool,
}

pub(super) fn judge(judged: &mut Judged, doubt: Doubt) -> Result<Events, Reject> {
    use fraud::domain::{close, judge, take_in};

    let docket = |judged: &Judged, order_id: Uuid| {
        let tombstones: BTreeSet<_> = judged.buried.then_some(order_id).into_iter().collect();
        Docket::new(judged.judgement.iter().cloned().collect(), tombstones)
    };
    let (mut docket, order_id, events) = match doubt {
        Doubt::Read(told) => {
            let order_id = order_of(&told);
            let mut docket = docket(judged, order_id);
            let events = match &told.fact {
                Fact::OrderCancelled(_) => close(&mut docket, order_id, START)?,
                // Judged before; it is taken in once only.
                Fact::TransactionCreated(event) => {
                    let features = take_in(&mut docket, event, START)?;
                    assert!(features.is_none(), "a new charge needs a score");
                    Events::none()
                }
                other => unreachable!("fraud does not read {}", other.name()),
            };
            (docket, order_id, events)
        }
        Doubt::Judge(told, risk) => {
            let order_id = order_of(&told);
            let mut docket = docket(judged, order_id);
            let Fact::TransactionCreated(event) = &told.fact else {
                unreachable!("only charges are judged")
            };
            take_in(&mut docket, event, START)?.expect("it is new");
            let origin = Origin {
                event_id: id_of(told),
                traceparent: None,
            };
            let events = judge(&mut docket, event, risk.score(), origin, POLICY, START)?;
            judged.transaction = Some(transaction(event));
            (docket, order_id, events)
        }
        Doubt::Review(told, decision) => {
            let mut case = Case {
                judgement: judged.judgement.clone().expect("it is held"),
                transaction: judged.transaction.clone().expect("it was judged"),
                label: judged.label.clone(),
            };
            let label = Label {
                ruling: match decision {
                    Decision::Approve => Ruling::Approve,
                    Decision::Block => Ruling::Block,
                },
                reviewer: "rita".to_owned(),
                note: String::new(),
                at: START,
            };
            let events = rule(&mut case, label)?;
            judged.judgement = Some(case.judgement);
            judged.label = case.label;
            let order_id = order_of(&told);
            (docket(judged, order_id), order_id, events)
        }
    };
    judged.judgement = docket.judgements.remove(&order_id);
    judged.buried = docket.tombstones.contains(&order_id);
    Ok(events)
}

const POLICY: Policy = Policy {
    hold: 0.5,
    block: 0.9,
    bureau_takes: TimeDelta::seconds(45),
};

impl Risk {
    pub(super) const ALL: [Self; 3] = [Self::Low, Self::Doubtful, Self::Certain];

    fn score(self) -> Score {
        Score {
            value: match self {
                Self::Low => 0.1,
                Self::Doubtful => 0.6,
                Self::Certain => 0.95,
            },
            model_version: "any".to_owned(),
            reasons: Vec::new(),
        }
    }
}

fn transaction(event: &TransactionCreated) -> Transaction {
    Transaction {
        id: event.transaction_id,
        order_id: event.order_id,
        customer_id: event.customer_id.clone(),
        card: event.card.clone(),
        amount_minor: event.amount_minor,
        currency: event.currency.clone(),
        country: event.country.clone(),
        channel: event.channel.clone(),
        item_count: event.item_count,
        occurred_at: START,
    }
}
