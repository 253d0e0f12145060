//! Rolling windows of customers and cards.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::types::Json;
use sqlx::{PgConnection, Row};

use super::rows::holder;
use crate::domain::Holder;
use crate::domain::history::History;

/// The windows of these holders, locked in key order. Who has none is absent.
#[tracing::instrument(name = "db.windows.load", skip_all)]
pub(crate) async fn load_histories(
    tx: &mut PgConnection,
    holders: &BTreeSet<Holder>,
) -> Result<BTreeMap<Holder, History>, sqlx::Error> {
    let sql = "
        SELECT w.kind, w.holder, w.history
          FROM windows w
          JOIN UNNEST($1::text[], $2::text[]) AS h (kind, holder) USING (kind, holder)
         ORDER BY w.kind, w.holder
           FOR UPDATE OF w";
    let (kinds, names) = columns(holders);
    let rows = sqlx::query(sql)
        .bind(kinds)
        .bind(names)
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let Json(history) = row.try_get("history")?;
            Ok((holder(row)?, history))
        })
        .collect()
}

/// A row that another instance inserted since the load fails the batch; the next attempt loads it.
/// Overwriting it instead would lose what the other has counted.
#[tracing::instrument(name = "db.windows.insert", skip_all)]
pub(super) async fn insert(
    tx: &mut PgConnection,
    histories: &[(&Holder, &History)],
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO windows (kind, holder, history)
        SELECT kind, holder, history
          FROM UNNEST($1::text[], $2::text[], $3::jsonb[]) AS h (kind, holder, history)
         ORDER BY kind, holder";
    let (kinds, names) = columns(histories.iter().map(|(holder, _)| *holder));
    let histories: Vec<_> = histories
        .iter()
        .map(|(_, history)| Json(*history))
        .collect();
    sqlx::query(sql)
        .bind(kinds)
        .bind(names)
        .bind(histories)
        .execute(tx)
        .await?;
    Ok(())
}

#[tracing::instrument(name = "db.windows.update", skip_all)]
pub(super) async fn update(
    tx: &mut PgConnection,
    histories: &[(&Holder, &History)],
) -> Result<(), sqlx::Error> {
    let sql = "
        UPDATE windows w
           SET history = h.history
          FROM UNNEST($1::text[], $2::text[], $3::jsonb[]) AS h (kind, holder, history)
         WHERE w.kind = h.kind AND w.holder = h.holder";
    let (kinds, names) = columns(histories.iter().map(|(holder, _)| *holder));
    let histories: Vec<_> = histories
        .iter()
        .map(|(_, history)| Json(*history))
        .collect();
    sqlx::query(sql)
        .bind(kinds)
        .bind(names)
        .bind(histories)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) fn columns<'a>(
    holders: impl IntoIterator<Item = &'a Holder>,
) -> (Vec<&'static str>, Vec<&'a str>) {
    holders
        .into_iter()
        .map(|holder| (holder.kind(), holder.name()))
        .unzip()
}
