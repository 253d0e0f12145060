//! What clients saw of their orders.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::lines;
use crate::verify::rows;

#[derive(Deserialize)]
struct Observation {
    order_id: Uuid,
    customer_id: String,
    /// Nothing where the answer was that there is no such order.
    status: Option<String>,
    #[serde(deserialize_with = "lines::time")]
    at: DateTime<Utc>,
}

pub(super) async fn load(check: &mut PgConnection, file: &Path) -> anyhow::Result<u64> {
    let file = file.to_owned();
    rows::fill(check, "hist.observations", move |feed| {
        let mut number = 0;
        lines::read(&file, |seen: Observation| {
            number += 1;
            feed.row(5)?;
            feed.int8(Some(number));
            feed.uuid(Some(seen.order_id));
            feed.text(Some(&seen.customer_id));
            feed.text(seen.status.as_deref());
            feed.time(Some(seen.at));
            Ok(())
        })
    })
    .await
}
