//! The decisions that need no person.

use chrono::{DateTime, Utc};
use shared::batch::{Decision, Events, Reject};
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::order::TransactionCreated;
use uuid::Uuid;

use super::{Docket, Features, Holder, Judgement, Origin, Policy, Score, Transaction, Verdict};

/// Above this a person looks, whatever the model says.
const AMOUNT_HELD_ABOVE_MINOR: i64 = 500_000;
/// Cards that an outside bureau has to be asked about.
const BUREAU_PREFIX: &str = "tok_slow_";
/// What the bureau knows to be stolen.
const BUREAU_STOLEN: &str = "tok_slow_stolen";

/// Who decided, when it was no reviewer.
const BY_MODEL: &str = "model";
const BY_BUREAU: &str = "bureau";

/// Records a transaction and says what the model has to be told about it: nothing when it is known.
///
/// The windows count every transaction, also one that is then blocked.
pub fn take_in(
    docket: &mut Docket,
    event: &TransactionCreated,
    occurred_at: DateTime<Utc>,
) -> Result<Option<Features>, Reject> {
    let known_order = docket.order_of.get(&event.transaction_id);
    let known_transaction = docket.transaction_of.get(&event.order_id);
    match (known_order, known_transaction) {
        (None, None) => {}
        (Some(order), _) if *order == event.order_id => return Ok(None),
        (Some(order), _) => {
            return Err(Reject::new(
                "transaction-of-another-order",
                format!(
                    "transaction {} pays for order {order}",
                    event.transaction_id
                ),
            ));
        }
        (None, Some(transaction)) => {
            return Err(Reject::new(
                "second-transaction",
                format!(
                    "order {} is paid by transaction {transaction}",
                    event.order_id
                ),
            ));
        }
    }
    if event.amount_minor < 0 {
        return Err(Reject::new(
            "negative-amount",
            format!(
                "transaction {} charges {}",
                event.transaction_id, event.amount_minor
            ),
        ));
    }

    let mut count = |holder: Holder| {
        let history = docket.histories.entry(holder).or_default();
        let before = history.up_to(occurred_at);
        history.add(occurred_at, event.amount_minor);
        before
    };
    let features = Features {
        amount_minor: event.amount_minor,
        item_count: event.item_count,
        country: event.country.clone(),
        customer: count(Holder::Customer(event.customer_id.clone())),
        card: count(Holder::Card(event.card.clone())),
    };
    docket.order_of.insert(event.transaction_id, event.order_id);
    docket
        .transaction_of
        .insert(event.order_id, event.transaction_id);
    docket.transactions.push(Transaction {
        id: event.transaction_id,
        order_id: event.order_id,
        customer_id: event.customer_id.clone(),
        card: event.card.clone(),
        amount_minor: event.amount_minor,
        currency: event.currency.clone(),
        country: event.country.clone(),
        channel: event.channel.clone(),
        item_count: event.item_count,
        occurred_at,
    });
    Ok(Some(features))
}

/// Decides about a transaction that was taken in, or leaves it to the bureau.
pub fn judge(
    docket: &mut Docket,
    event: &TransactionCreated,
    mut score: Score,
    origin: Origin,
    policy: Policy,
    now: DateTime<Utc>,
) -> Decision {
    let verdict = if docket.tombstones.contains(&event.order_id) {
        Verdict::Closed
    } else if let Some(reason) = block_reason(docket, event) {
        certain(&mut score, reason);
        Verdict::Blocked
    } else if event.card.starts_with(BUREAU_PREFIX) {
        Verdict::Pending {
            due_at: now + policy.bureau_takes,
            origin,
        }
    } else {
        weigh(&mut score, event.amount_minor, origin, policy)
    };

    let mut judgement = Judgement {
        transaction_id: event.transaction_id,
        order_id: event.order_id,
        verdict,
        score,
        decided_by: BY_MODEL.to_owned(),
        version: 0,
        decided_at: now,
    };
    let events = announce(&mut judgement);
    docket.keep(judgement);
    Ok(events)
}

/// The order was cancelled: nobody has to decide any more.
pub fn close(docket: &mut Docket, order_id: Uuid, now: DateTime<Utc>) -> Decision {
    match docket.judgements.get(&order_id).cloned() {
        None => {
            if docket.tombstones.insert(order_id) {
                docket.buried.insert(order_id);
            }
        }
        Some(judgement) => match judgement.verdict {
            Verdict::Pending { .. } | Verdict::Held { .. } => {
                docket.keep(Judgement {
                    verdict: Verdict::Closed,
                    decided_at: now,
                    ..judgement
                });
            }
            Verdict::Approved | Verdict::Blocked | Verdict::Closed => {}
        },
    }
    Ok(Events::none())
}

/// The bureau has answered about the card: the verdict that waited for it is given now.
pub fn answer(
    judgement: &mut Judgement,
    card: &str,
    amount_minor: i64,
    policy: Policy,
    now: DateTime<Utc>,
) -> Events {
    let Verdict::Pending { origin, .. } = judgement.verdict.clone() else {
        return Events::none();
    };
    judgement.verdict = if card == BUREAU_STOLEN {
        certain(
            &mut judgement.score,
            "the bureau knows the card as stolen".to_owned(),
        );
        Verdict::Blocked
    } else {
        weigh(&mut judgement.score, amount_minor, origin, policy)
    };
    judgement.decided_by = BY_BUREAU.to_owned();
    judgement.decided_at = now;
    announce(judgement)
}

fn block_reason(docket: &Docket, event: &TransactionCreated) -> Option<String> {
    [
        Holder::Card(event.card.clone()),
        Holder::Customer(event.customer_id.clone()),
    ]
    .iter()
    .find_map(|holder| {
        let reason = docket.blocked.get(holder)?;
        Some(format!(
            "the {} is on the block list: {reason}",
            holder.kind()
        ))
    })
}

fn certain(score: &mut Score, reason: String) {
    score.value = 1.0;
    score.reasons.insert(0, reason);
}

fn weigh(score: &mut Score, amount_minor: i64, origin: Origin, policy: Policy) -> Verdict {
    if score.value >= policy.block {
        return Verdict::Blocked;
    }
    if amount_minor > AMOUNT_HELD_ABOVE_MINOR {
        score.reasons.insert(
            0,
            "amounts above 5,000.00 are looked at by a person".to_owned(),
        );
        return Verdict::Held { origin };
    }
    if score.value >= policy.hold {
        Verdict::Held { origin }
    } else {
        Verdict::Approved
    }
}

/// The event that tells a verdict, as the order's next version.
pub(super) fn announce(judgement: &mut Judgement) -> Events {
    macro_rules! telling {
        ($event:ident) => {{
            judgement.version += 1;
            Events::one(
                judgement.version,
                $event {
                    order_id: judgement.order_id,
                    transaction_id: judgement.transaction_id,
                    score: judgement.score.value,
                    model_version: judgement.score.model_version.clone(),
                    reasons: judgement.score.reasons.clone(),
                    decided_by: judgement.decided_by.clone(),
                },
            )
        }};
    }
    match judgement.verdict {
        Verdict::Approved => telling!(TransactionApproved),
        Verdict::Blocked => telling!(TransactionBlocked),
        Verdict::Held { .. } => telling!(TransactionHeld),
        Verdict::Pending { .. } | Verdict::Closed => Events::none(),
    }
}
