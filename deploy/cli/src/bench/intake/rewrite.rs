//! Peer and limit: the rows of the order service once more, by plain connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::task::JoinSet;

use crate::bench::machine::Cpu;
use crate::bench::parts::Parts;
use crate::bench::rounds::{Latency, Measured};
use crate::bench::rows::{self, Group, Table};

/// What the order service inserts for an order.
const TABLES: &[Table] = &[
    Table {
        name: "idempotency_keys",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO idempotency_keys
                 SELECT row.* FROM unnest($1::idempotency_keys[]) AS row
                 ON CONFLICT DO NOTHING",
    },
    Table {
        name: "orders",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO orders SELECT row.* FROM unnest($1::orders[]) AS row",
    },
    Table {
        name: "sagas",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO sagas SELECT row.* FROM unnest($1::sagas[]) AS row",
    },
    Table {
        name: "order_timeline",
        only: "true",
        unit: rows::ONE_A_UNIT,
        insert: "INSERT INTO order_timeline (order_id, event_id, at, duplicate, type, what,
                                             to_state, trace_id, led_to)
                 SELECT order_id, event_id, at, duplicate, type, what, to_state, trace_id, led_to
                 FROM unnest($1::order_timeline[])",
    },
    Table {
        name: "outbox",
        only: "true",
        unit: rows::TWO_A_UNIT,
        insert: "INSERT INTO outbox (event_id, causation_id, version, shard, type, topic, key,
                                     headers, payload)
                 SELECT event_id, causation_id, version, shard, type, topic, key, headers, payload
                 FROM unnest($1::outbox[])",
    },
];

pub(super) struct Rewrite {
    pub(super) orders_per_transaction: u32,
    pub(super) connections: usize,
}

impl Rewrite {
    pub(super) async fn run(
        &self,
        parts: &Parts,
        ours: &str,
        url: &str,
    ) -> anyhow::Result<Measured> {
        let mut source = PgConnection::connect(ours).await?;
        let groups = rows::read(&mut source, TABLES, self.orders_per_transaction).await?;
        let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders")
            .fetch_one(&mut source)
            .await?;
        source.close().await?;

        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(shared::db::options(url, "bench/rewrite")?.connect().await?);
        }
        let groups = Arc::new(Mutex::new(VecDeque::from(groups)));
        let cpu = Cpu::now(parts.dir())?;
        let begun = Instant::now();
        let mut writing = JoinSet::new();
        for connection in connections {
            writing.spawn(write(connection, Arc::clone(&groups)));
        }
        let mut times = Vec::new();
        while let Some(written) = writing.join_next().await {
            times.extend(written??);
        }
        let took = begun.elapsed();
        Ok(Measured {
            units: orders.unsigned_abs(),
            took,
            cpu: Cpu::now(parts.dir())?.since(&cpu),
            latency: Some(Latency::of(times)),
            details: BTreeMap::from([(
                "orders_per_commit",
                f64::from(self.orders_per_transaction),
            )]),
            wrong: Vec::new(),
        })
    }
}

/// Group after group, each in its own transaction, until none is left.
async fn write(
    mut connection: PgConnection,
    groups: Arc<Mutex<VecDeque<Group>>>,
) -> Result<Vec<Duration>, sqlx::Error> {
    let mut times = Vec::new();
    let next = || groups.lock().expect("no holder panics").pop_front();
    while let Some(group) = next() {
        let before = Instant::now();
        let mut tx = connection.begin().await?;
        rows::write(&mut tx, &group).await?;
        tx.commit().await?;
        times.push(before.elapsed());
    }
    connection.close().await?;
    Ok(times)
}
