//! Processes that were ended without warning, and took with them what they had not yet told.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;

use super::lines;
use crate::verify::rows;

#[derive(Deserialize)]
struct Kill {
    /// A service, or `jaeger`.
    service: String,
    #[serde(deserialize_with = "lines::time")]
    at: DateTime<Utc>,
}

pub(super) async fn load(check: &mut PgConnection, file: &Path) -> anyhow::Result<u64> {
    let file = file.to_owned();
    rows::fill(check, "hist.kills", move |feed| {
        lines::read(&file, |kill: Kill| {
            feed.row(2)?;
            feed.text(Some(&kill.service));
            feed.time(Some(kill.at));
            Ok(())
        })
    })
    .await
}
