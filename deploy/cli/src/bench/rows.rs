//! The rows that a run of ours has left, written once more by a plain connection.
//!
//! They travel as arrays of the tables' own row types, exactly as Postgres sent them: nothing is
//! parsed or built, so a figure of theirs is the database's and hardly the client's.

use std::ops::Range;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, Postgres};
use sqlx::{AssertSqlSafe, Encode, PgConnection, Row, Type};

/// A table that a unit of work writes rows to.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Which of its rows belong to units.
    pub(super) only: &'static str,
    /// Which unit a row belongs to, counted from 0.
    pub(super) unit: &'static str,
    /// Takes the array as `$1`.
    pub(super) insert: &'static str,
}

/// In a table that only grows, where a row lies says when it was written.
pub(super) const ONE_A_UNIT: &str = "row_number() OVER (ORDER BY row.tableoid, row.ctid) - 1";
pub(super) const TWO_A_UNIT: &str = "(row_number() OVER (ORDER BY row.tableoid, row.ctid) - 1) / 2";

/// Rows of one table, as an array in binary form.
pub(super) struct Rows {
    table: &'static Table,
    array: Vec<u8>,
}

/// What one transaction writes: some rows for each table.
pub(super) type Group = Vec<Rows>;

/// All rows in the order in which they were written, in groups of so many units.
pub(super) async fn read(
    connection: &mut PgConnection,
    tables: &'static [Table],
    units: u32,
) -> anyhow::Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for table in tables {
        let Table {
            name, only, unit, ..
        } = table;
        let statement = format!(
            "SELECT array_agg(row)
             FROM (SELECT row, ({unit}) / {units}
                   FROM {name} AS row
                   WHERE {only}) AS numbered (row, part)
             GROUP BY part
             ORDER BY part"
        );
        let arrays = sqlx::query(AssertSqlSafe(statement))
            .fetch_all(&mut *connection)
            .await?;
        groups.resize_with(groups.len().max(arrays.len()), Group::new);
        for (group, array) in groups.iter_mut().zip(&arrays) {
            let array = array
                .try_get_raw(0)?
                .as_bytes()
                .map_err(anyhow::Error::from_boxed)?;
            group.push(Rows {
                table,
                array: array.to_vec(),
            });
        }
    }
    Ok(groups)
}

/// Makes rows of one database acceptable to another, whose tables are alike but not copies.
pub(super) async fn adopt(
    target: &mut PgConnection,
    groups: &mut [Group],
) -> Result<(), sqlx::Error> {
    // An array says of which type its elements are: after the dimensions and the flags.
    const ELEMENT_TYPE: Range<usize> = 8..12;
    for rows in groups.iter_mut().flatten() {
        let oid: i64 = sqlx::query_scalar("SELECT $1::regtype::oid::bigint")
            .bind(rows.table.name)
            .fetch_one(&mut *target)
            .await?;
        let oid = u32::try_from(oid).expect("an oid has 32 bits");
        rows.array[ELEMENT_TYPE].copy_from_slice(&oid.to_be_bytes());
    }
    Ok(())
}

pub(super) async fn write(tx: &mut PgConnection, group: &Group) -> Result<(), sqlx::Error> {
    for rows in group {
        sqlx::query(rows.table.insert)
            .bind(rows)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

impl Type<Postgres> for Rows {
    fn type_info() -> PgTypeInfo {
        // Only a value knows which table's rows it has.
        PgTypeInfo::with_name("record")
    }
}

impl Encode<'_, Postgres> for Rows {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.array);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::array_of(self.table.name))
    }

    fn size_hint(&self) -> usize {
        self.array.len()
    }
}
