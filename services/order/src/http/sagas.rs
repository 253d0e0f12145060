//! What staff looks at: orders that hang.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::params::ValidQuery;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::query::{cursor, page_size, read_age, read_cursor};
use super::view::DeadlineView;
use super::{Api, OPERATIONS};
use crate::domain::state::{self, Saga, Stock, Verdict};
use crate::store;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Hanging {
    /// Default: every state that is not final.
    state: Option<state::State>,
    /// In that state for at least this long.
    #[param(example = "10m")]
    older_than: Option<String>,
    /// 1 to 100.
    limit: Option<u8>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SagaPage {
    sagas: Vec<SagaView>,
    /// Asks for the next page; null on the last one.
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct SagaView {
    order_id: Uuid,
    state: state::State,
    since: DateTime<Utc>,
    age_s: i64,
    stock: Stock,
    verdict: Verdict,
    waiting_for: Vec<&'static str>,
    deadline: Option<DeadlineView>,
    compensation_overdue: bool,
    /// Times that acknowledgements were overdue.
    acks_overdue: i32,
}

/// Orders by state and age, oldest first; what hangs stands on top.
#[utoipa::path(
    get,
    path = "/v1/sagas",
    tag = "operations",
    security(("token" = [])),
    params(Hanging),
    responses(
        (status = 200, body = SagaPage),
        (status = 403, body = Problem, description = "It needs the scope `operations`"),
    ),
)]
pub(super) async fn list_sagas(
    State(api): State<Api>,
    caller: Caller,
    ValidQuery(hanging): ValidQuery<Hanging>,
) -> Result<Json<SagaPage>, ApiError> {
    caller.require(OPERATIONS)?;
    let limit = page_size(hanging.limit)?;
    let after = hanging.cursor.as_deref().map(read_cursor).transpose()?;
    let age = hanging
        .older_than
        .as_deref()
        .map(read_age)
        .transpose()?
        .unwrap_or_default();
    let now = api.rail.now().await?;
    let before = now - TimeDelta::from_std(age).unwrap_or_default();
    // One more than asked tells whether there is a next page.
    let limit_sql = i64::from(limit) + 1;
    let mut sagas = store::sagas::find_since(
        &mut *api.rail.connection().await?,
        hanging.state,
        before,
        after,
        limit_sql,
    )
    .await?;
    let more = sagas.len() > usize::from(limit);
    sagas.truncate(usize::from(limit));
    let last = sagas.last().map(|saga| saga.order_id);
    Ok(Json(SagaPage {
        next_cursor: last.filter(|_| more).map(cursor),
        sagas: sagas.iter().map(|saga| SagaView::of(saga, now)).collect(),
    }))
}

impl SagaView {
    fn of(saga: &Saga, now: DateTime<Utc>) -> Self {
        Self {
            order_id: saga.order_id,
            state: saga.state,
            since: saga.since,
            age_s: (now - saga.since).num_seconds(),
            stock: saga.stock,
            verdict: saga.verdict,
            waiting_for: saga.waits_for(),
            deadline: saga.deadline.map(|deadline| DeadlineView {
                at: deadline.at,
                due: deadline.due.as_str(),
            }),
            compensation_overdue: saga.compensation_overdue(),
            acks_overdue: saga.acks_overdue,
        }
    }
}
