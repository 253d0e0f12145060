//! What requests and answers look like.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::review::Case;

/// A transaction, what was decided about it, and what a reviewer said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Review {
    pub(super) transaction_id: Uuid,
    pub(super) order_id: Uuid,
    /// `pending` (a bureau's answer is awaited), `approved`, `blocked`, `held` (waits for a
    /// reviewer) or `closed` (the order was cancelled first).
    pub(super) verdict: &'static str,
    /// Risk from 0 (none) to 1 (certain).
    pub(super) score: f64,
    pub(super) model_version: String,
    /// Strongest first.
    pub(super) reasons: Vec<String>,
    /// `model`, `bureau`, or the reviewer's subject.
    pub(super) decided_by: String,
    pub(super) decided_at: DateTime<Utc>,
    /// When a pending verdict is due.
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) customer_id: String,
    /// The card's token, never its number.
    pub(super) card: String,
    pub(super) amount: Money,
    pub(super) country: String,
    pub(super) channel: String,
    pub(super) item_count: i32,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) label: Option<LabelView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Money {
    pub(super) amount_minor: i64,
    pub(super) currency: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(super) struct LabelView {
    /// `approve` or `block`.
    pub(super) ruling: &'static str,
    pub(super) reviewer: String,
    pub(super) note: String,
    pub(super) at: DateTime<Utc>,
}

impl From<Case> for Review {
    fn from(
        Case {
            judgement,
            transaction,
            label,
        }: Case,
    ) -> Self {
        Self {
            transaction_id: judgement.transaction_id,
            order_id: judgement.order_id,
            verdict: judgement.verdict.name(),
            due_at: judgement.verdict.due_at(),
            score: judgement.score.value,
            model_version: judgement.score.model_version,
            reasons: judgement.score.reasons,
            decided_by: judgement.decided_by,
            decided_at: judgement.decided_at,
            customer_id: transaction.customer_id,
            card: transaction.card,
            amount: Money {
                amount_minor: transaction.amount_minor,
                currency: transaction.currency,
            },
            country: transaction.country,
            channel: transaction.channel,
            item_count: transaction.item_count,
            occurred_at: transaction.occurred_at,
            label: label.map(|label| LabelView {
                ruling: label.ruling.name(),
                reviewer: label.reviewer,
                note: label.note,
                at: label.at,
            }),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<Uuid>,
    /// 1 to 200, 50 if not given.
    pub(super) limit: Option<u8>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reviews {
    pub(super) items: Vec<Review>,
    /// Absent on the last page.
    pub(super) next_cursor: Option<Uuid>,
}

/// What a reviewer says to a ruling.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ruled {
    /// Why, for those who look at this later: 1 to 1,000 characters.
    pub(super) note: String,
}
