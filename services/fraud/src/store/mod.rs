//! Every SQL statement of fraud: here what a batch loads and saves.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::domain::{Docket, Holder, Judgement, Transaction};

mod cases;
mod rows;
mod windows;

pub(crate) use cases::{
    claim_due, find_case_of_order, list_held, load_cases, lock_judgement, save_label,
};
pub(crate) use windows::load_histories;

use rows::{DecisionRow, TransactionRow};

/// What is known about these orders and transactions, locked in the order of order ids.
#[tracing::instrument(name = "db.decisions.load", skip_all)]
pub(crate) async fn load_judgements(
    tx: &mut PgConnection,
    orders: &[Uuid],
    transactions: &[Uuid],
) -> Result<Vec<Judgement>, sqlx::Error> {
    let sql = "
        SELECT transaction_id, order_id, verdict, score, model_version, reasons, decided_by,
               version, decided_at, due_at, cause_id, traceparent
          FROM decisions
         WHERE order_id = ANY($1) OR transaction_id = ANY($2)
         ORDER BY order_id
           FOR UPDATE";
    let rows = sqlx::query(sql)
        .bind(orders)
        .bind(transactions)
        .fetch_all(tx)
        .await?;
    rows.iter().map(rows::judgement).collect()
}

#[tracing::instrument(name = "db.tombstones.load", skip_all)]
pub(crate) async fn load_tombstones(
    tx: &mut PgConnection,
    orders: &[Uuid],
) -> Result<BTreeSet<Uuid>, sqlx::Error> {
    let sql = "SELECT order_id FROM tombstones WHERE order_id = ANY($1)";
    let rows: Vec<Uuid> = sqlx::query_scalar(sql).bind(orders).fetch_all(tx).await?;
    Ok(rows.into_iter().collect())
}

/// Those of these holders who are on the block list, with the reason.
#[tracing::instrument(name = "db.blocked.load", skip_all)]
pub(crate) async fn load_blocked(
    tx: &mut PgConnection,
    holders: &BTreeSet<Holder>,
) -> Result<HashMap<Holder, String>, sqlx::Error> {
    let sql = "
        SELECT b.kind, b.holder, b.reason
          FROM blocked b
          JOIN UNNEST($1::text[], $2::text[]) AS h (kind, holder) USING (kind, holder)";
    let (kinds, names) = windows::columns(holders);
    let rows = sqlx::query(sql)
        .bind(kinds)
        .bind(names)
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| Ok((rows::holder(row)?, row.try_get("reason")?)))
        .collect()
}

/// Everything that a batch changed.
pub(crate) async fn save_docket(
    tx: &mut PgConnection,
    docket: &Docket,
    known_holders: &BTreeSet<Holder>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if !docket.transactions.is_empty() {
        save_transactions(tx, &docket.transactions).await?;
        let (known, new): (Vec<_>, Vec<_>) = docket
            .histories
            .iter()
            .partition(|(holder, _)| known_holders.contains(holder));
        if !new.is_empty() {
            windows::insert(tx, &new).await?;
        }
        if !known.is_empty() {
            windows::update(tx, &known).await?;
        }
    }
    let changed: Vec<_> = docket
        .changed
        .iter()
        .filter_map(|order| docket.judgements.get(order))
        .collect();
    if !changed.is_empty() {
        save_judgements(tx, &changed).await?;
    }
    if !docket.buried.is_empty() {
        save_tombstones(tx, &docket.buried, now).await?;
    }
    Ok(())
}

#[tracing::instrument(name = "db.transactions.save", skip_all)]
async fn save_transactions(
    tx: &mut PgConnection,
    transactions: &[Transaction],
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO transactions (id, order_id, customer_id, card, amount_minor, currency, country,
                                  channel, item_count, occurred_at)
        SELECT id, order_id, customer_id, card, amount_minor, currency, country, channel,
               item_count, occurred_at
          FROM unnest($1::transaction_row[])";
    let rows: Vec<_> = transactions.iter().map(TransactionRow::of).collect();
    sqlx::query(sql).bind(rows).execute(tx).await?;
    Ok(())
}

#[tracing::instrument(name = "db.decisions.save", skip_all)]
pub(crate) async fn save_judgements(
    tx: &mut PgConnection,
    judgements: &[&Judgement],
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO decisions (transaction_id, order_id, verdict, score, model_version, reasons,
                               decided_by, version, decided_at, due_at, cause_id, traceparent)
        SELECT transaction_id, order_id, verdict, score, model_version, reasons, decided_by,
               version, decided_at, due_at, cause_id, traceparent
          FROM unnest($1::decision_row[])
            ON CONFLICT (transaction_id) DO UPDATE
           SET verdict = EXCLUDED.verdict,
               score = EXCLUDED.score,
               reasons = EXCLUDED.reasons,
               decided_by = EXCLUDED.decided_by,
               version = EXCLUDED.version,
               decided_at = EXCLUDED.decided_at,
               due_at = EXCLUDED.due_at,
               cause_id = EXCLUDED.cause_id,
               traceparent = EXCLUDED.traceparent";
    let rows: Vec<_> = judgements
        .iter()
        .map(|judgement| DecisionRow::of(judgement))
        .collect();
    sqlx::query(sql).bind(rows).execute(tx).await?;
    Ok(())
}

#[tracing::instrument(name = "db.tombstones.save", skip_all)]
async fn save_tombstones(
    tx: &mut PgConnection,
    orders: &BTreeSet<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO tombstones (order_id, at)
        SELECT order_id, $2 FROM UNNEST($1::uuid[]) AS o (order_id)";
    let orders: Vec<_> = orders.iter().copied().collect();
    sqlx::query(sql).bind(orders).bind(now).execute(tx).await?;
    Ok(())
}
