//! What a reviewer decides about a held transaction; kept as a label.

use chrono::{DateTime, Utc};
use shared::batch::{Events, Reject};

use super::{Judgement, Verdict, judge};

/// A judgement with the charge it is about, and what a reviewer said.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub judgement: Judgement,
    pub transaction: super::Transaction,
    pub label: Option<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub ruling: Ruling,
    pub reviewer: String,
    pub note: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Approve,
    Block,
}

impl Ruling {
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Block => "block",
        }
    }
}

/// Decides a held case. The same ruling again changes nothing and is no error.
pub fn rule(case: &mut Case, label: Label) -> Result<Events, Reject> {
    let judgement = &mut case.judgement;
    let refused = |code, why: &str| {
        let transaction = judgement.transaction_id;
        Err(Reject::new(
            code,
            format!("transaction {transaction} {why}"),
        ))
    };
    match (&judgement.verdict, &case.label) {
        (Verdict::Held { .. }, _) => {}
        (_, Some(given)) if given.ruling == label.ruling => return Ok(Events::none()),
        (_, Some(given)) => {
            return match given.ruling {
                Ruling::Approve => refused("already-decided", "was approved by a reviewer"),
                Ruling::Block => refused("already-decided", "was blocked by a reviewer"),
            };
        }
        (Verdict::Approved | Verdict::Blocked, None) => {
            return refused("already-decided", "was decided without a review");
        }
        (Verdict::Pending { .. }, None) => {
            return refused("bureau-awaited", "waits for the bureau's answer");
        }
        (Verdict::Closed, None) => {
            return refused(
                "order-cancelled",
                "needs no review: its order was cancelled",
            );
        }
    }

    judgement.verdict = match label.ruling {
        Ruling::Approve => Verdict::Approved,
        Ruling::Block => Verdict::Blocked,
    };
    judgement.decided_by.clone_from(&label.reviewer);
    judgement.decided_at = label.at;
    case.label = Some(label);
    Ok(judge::announce(&mut case.judgement))
}
