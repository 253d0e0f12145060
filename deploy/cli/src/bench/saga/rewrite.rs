//! The limit: what was inserted and published, once more, by programs that do nothing else.

use std::collections::BTreeMap;
use std::time::Instant;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Encode, PgConnection, Row, Type};
use tokio::task::JoinSet;

use super::records::Records;
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;

/// Rows of one table that a transaction writes: what a busy service's do.
const ROWS_PER_TRANSACTION: i64 = 500;

/// Tables that a fresh database has no rows in: what lies in others was changed, not inserted.
const TABLES: &str = "
    SELECT relname::text, (quote_ident(relname) || '[]')::regtype::oid
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY relname";

struct Table {
    name: String,
    array: Oid,
    groups: Vec<Vec<u8>>,
}

pub(super) async fn run(
    parts: &Parts,
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
    [from_topics, to_topics]: [&str; 2],
    orders: u32,
) -> anyhow::Result<Measured> {
    let mut writers = Vec::new();
    for (service, source) in from {
        let target = &to[service];
        let tables = read(source, target).await?;
        let connection = shared::db::options(target, "bench/limit")?
            .connect()
            .await?;
        writers.push((connection, tables));
    }
    let records = Records::read(parts, from_topics).await?;
    let details = BTreeMap::from([(
        "records_per_order",
        records.count() as f64 / f64::from(orders),
    )]);
    parts.checkpoint().await?;

    let cpu = Cpu::now(parts.dir())?;
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for (connection, tables) in writers {
        working.spawn(write(connection, tables));
    }
    let kafka = parts.kafka();
    let to_topics = to_topics.to_owned();
    working.spawn_blocking(move || records.send_and_receive(&kafka, &to_topics));
    while let Some(done) = working.join_next().await {
        done??;
    }
    let took = begun.elapsed();
    let cpu = Cpu::now(parts.dir())?.since(&cpu);
    Ok(Measured {
        details,
        ..Measured::new(u64::from(orders), took, cpu)
    })
}

/// The names are those of our own tables.
async fn read(source: &str, target: &str) -> anyhow::Result<Vec<Table>> {
    let mut source = PgConnection::connect(source).await?;
    let mut target = PgConnection::connect(target).await?;
    let known: Vec<(String, Oid)> = sqlx::query_as(TABLES).fetch_all(&mut source).await?;
    let mut tables = Vec::new();
    for (name, array) in known {
        let question = format!("SELECT EXISTS (SELECT FROM {name})");
        if sqlx::query_scalar(AssertSqlSafe(question))
            .fetch_one(&mut target)
            .await?
        {
            continue;
        }
        let statement = format!(
            "SELECT array_agg(row)
             FROM (SELECT row, (row_number() OVER (ORDER BY row.tableoid, row.ctid) - 1)
                               / {ROWS_PER_TRANSACTION}
                   FROM {name} AS row) AS numbered (row, part)
             GROUP BY part
             ORDER BY part"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .fetch_all(&mut source)
            .await?;
        let mut groups = Vec::new();
        for row in &rows {
            let array = row.try_get_raw(0)?;
            groups.push(
                array
                    .as_bytes()
                    .map_err(anyhow::Error::from_boxed)?
                    .to_vec(),
            );
        }
        tables.push(Table {
            name,
            array,
            groups,
        });
    }
    source.close().await?;
    target.close().await?;
    Ok(tables)
}

async fn write(mut connection: PgConnection, tables: Vec<Table>) -> anyhow::Result<()> {
    for Table {
        name,
        array,
        groups,
    } in tables
    {
        let insert = format!(
            "INSERT INTO {name} OVERRIDING SYSTEM VALUE
             SELECT row.* FROM unnest($1::{name}[]) AS row"
        );
        for bytes in groups {
            sqlx::query(AssertSqlSafe(insert.clone()))
                .bind(Rows { array, bytes })
                .execute(&mut connection)
                .await?;
        }
    }
    Ok(connection.close().await?)
}

/// Rows as Postgres sent them.
struct Rows {
    array: Oid,
    bytes: Vec<u8>,
}

impl Type<Postgres> for Rows {
    fn type_info() -> PgTypeInfo {
        // Only a value knows which table's rows it has.
        PgTypeInfo::with_name("record")
    }
}

impl Encode<'_, Postgres> for Rows {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.array))
    }

    fn size_hint(&self) -> usize {
        self.bytes.len()
    }
}
