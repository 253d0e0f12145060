//! From rows to what the domain knows, and back.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::domain::review::{Case, Label, Ruling};
use crate::domain::{Holder, Judgement, Origin, Score, Transaction, Verdict};

pub(super) fn holder(row: &PgRow) -> Result<Holder, sqlx::Error> {
    let name = row.try_get("holder")?;
    match row.try_get("kind")? {
        "card" => Ok(Holder::Card(name)),
        "customer" => Ok(Holder::Customer(name)),
        other => Err(unknown("kind", other)),
    }
}

pub(super) fn case(row: &PgRow) -> Result<Case, sqlx::Error> {
    let judgement = judgement(row)?;
    Ok(Case {
        transaction: Transaction {
            id: judgement.transaction_id,
            order_id: judgement.order_id,
            customer_id: row.try_get("customer_id")?,
            card: row.try_get("card")?,
            amount_minor: row.try_get("amount_minor")?,
            currency: row.try_get("currency")?,
            country: row.try_get("country")?,
            channel: row.try_get("channel")?,
            item_count: row.try_get("item_count")?,
            occurred_at: row.try_get("occurred_at")?,
        },
        judgement,
        label: label(row)?,
    })
}

pub(super) fn judgement(row: &PgRow) -> Result<Judgement, sqlx::Error> {
    let due_at: Option<DateTime<Utc>> = row.try_get("due_at")?;
    let verdict = match (row.try_get("verdict")?, due_at, origin(row)?) {
        ("pending", Some(due_at), Some(origin)) => Verdict::Pending { due_at, origin },
        ("approved", None, None) => Verdict::Approved,
        ("blocked", None, None) => Verdict::Blocked,
        ("held", None, Some(origin)) => Verdict::Held { origin },
        ("closed", None, None) => Verdict::Closed,
        (other, _, _) => return Err(unknown("verdict", other)),
    };
    Ok(Judgement {
        transaction_id: row.try_get("transaction_id")?,
        order_id: row.try_get("order_id")?,
        verdict,
        score: Score {
            value: row.try_get("score")?,
            model_version: row.try_get("model_version")?,
            reasons: row.try_get("reasons")?,
        },
        decided_by: row.try_get("decided_by")?,
        version: row.try_get("version")?,
        decided_at: row.try_get("decided_at")?,
    })
}

fn origin(row: &PgRow) -> Result<Option<Origin>, sqlx::Error> {
    let event_id: Option<Uuid> = row.try_get("cause_id")?;
    let traceparent = row.try_get("traceparent")?;
    Ok(event_id.map(|event_id| Origin {
        event_id,
        traceparent,
    }))
}

fn label(row: &PgRow) -> Result<Option<Label>, sqlx::Error> {
    let ruling = match row.try_get("label")? {
        None => return Ok(None),
        Some("approve") => Ruling::Approve,
        Some("block") => Ruling::Block,
        Some(other) => return Err(unknown("label", other)),
    };
    Ok(Some(Label {
        ruling,
        reviewer: row.try_get("reviewer")?,
        note: row.try_get("note")?,
        at: row.try_get("labelled_at")?,
    }))
}

/// The CHECK constraints let nothing else in; a database that was edited by hand might.
fn unknown(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} holds {value:?}").into())
}

/// A charge on its way into the database.
#[derive(sqlx::Encode)]
pub(super) struct TransactionRow<'a> {
    id: Uuid,
    order_id: Uuid,
    customer_id: &'a str,
    card: &'a str,
    amount_minor: i64,
    currency: &'a str,
    country: &'a str,
    channel: &'a str,
    item_count: i32,
    occurred_at: DateTime<Utc>,
}

shared::row_type!(TransactionRow<'_>, "transaction_row");

impl<'a> TransactionRow<'a> {
    pub(super) fn of(transaction: &'a Transaction) -> Self {
        Self {
            id: transaction.id,
            order_id: transaction.order_id,
            customer_id: &transaction.customer_id,
            card: &transaction.card,
            amount_minor: transaction.amount_minor,
            currency: &transaction.currency,
            country: &transaction.country,
            channel: &transaction.channel,
            item_count: transaction.item_count,
            occurred_at: transaction.occurred_at,
        }
    }
}

/// A decision on its way into the database.
#[derive(sqlx::Encode)]
pub(super) struct DecisionRow<'a> {
    transaction_id: Uuid,
    order_id: Uuid,
    verdict: &'a str,
    score: f64,
    model_version: &'a str,
    reasons: &'a [String],
    decided_by: &'a str,
    version: i32,
    decided_at: DateTime<Utc>,
    due_at: Option<DateTime<Utc>>,
    cause_id: Option<Uuid>,
    traceparent: Option<&'a str>,
}

shared::row_type!(DecisionRow<'_>, "decision_row");

impl<'a> DecisionRow<'a> {
    pub(super) fn of(judgement: &'a Judgement) -> Self {
        let (score, origin) = (&judgement.score, judgement.verdict.origin());
        Self {
            transaction_id: judgement.transaction_id,
            order_id: judgement.order_id,
            verdict: judgement.verdict.name(),
            score: score.value,
            model_version: &score.model_version,
            reasons: &score.reasons,
            decided_by: &judgement.decided_by,
            version: judgement.version,
            decided_at: judgement.decided_at,
            due_at: judgement.verdict.due_at(),
            cause_id: origin.map(|origin| origin.event_id),
            traceparent: origin.and_then(|origin| origin.traceparent.as_deref()),
        }
    }
}
