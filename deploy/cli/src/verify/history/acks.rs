//! Every request for an order, and what its client was told.

use std::path::Path;

use anyhow::ensure;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::lines;
use crate::verify::rows;

#[derive(Deserialize)]
pub(in crate::verify) struct Answer {
    pub(in crate::verify) order_id: Option<Uuid>,
    pub(in crate::verify) customer_id: String,
    pub(in crate::verify) key: Option<String>,
    /// A line without one is a promise.
    #[serde(default)]
    pub(in crate::verify) outcome: Outcome,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::verify) enum Outcome {
    #[default]
    Acked,
    /// No answer came, so either may be true.
    Maybe,
    Refused,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Maybe => "maybe",
            Self::Refused => "refused",
        }
    }
}

impl Answer {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.outcome != Outcome::Acked || self.order_id.is_some(),
            "an acknowledgement names its order_id"
        );
        ensure!(
            self.outcome == Outcome::Acked || self.key.is_some(),
            "a request that was not acknowledged is known by its key"
        );
        Ok(())
    }
}

pub(super) async fn load(check: &mut PgConnection, file: &Path) -> anyhow::Result<u64> {
    let file = file.to_owned();
    rows::fill(check, "hist.requests", move |feed| {
        lines::read(&file, |answer: Answer| {
            answer.check()?;
            feed.row(4)?;
            feed.uuid(answer.order_id);
            feed.text(Some(&answer.customer_id));
            feed.text(answer.key.as_deref());
            feed.text(Some(answer.outcome.name()));
            Ok(())
        })
    })
    .await
}
