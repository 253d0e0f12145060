//! I1, I2 and I8: what the order service keeps of what it was asked.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::events::Events;
use super::findings::Findings;
use crate::verify::history::{Answer, History, Outcome, Tail};

/// Longer than a transaction of the intake takes.
pub(super) const SLACK: TimeDelta = TimeDelta::seconds(15);
/// So many of the last promises are asked for in every look: a database that crashed may have
/// forgotten what it had.
const PROMISES_KEPT: usize = 1000;
/// What a look reads of promises that were made before it began.
const PROMISES_READ_MAX: usize = 10_000;
/// Pages that may be filled after later ones have been.
const PAGES_AGAIN: i64 = 64;

pub(super) struct Intake {
    history: Option<Tail>,
    promises: VecDeque<Promise>,
    /// The first that no look has asked for yet.
    unasked: usize,
    /// Where the timeline ended.
    timeline_pages: Option<i64>,
}

struct Promise {
    order_id: Uuid,
    customer_id: String,
    key: Option<String>,
}

impl Intake {
    pub(super) fn new(history: Option<&History>) -> Self {
        Self {
            history: history.map(|history| Tail::new(history.acks())),
            promises: VecDeque::new(),
            unasked: 0,
            timeline_pages: None,
        }
    }

    pub(super) fn read_on(&mut self) -> anyhow::Result<()> {
        let Some(history) = &mut self.history else {
            return Ok(());
        };
        if !history.begun()? {
            return Ok(());
        }
        while self.promises.len() < self.unasked + PROMISES_READ_MAX {
            let Some(answer) = history.next::<Answer>()? else {
                break;
            };
            if let (Outcome::Acked, Some(order_id)) = (answer.outcome, answer.order_id) {
                self.promises.push_back(Promise {
                    order_id,
                    customer_id: answer.customer_id,
                    key: answer.key,
                });
            }
        }
        Ok(())
    }

    pub(super) async fn promises(
        &mut self,
        database: &mut PgConnection,
        findings: &Findings,
    ) -> sqlx::Result<()> {
        let order_ids: Vec<_> = self.promises.iter().map(|made| made.order_id).collect();
        let customers: Vec<_> = self
            .promises
            .iter()
            .map(|made| made.customer_id.as_str())
            .collect();
        let keys: Vec<_> = self
            .promises
            .iter()
            .map(|made| made.key.as_deref())
            .collect();
        let broken: Vec<String> = sqlx::query_scalar(
            "SELECT CASE WHEN o.id IS NULL
                         THEN format('order %s was promised to %s and is not theirs', a.order_id,
                                     a.customer_id)
                         ELSE format('key %s of %s was answered with order %s, and made %s', a.key,
                                     a.customer_id, a.order_id, k.order_id) END
             FROM unnest($1::uuid[], $2::text[], $3::text[]) AS a (order_id, customer_id, key)
             LEFT JOIN orders AS o ON o.id = a.order_id AND o.customer_id = a.customer_id
             LEFT JOIN idempotency_keys AS k ON k.customer_id = a.customer_id AND k.key = a.key
             WHERE o.id IS NULL OR k.order_id <> a.order_id",
        )
        .bind(order_ids)
        .bind(customers)
        .bind(keys)
        .fetch_all(database)
        .await?;
        for example in broken {
            findings.violated("I1", example);
        }
        findings.checked("I1", self.promises.len() - self.unasked);
        let old = self.promises.len().saturating_sub(PROMISES_KEPT);
        self.promises.drain(..old);
        self.unasked = self.promises.len();
        Ok(())
    }

    /// A key, an order and its event are written together.
    pub(super) async fn keys(
        &self,
        database: &mut PgConnection,
        since: DateTime<Utc>,
        placed: &[Uuid],
        events: &Events,
        findings: &Findings,
    ) -> sqlx::Result<()> {
        let rows: Vec<(Uuid, bool)> = sqlx::query_as(
            "SELECT k.order_id, o.id IS NOT NULL
             FROM idempotency_keys AS k
             LEFT JOIN orders AS o ON o.id = k.order_id
             WHERE k.created_at >= $1",
        )
        .bind(since)
        .fetch_all(&mut *database)
        .await?;
        let mut keys: HashMap<Uuid, usize> = HashMap::new();
        for (order_id, exists) in rows {
            *keys.entry(order_id).or_default() += 1;
            if !exists {
                findings.violated("I2", format!("a key made no order ({order_id})"));
            } else if !events.know(order_id) {
                findings.violated("I2", format!("order {order_id} has no OrderPlaced"));
            }
        }
        let missing: Vec<Uuid> = sqlx::query_scalar(
            "SELECT p.id FROM unnest($1::uuid[]) AS p (id)
             LEFT JOIN orders AS o USING (id) WHERE o.id IS NULL",
        )
        .bind(placed)
        .fetch_all(database)
        .await?;
        for order_id in missing {
            findings.violated("I2", format!("OrderPlaced is about no order ({order_id})"));
        }
        for order_id in placed {
            let keys = keys.get(order_id).copied().unwrap_or_default();
            if keys != 1 {
                findings.violated(
                    "I2",
                    format!("order {order_id} has {keys} idempotency keys"),
                );
            }
        }
        findings.checked("I2", placed.len());
        Ok(())
    }

    /// What was appended to the timeline since the look before.
    pub(super) async fn steps(
        &mut self,
        database: &mut PgConnection,
        findings: &Findings,
    ) -> sqlx::Result<()> {
        let pages: i64 = sqlx::query_scalar(
            "SELECT pg_relation_size('order_timeline') / current_setting('block_size')::bigint",
        )
        .fetch_one(&mut *database)
        .await?;
        let from = (self.timeline_pages.unwrap_or(pages) - PAGES_AGAIN).max(0);
        let (steps, illegal): (i64, Vec<String>) = sqlx::query_as(
            "SELECT count(*),
                    coalesce(array_agg(format('order %s went from %s to %s', t.order_id,
                                              t.from_state, t.to_state))
                             FILTER (WHERE (coalesce(t.from_state, 'new'), t.to_state) NOT IN (
                                 ('new', 'pending'), ('pending', 'confirmed'),
                                 ('pending', 'cancelling'), ('confirmed', 'shipped'),
                                 ('confirmed', 'cancelling'), ('shipped', 'completed'),
                                 ('cancelling', 'cancelled'), ('cancelling', 'shipped'))), '{}')
             FROM order_timeline AS t
             WHERE t.ctid >= format('(%s,0)', $1)::tid AND t.to_state IS NOT NULL",
        )
        .bind(from)
        .fetch_one(database)
        .await?;
        for example in illegal {
            findings.violated("I8", example);
        }
        findings.checked("I8", usize::try_from(steps).unwrap_or_default());
        self.timeline_pages = Some(pages);
        Ok(())
    }
}
