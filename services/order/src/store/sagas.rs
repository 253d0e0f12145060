//! Tables `sagas` and `saga_acks`.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use tracing::instrument;
use uuid::Uuid;

use super::unreadable;
use crate::domain::state::{
    Cancellation, Deadline, Parcel, Participant, Saga, State, reason_name, reason_named,
};
use crate::domain::timeline::Ack;

/// Prefixed, because orders have some of the names, too.
macro_rules! saga_columns {
    () => {
        "s.order_id, s.customer_id, s.amount_minor, s.state, s.since, s.version, s.verdict,
         s.verdict_at, s.stock, s.parcels_expected, s.parcels, s.charge, s.cancel_reason,
         s.cancel_detail, s.was_confirmed, s.awaits_inventory, s.awaits_shipment, s.acks_overdue,
         s.recalled, s.due_at, s.due_for, s.updated_at"
    };
}
pub(super) use saga_columns;

/// Locks them in key order, so that two batches cannot wait for each other.
#[instrument(name = "db.sagas.load", skip_all)]
pub(crate) async fn load(
    tx: &mut PgConnection,
    order_ids: &[Uuid],
) -> Result<Vec<Saga>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        saga_columns!(),
        " FROM sagas s WHERE s.order_id = ANY($1) ORDER BY s.order_id FOR UPDATE"
    ))
    .bind(order_ids)
    .fetch_all(tx)
    .await?;
    rows.iter().map(saga_of).collect()
}

/// Locks the saga of a customer's own order, and tells the order's trace.
#[instrument(name = "db.sagas.load", skip_all)]
pub(crate) async fn load_own(
    tx: &mut PgConnection,
    order_id: Uuid,
    customer_id: &str,
) -> Result<Option<(Saga, Option<String>)>, sqlx::Error> {
    sqlx::query(concat!(
        "SELECT ",
        saga_columns!(),
        ", o.traceparent
         FROM sagas s
         JOIN orders o ON o.id = s.order_id
         WHERE s.order_id = $1 AND s.customer_id = $2
         FOR UPDATE OF s"
    ))
    .bind(order_id)
    .bind(customer_id)
    .fetch_optional(tx)
    .await?
    .map(|row| Ok((saga_of(&row)?, row.try_get("traceparent")?)))
    .transpose()
}

/// Sagas whose deadline has passed, in the order of the index. Those that another transaction is
/// deciding are left to it. It has no span: it is asked all the time, and mostly in vain.
pub(crate) async fn load_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(Saga, Option<String>)>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        saga_columns!(),
        ", o.traceparent
         FROM sagas s
         JOIN orders o ON o.id = s.order_id
         WHERE s.due_at <= $1
         ORDER BY s.due_at
         LIMIT $2
         FOR UPDATE OF s SKIP LOCKED"
    ))
    .bind(now)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| Ok((saga_of(row)?, row.try_get("traceparent")?)))
        .collect()
}

/// Sagas that have been in their state since before a time, oldest order first. It reads along the
/// primary key and filters: for people who look for what hangs, not for polling.
#[instrument(name = "db.sagas.find", skip_all)]
pub(crate) async fn find_since(
    db: impl PgExecutor<'_>,
    state: Option<State>,
    before: DateTime<Utc>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Saga>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        saga_columns!(),
        " FROM sagas s
         WHERE s.since <= $2
           AND ($1::text IS NULL AND s.state NOT IN ('completed', 'cancelled') OR s.state = $1)
           AND ($3::uuid IS NULL OR s.order_id > $3)
         ORDER BY s.order_id
         LIMIT $4"
    ))
    .bind(state.map(State::as_str))
    .bind(before)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(saga_of).collect()
}

/// What of a saga changes, on its way into the database.
#[derive(sqlx::Encode)]
struct SagaRow<'a> {
    order_id: Uuid,
    state: &'static str,
    since: DateTime<Utc>,
    version: i32,
    verdict: &'static str,
    verdict_at: DateTime<Utc>,
    stock: &'static str,
    parcels_expected: Option<i32>,
    parcels: Json<&'a [Parcel]>,
    charge: &'static str,
    cancel_reason: Option<&'static str>,
    cancel_detail: Option<&'a str>,
    was_confirmed: Option<bool>,
    awaits_inventory: bool,
    awaits_shipment: bool,
    acks_overdue: i32,
    recalled: bool,
    due_at: Option<DateTime<Utc>>,
    due_for: Option<&'static str>,
    updated_at: DateTime<Utc>,
}

