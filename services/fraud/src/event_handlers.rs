//! The Kafka door.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use shared::batch::{Batch, Events, HandlerError, Outgoing, Reject};
use shared::consumer::{Consumes, EventHandler};
use shared::contract::order::{OrderCancelled, TransactionCreated};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{self, Docket, Features, Holder, Origin, Policy, Score};
use crate::{model, store};

/// Scorings of one batch that run side by side: enough to hide a model that takes its time, few
/// enough not to overrun one that is asked over a network.
const SCORINGS_MAX: usize = 64;

pub enum Incoming {
    TransactionCreated(TransactionCreated),
    OrderCancelled(OrderCancelled),
}

pub struct Handler {
    policy: Policy,
    scoring_delay: Duration,
}

impl Handler {
    pub fn new(policy: Policy, scoring_delay: Duration) -> Self {
        Self {
            policy,
            scoring_delay,
        }
    }

    /// Features are complete before, and verdicts are given after, so the order in which scores
    /// come back decides nothing.
    async fn score(
        &self,
        taken_in: Vec<Result<Option<Features>, Reject>>,
    ) -> Vec<Result<Option<Score>, Reject>> {
        stream::iter(taken_in)
            .map(|features| async {
                let Some(features) = features? else {
                    return Ok(None);
                };
                if !self.scoring_delay.is_zero() {
                    tokio::time::sleep(self.scoring_delay).await;
                }
                Ok(Some(model::score(&features)))
            })
            .buffered(SCORINGS_MAX)
            .collect()
            .await
    }
}

impl EventHandler for Handler {
    type Incoming = Incoming;

    fn consumes() -> Consumes<Incoming> {
        Consumes::new()
            .on::<TransactionCreated>(Incoming::TransactionCreated)
            .on::<OrderCancelled>(Incoming::OrderCancelled)
    }

    async fn handle_batch(
        &self,
        tx: &mut PgConnection,
        batch: &Batch<Incoming>,
    ) -> Result<Outgoing, HandlerError> {
        let touched = Touched::by(batch);
        let judgements = store::load_judgements(tx, &touched.orders, &touched.transactions).await?;
        let tombstones = store::load_tombstones(tx, &touched.orders).await?;
        let mut docket = Docket::new(judgements, tombstones);
        if !touched.holders.is_empty() {
            docket.histories = store::load_histories(tx, &touched.holders).await?;
            docket.blocked = store::load_blocked(tx, &touched.holders).await?;
        }
        let known_holders = docket.histories.keys().cloned().collect();

        let taken_in = batch
            .events()
            .iter()
            .map(|received| match &received.event {
                Incoming::TransactionCreated(event) => {
                    domain::take_in(&mut docket, event, received.envelope.occurred_at)
                }
                Incoming::OrderCancelled(_) => Ok(None),
            })
            .collect();
        let mut scores = self.score(taken_in).await.into_iter();
        let outgoing = batch.fold(|received| {
            let score = scores
                .next()
                .expect("every event has its place among the scores")?;
            match (&received.event, score) {
                (Incoming::TransactionCreated(event), Some(score)) => {
                    let origin = Origin {
                        event_id: received.envelope.event_id,
                        traceparent: received.cause.traceparent(),
                    };
                    domain::judge(&mut docket, event, score, origin, self.policy, batch.now)
                }
                // Known already: it was judged when it first came.
                (Incoming::TransactionCreated(_), None) => Ok(Events::none()),
                (Incoming::OrderCancelled(event), _) => {
                    domain::close(&mut docket, event.order_id, batch.now)
                }
            }
        });

        store::save_docket(tx, &docket, &known_holders, batch.now).await?;

        Ok(outgoing)
    }
}

/// What a batch is about.
#[derive(Default)]
struct Touched {
    orders: Vec<Uuid>,
    transactions: Vec<Uuid>,
    holders: BTreeSet<Holder>,
}

impl Touched {
    fn by(batch: &Batch<Incoming>) -> Self {
        let mut touched = Self::default();
        for received in batch.events() {
            match &received.event {
                Incoming::TransactionCreated(event) => {
                    touched.orders.push(event.order_id);
                    touched.transactions.push(event.transaction_id);
                    touched
                        .holders
                        .insert(Holder::Customer(event.customer_id.clone()));
                    touched.holders.insert(Holder::Card(event.card.clone()));
                }
                Incoming::OrderCancelled(event) => touched.orders.push(event.order_id),
            }
        }
        touched
    }
}
