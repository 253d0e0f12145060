//! What has to be true after a run, or it has no figure. The limit writes the same rows, so it
//! answers to the same questions.

use shared::contract::order::OrderPlaced;
use sqlx::{Connection, PgConnection};

/// What the events should have come to.
#[derive(Debug, Default)]
pub(super) struct Expected {
    orders: i64,
    units: i64,
    /// On the topic, repeats and what cannot be read included.
    pub(super) records: u32,
    /// What cannot be read.
    pub(super) bad: i64,
    /// What the inbox had before.
    pub(super) known_before: i64,
}

impl Expected {
    pub(super) fn add(&mut self, placed: &OrderPlaced) {
        self.orders += 1;
        self.units += placed
            .lines
            .iter()
            .map(|line| i64::from(line.quantity))
            .sum::<i64>();
    }
}

/// What it is, how to ask, and whether orders or units are counted.
type Count = (&'static str, &'static str, fn(&Expected) -> i64);

const COUNTS: &[Count] = &[
    (
        "events in the inbox",
        "SELECT count(*) FROM processed_events WHERE outcome = 0",
        |expected| expected.orders + expected.known_before,
    ),
    (
        "orders with a reservation",
        "SELECT count(DISTINCT order_id) FROM reservations",
        orders,
    ),
    (
        "units held",
        "SELECT sum(quantity) FROM reservation_lines WHERE state = 'held'",
        units,
    ),
    (
        "units reserved on the shelves",
        "SELECT sum(reserved)::bigint FROM stock",
        units,
    ),
    (
        "orders in the ledger",
        "SELECT count(DISTINCT order_id) FROM stock_ledger",
        orders,
    ),
    (
        "first answers in the outbox",
        "SELECT count(DISTINCT key) FROM outbox WHERE type = 'StockReserved' AND version = 1",
        orders,
    ),
    (
        "answers in the outbox",
        "SELECT count(*) FROM outbox WHERE type LIKE 'StockRe%'",
        orders,
    ),
    (
        "dead letters",
        "SELECT count(*) FROM dead_letters",
        |expected| expected.bad,
    ),
];

/// In the tables of the textbook.
const PLAIN_COUNTS: &[Count] = &[
    (
        "events in the inbox",
        "SELECT count(*) FROM processed_events",
        orders,
    ),
    (
        "orders with a reservation",
        "SELECT count(DISTINCT order_id) FROM reservations",
        orders,
    ),
    (
        "units held",
        "SELECT sum(quantity) FROM reservations",
        units,
    ),
    (
        "units reserved on the shelves",
        "SELECT sum(reserved)::bigint FROM stock",
        units,
    ),
    (
        "first answers in the outbox",
        "SELECT count(DISTINCT key) FROM outbox WHERE type = 'StockReserved'",
        orders,
    ),
    (
        "answers in the outbox",
        "SELECT count(*) FROM outbox",
        orders,
    ),
    ("dead letters", "SELECT count(*) FROM dead_letters", |_| 0),
];

/// Shelves that the ledger, or the reservations, do not explain.
const UNEXPLAINED: &str = "
    SELECT count(*)
    FROM stock AS s
    FULL JOIN (SELECT sku, warehouse, sum(d_on_hand) AS on_hand, sum(d_reserved) AS reserved
               FROM stock_ledger_lines
               GROUP BY sku, warehouse) AS l USING (sku, warehouse)
    FULL JOIN (SELECT sku, warehouse, sum(quantity) AS held
               FROM reservation_lines
               WHERE state = 'held'
               GROUP BY sku, warehouse) AS r USING (sku, warehouse)
    WHERE (s.on_hand, s.reserved, s.reserved)
          IS DISTINCT FROM (coalesce(l.on_hand, 0), coalesce(l.reserved, 0), coalesce(r.held, 0))";

pub(super) async fn check(url: &str, expected: &Expected) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let mut wrong = count(&mut connection, COUNTS, expected).await?;
    let unexplained: i64 = sqlx::query_scalar(UNEXPLAINED)
        .fetch_one(&mut connection)
        .await?;
    if unexplained > 0 {
        wrong.push(format!("the books do not explain {unexplained} shelves"));
    }
    connection.close().await?;
    Ok(wrong)
}

pub(super) async fn check_plain(url: &str, expected: &Expected) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let wrong = count(&mut connection, PLAIN_COUNTS, expected).await?;
    connection.close().await?;
    Ok(wrong)
}

async fn count(
    connection: &mut PgConnection,
    counts: &[Count],
    expected: &Expected,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (what, question, wanted) in counts {
        let found: Option<i64> = sqlx::query_scalar(*question)
            .fetch_one(&mut *connection)
            .await?;
        let (found, wanted) = (found.unwrap_or(0), wanted(expected));
        if found != wanted {
            wrong.push(format!("{found} {what} instead of {wanted}"));
        }
    }
    Ok(wrong)
}

fn orders(expected: &Expected) -> i64 {
    expected.orders
}

fn units(expected: &Expected) -> i64 {
    expected.units
}