shared::row_type!(SagaRow<'_>, "saga_row");

impl<'a> SagaRow<'a> {
    fn of(saga: &'a Saga) -> Self {
        let cancellation = saga.cancellation.as_ref();
        Self {
            order_id: saga.order_id,
            state: saga.state.as_str(),
            since: saga.since,
            version: saga.version,
            verdict: saga.verdict.as_str(),
            verdict_at: saga.verdict_at,
            stock: saga.stock.as_str(),
            parcels_expected: saga.parcels_expected,
            parcels: Json(&saga.parcels),
            charge: saga.charge.as_str(),
            cancel_reason: cancellation.map(|why| reason_name(why.reason)),
            cancel_detail: cancellation.map(|why| why.detail.as_str()),
            was_confirmed: cancellation.map(|why| why.was_confirmed),
            awaits_inventory: saga.awaits.contains(&Participant::Inventory),
            awaits_shipment: saga.awaits.contains(&Participant::Shipment),
            acks_overdue: saga.acks_overdue,
            recalled: saga.recalled,
            due_at: saga.deadline.map(|deadline| deadline.at),
            due_for: saga.deadline.map(|deadline| deadline.due.as_str()),
            updated_at: saga.updated_at,
        }
    }
}

#[instrument(name = "db.sagas.save", skip_all)]
pub(super) async fn save(
    tx: &mut PgConnection,
    sagas: impl Iterator<Item = &Saga>,
) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = sagas.map(SagaRow::of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE sagas s
         SET state            = n.state,
             since            = n.since,
             version          = n.version,
             verdict          = n.verdict,
             verdict_at       = n.verdict_at,
             stock            = n.stock,
             parcels_expected = n.parcels_expected,
             parcels          = n.parcels,
             charge           = n.charge,
             cancel_reason    = n.cancel_reason,
             cancel_detail    = n.cancel_detail,
             was_confirmed    = n.was_confirmed,
             awaits_inventory = n.awaits_inventory,
             awaits_shipment  = n.awaits_shipment,
             acks_overdue     = n.acks_overdue,
             recalled         = n.recalled,
             due_at           = n.due_at,
             due_for          = n.due_for,
             updated_at       = n.updated_at
         FROM unnest($1::saga_row[]) AS n
         WHERE s.order_id = n.order_id",
    )
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

/// An acknowledgement that comes again is known already.
#[instrument(name = "db.saga_acks.save", skip_all)]
pub(super) async fn save_acks(tx: &mut PgConnection, acks: &[Ack]) -> Result<(), sqlx::Error> {
    if acks.is_empty() {
        return Ok(());
    }
    let order_ids: Vec<_> = acks.iter().map(|ack| ack.order_id).collect();
    let participants: Vec<_> = acks.iter().map(|ack| ack.participant.as_str()).collect();
    let times: Vec<_> = acks.iter().map(|ack| ack.at).collect();
    sqlx::query(
        "INSERT INTO saga_acks (order_id, participant, acked_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])
         ON CONFLICT ON CONSTRAINT saga_acks_pkey DO NOTHING",
    )
    .bind(order_ids)
    .bind(participants)
    .bind(times)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn saga_of(row: &PgRow) -> Result<Saga, sqlx::Error> {
    let reason: Option<String> = row.try_get("cancel_reason")?;
    let detail: Option<String> = row.try_get("cancel_detail")?;
    let was_confirmed: Option<bool> = row.try_get("was_confirmed")?;
    let due_at: Option<DateTime<Utc>> = row.try_get("due_at")?;
    let due_for: Option<String> = row.try_get("due_for")?;
    let due = due_for
        .map(|name| name.parse().map_err(|()| unreadable("due_for", &name)))
        .transpose()?;
    let mut awaits = BTreeSet::new();
    if row.try_get("awaits_inventory")? {
        awaits.insert(Participant::Inventory);
    }
    if row.try_get("awaits_shipment")? {
        awaits.insert(Participant::Shipment);
    }
    let Json(parcels) = row.try_get("parcels")?;
    Ok(Saga {
        order_id: row.try_get("order_id")?,
        customer_id: row.try_get("customer_id")?,
        amount_minor: row.try_get("amount_minor")?,
        state: named(row, "state")?,
        since: row.try_get("since")?,
        version: row.try_get("version")?,
        verdict: named(row, "verdict")?,
        verdict_at: row.try_get("verdict_at")?,
        stock: named(row, "stock")?,
        parcels_expected: row.try_get("parcels_expected")?,
        parcels,
        charge: named(row, "charge")?,
        cancellation: reason.zip(detail).zip(was_confirmed).map(
            |((reason, detail), was_confirmed)| Cancellation {
                reason: reason_named(&reason),
                detail,
                was_confirmed,
            },
        ),
        awaits,
        acks_overdue: row.try_get("acks_overdue")?,
        recalled: row.try_get("recalled")?,
        deadline: due_at.zip(due).map(|(at, due)| Deadline { at, due }),
        updated_at: row.try_get("updated_at")?,
    })
}

fn named<T: FromStr>(row: &PgRow, column: &str) -> Result<T, sqlx::Error> {
    let name: &str = row.try_get(column)?;
    name.parse().map_err(|_| unreadable(column, name))
}
