//! The rows that a run of ours has left, written once more by a plain connection.
//!
//! They travel as arrays of the tables' own row types, exactly as Postgres sent them: nothing is
//! parsed or built, so a figure of theirs is the database's and hardly the client's.

use std::collections::HashMap;
use std::ops::Range;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgRow, PgTypeInfo, Postgres};
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

/// Rows of one table, as Postgres sent them.
pub(super) struct Array {
    /// What it is where it is written to.
    pub(super) type_info: PgTypeInfo,
    pub(super) bytes: Vec<u8>,
}

/// Rows of one table that a transaction writes.
pub(super) struct Rows {
    table: &'static Table,
    array: Array,
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
            let type_info = PgTypeInfo::array_of(name);
            group.push(Rows {
                table,
                array: Array::read(array, type_info)?,
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
    let mut oids: HashMap<&str, Oid> = HashMap::new();
    for rows in groups.iter_mut().flatten() {
        let name = rows.table.name;
        let oid = match oids.get(name) {
            Some(oid) => *oid,
            None => {
                let oid = sqlx::query_scalar("SELECT $1::regtype::oid")
                    .bind(name)
                    .fetch_one(&mut *target)
                    .await?;
                oids.insert(name, oid);
                oid
            }
        };
        rows.array.bytes[ELEMENT_TYPE].copy_from_slice(&oid.0.to_be_bytes());
    }
    Ok(())
}

pub(super) async fn write(tx: &mut PgConnection, group: &Group) -> Result<(), sqlx::Error> {
    for rows in group {
        sqlx::query(rows.table.insert)
            .bind(&rows.array)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

impl Array {
    /// The first column.
    pub(super) fn read(row: &PgRow, type_info: PgTypeInfo) -> anyhow::Result<Self> {
        let array = row.try_get_raw(0)?;
        let bytes = array.as_bytes().map_err(anyhow::Error::from_boxed)?;
        Ok(Self {
            type_info,
            bytes: bytes.to_vec(),
        })
    }
}

impl Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        // Only a value knows which table's rows it has.
        PgTypeInfo::with_name("record")
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.type_info.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.len()
    }
}
