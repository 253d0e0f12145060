//! The limit: what was inserted and published, once more, by programs that do nothing else.

use std::collections::BTreeMap;
use std::time::Instant;

use sqlx::postgres::PgTypeInfo;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::task::JoinSet;

use super::records::Records;
use super::world::World;
use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::Measured;
use crate::bench::rows::Array;

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
    groups: Vec<Array>,
}

pub(super) async fn run(
    parts: &Parts,
    from: &World,
    to: &World,
    orders: u32,
) -> anyhow::Result<Measured> {
    let mut writers = Vec::new();
    for (service, source) in &from.databases {
        let target = &to.databases[service];
        let tables = read(source, target).await?;
        let connection = shared::db::options(target, "bench/limit")?
            .connect()
            .await?;
        writers.push((connection, tables));
    }
    let records = Records::read(parts, &from.namespace).await?;
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
    let namespace = to.namespace.clone();
    working.spawn_blocking(move || records.send_and_receive(&kafka, &namespace));
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
        // A copy of the database knows the type by the same number.
        let array = |row| Array::read(row, PgTypeInfo::with_oid(array));
        tables.push(Table {
            name,
            groups: rows.iter().map(array).collect::<Result<_, _>>()?,
        });
    }
    source.close().await?;
    target.close().await?;
    Ok(tables)
}

async fn write(mut connection: PgConnection, tables: Vec<Table>) -> anyhow::Result<()> {
    for Table { name, groups } in tables {
        let insert = format!(
            "INSERT INTO {name} OVERRIDING SYSTEM VALUE
             SELECT row.* FROM unnest($1::{name}[]) AS row"
        );
        for array in groups {
            sqlx::query(AssertSqlSafe(insert.clone()))
                .bind(array)
                .execute(&mut connection)
                .await?;
        }
    }
    Ok(connection.close().await?)
}
