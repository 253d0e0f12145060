//! The laws, as queries on the check database. **Every query for violations must return nothing.**
//!
//! They are numbered as the handbook numbers them: I for what must hold in the tables, S for what
//! must hold on the topics.

use anyhow::Context;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::report::{EXAMPLES_MAX, LawResult};

/// What holds of stock, parcels and ownership.
mod goods;
/// What became of records that were no events, and of what waits behind them.
mod letters;
/// What holds within the order service, and of its orders elsewhere.
mod orders;
/// What holds of the rail's own tables.
mod rail;
/// What clients saw.
mod seen;
/// What holds on the topics.
mod stream;

pub(super) struct Law {
    law: &'static str,
    title: &'static str,
    /// One number: the rows it looks at.
    checked: &'static str,
    /// Each returns one sentence per violation.
    violations: &'static [&'static str],
}

/// In the handbook's order. With the clients' history, I1 is about what they were promised.
pub(super) fn all(promised: bool) -> Vec<Law> {
    let first = if promised {
        orders::ACKED
    } else {
        orders::KNOWN
    };
    let mut laws = vec![first, orders::PLACED_ONCE];
    laws.extend(goods::BOOKS);
    laws.extend(rail::EFFECTS);
    laws.extend(orders::STATES);
    laws.extend(goods::TOMBSTONES);
    laws.extend(rail::DELIVERY);
    laws.extend(orders::ENDS);
    laws.extend(goods::FATES);
    laws.push(letters::KEPT);
    laws.extend(stream::EVENTS);
    laws.push(stream::POLLS);
    laws.push(letters::UNCHANGED);
    laws.push(seen::SIGHTINGS);
    laws.extend(orders::TOTALS);
    laws.push(stream::TRACES);
    laws.extend(rail::FENCES);
    laws
}

/// Finds what the queries build on. To be run once all is copied.
pub(super) async fn prepare(check: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "INSERT INTO topic.aside SELECT DISTINCT topic, partition, \"offset\" FROM hist.poison;
         ANALYZE topic.aside;
         INSERT INTO topic.aside
         SELECT topic, partition, \"offset\"
         FROM (SELECT topic, partition, \"offset\",
                      row_number() OVER (PARTITION BY event_id
                                         ORDER BY published_at, topic, partition, \"offset\") AS n
               FROM topic.events
               WHERE event_id IN (SELECT event_id FROM topic.events
                                  GROUP BY event_id HAVING count(*) > 1)) AS copies
         WHERE n > 1;
         ANALYZE",
    )
    .execute(check)
    .await
    .context("cannot prepare the check database")?;
    Ok(())
}

pub(super) async fn check(check: &mut PgConnection) -> anyhow::Result<Vec<LawResult>> {
    let mut results = Vec::new();
    let promised = sqlx::query_scalar("SELECT EXISTS (SELECT FROM hist.given WHERE what = 'acks')")
        .fetch_one(&mut *check)
        .await?;
    for law in all(promised) {
        let result = law.check(check).await;
        results.push(result.with_context(|| format!("cannot check {}", law.law))?);
    }
    Ok(results)
}

impl Law {
    pub(super) async fn check(&self, check: &mut PgConnection) -> anyhow::Result<LawResult> {
        let mut result = LawResult {
            law: self.law,
            title: self.title,
            checked: sqlx::query_scalar(self.checked)
                .fetch_one(&mut *check)
                .await?,
            violations: 0,
            examples: Vec::new(),
        };
        for violations in self.violations {
            let counted = format!(
                "WITH bad (example) AS MATERIALIZED ({violations})
                 SELECT count(*) AS violations,
                        ARRAY(SELECT example FROM bad LIMIT {EXAMPLES_MAX}) AS examples
                 FROM bad"
            );
            let row = sqlx::query(AssertSqlSafe(counted))
                .fetch_one(&mut *check)
                .await?;
            result.violations += row.try_get::<i64, _>("violations")?;
            result
                .examples
                .extend(row.try_get::<Vec<String>, _>("examples")?);
        }
        result.examples.truncate(EXAMPLES_MAX);
        Ok(result)
    }
}
