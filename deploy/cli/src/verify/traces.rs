//! S8, as Jaeger shows it: an order is one trace, through every service that it touched.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use sqlx::{PgConnection, Row};

use super::report::{EXAMPLES_MAX, LawResult};
use crate::local::Progress;
use crate::trace;

pub(super) const LAW: &str = "S8";
/// Jaeger keeps its last traces in memory; the newest orders are surely among them.
const ORDERS_MAX: i32 = 200;
/// A kill excuses the orders of some seconds, so as many more are looked through.
const ORDERS_PER_KILL: i32 = 100;
const FETCHES_AT_ONCE: usize = 8;
/// Spans are exported every few seconds, and the last ones may still be on their way.
const TRIES: u32 = 4;
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// A span may be dropped where a collector is slow.
const GOOD_PERCENT_MIN: usize = 99;

struct Expected {
    order_id: String,
    trace_id: String,
    services: BTreeSet<String>,
}

/// Adds the orders whose spans were looked at. Where none can be, the law counts as one that
/// checked nothing, though its events were looked at.
pub(super) async fn check(
    check: &mut PgConnection,
    jaeger: Option<&str>,
    law: &mut LawResult,
    progress: &Progress,
) -> anyhow::Result<()> {
    let events = std::mem::take(&mut law.checked);
    let Some(jaeger) = jaeger else {
        return Ok(());
    };
    let mut left = newest(check).await?;
    let orders = left.len();
    if orders == 0 {
        return Ok(());
    }
    let mut examples = Vec::new();
    for attempt in 1..=TRIES {
        let mut judged = stream::iter(left)
            .map(|expected| async { (broken(jaeger, &expected).await, expected) })
            .buffer_unordered(FETCHES_AT_ONCE);
        let mut bad = Vec::new();
        examples.clear();
        while let Some((outcome, expected)) = judged.next().await {
            match outcome {
                Ok(None) => {}
                Ok(Some(why)) => {
                    examples.push(format!("order {}: {why}", expected.order_id));
                    bad.push(expected);
                }
                Err(error) => {
                    progress.say("verify", format!("traces are not looked at: {error:#}"));
                    return Ok(());
                }
            }
        }
        drop(judged);
        left = bad;
        if left.is_empty() || attempt == TRIES {
            break;
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
    law.checked = events + i64::try_from(orders)?;
    if (orders - left.len()) * 100 < orders * GOOD_PERCENT_MIN {
        law.violations += i64::try_from(left.len())?;
        law.examples.extend(examples);
        law.examples.truncate(EXAMPLES_MAX);
    }
    Ok(())
}

/// Those whose intake decided to trace them, with the services that the topics say they touched.
/// Without those during whose life one of these services was killed: it took spans with it that
/// nobody else has. Jaeger, where it was killed, took what it had.
async fn newest(check: &mut PgConnection) -> anyhow::Result<Vec<Expected>> {
    let rows = sqlx::query(
        "WITH newest AS (
             SELECT id, placed_at, split_part(traceparent, '-', 2) AS trace_id
             FROM ord.orders
             WHERE right(traceparent, 1) IN ('1', '3')
             ORDER BY placed_at DESC
             LIMIT $1 + (SELECT count(*) FROM hist.kills) * $2),
         lives AS (
             SELECT n.id, n.placed_at, n.trace_id, max(e.published_at) AS ended_at,
                    array_agg(DISTINCT touched.service) AS services
             FROM newest AS n
             JOIN topic.events AS e ON e.key = n.id::text
             CROSS JOIN LATERAL (SELECT split_part(e.topic, '.', 1) AS service
                                 UNION ALL
                                 SELECT s.service FROM chk.subscriptions AS s
                                 WHERE s.topic = e.topic AND s.type = e.type) AS touched
             GROUP BY n.id, n.placed_at, n.trace_id)
         SELECT id::text, trace_id, services
         FROM lives AS l
         WHERE NOT EXISTS (SELECT FROM hist.kills AS k
                           WHERE k.at > l.placed_at
                             AND (k.service = 'jaeger'
                                  OR k.service = ANY (l.services)
                                     AND k.at < l.ended_at + interval '10 seconds'))
         ORDER BY placed_at DESC
         LIMIT $1",
    )
    .bind(ORDERS_MAX)
    .bind(ORDERS_PER_KILL)
    .fetch_all(check)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Expected {
                order_id: row.try_get(0)?,
                trace_id: row.try_get(1)?,
                services: row.try_get::<Vec<String>, _>(2)?.into_iter().collect(),
            })
        })
        .collect()
}

/// Why it is not one trace, if it is not.
async fn broken(jaeger: &str, expected: &Expected) -> anyhow::Result<Option<String>> {
    let fetched = trace::fetch(jaeger, &expected.trace_id).await?;
    let seen = fetched.services();
    let missing: Vec<_> = expected
        .services
        .iter()
        .map(String::as_str)
        .filter(|service| !seen.contains(service))
        .collect();
    let roots = fetched
        .spans
        .iter()
        .filter(|span| span.parent.is_none())
        .count();
    let orphans = fetched.orphans().len();
    let trace_id = &expected.trace_id;
    Ok(if !missing.is_empty() {
        Some(format!(
            "trace {trace_id} has no span of {}",
            missing.join(", ")
        ))
    } else if orphans > 0 {
        Some(format!(
            "trace {trace_id} has {orphans} spans whose parent is missing"
        ))
    } else if roots != 1 {
        Some(format!("trace {trace_id} begins {roots} times"))
    } else {
        None
    })
}
