//! What a service's own code holds on to: its database, its clock, and the way to the rail.

use std::sync::Arc;

use axum::extract::FromRef;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::avro::Codec;
use crate::batch::{HandlerError, Outgoing};
use crate::clock::Clock;
use crate::crash;
use crate::db::{Connection, Connections};
use crate::http::auth::Verifier;
use crate::http::error::ApiError;
use crate::outbox::{self, Wake};

/// A transaction that loses against another is run again this often before the caller is told.
const CONFLICT_ATTEMPTS_MAX: u32 = 5;

/// Cheap to clone.
#[derive(Clone)]
pub struct Rail {
    inner: Arc<Inner>,
    connections: Connections,
}

struct Inner {
    service: &'static str,
    own_connections: Connections,
    codec: Codec,
    wake: Wake,
    clock: Clock,
    verifier: Verifier,
    stopping: CancellationToken,
}

/// What the error of a transaction says about running it again.
pub trait TransactionError: From<sqlx::Error> {
    fn is_conflict(&self) -> bool;
}

impl TransactionError for HandlerError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(error) if crate::db::is_conflict(error))
    }
}

impl TransactionError for ApiError {
    fn is_conflict(&self) -> bool {
        self.lost_a_conflict()
    }
}

impl TransactionError for sqlx::Error {
    fn is_conflict(&self) -> bool {
        crate::db::is_conflict(self)
    }
}

impl Rail {
    pub(crate) fn new(
        service: &'static str,
        connections: Connections,
        codec: Codec,
        wake: Wake,
        clock: Clock,
        verifier: Verifier,
        stopping: CancellationToken,
    ) -> Self {
        let inner = Inner {
            service,
            own_connections: connections.clone(),
            codec,
            wake,
            clock,
            verifier,
            stopping,
        };
        Self {
            inner: Arc::new(inner),
            connections,
        }
    }

    /// The same rail over other connections.
    pub(crate) fn over(&self, connections: Connections) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            connections,
        }
    }

    /// For what many requests wait for together: over the connections of the service's own work,
    /// which no single request takes.
    #[must_use]
    pub fn for_all(&self) -> Self {
        self.over(self.inner.own_connections.clone())
    }

    pub fn service(&self) -> &'static str {
        self.inner.service
    }

    /// For reads. **Writes go through `transact`**, so that no event is forgotten.
    pub async fn connection(&self) -> Result<Connection, sqlx::Error> {
        self.connections.get().await
    }

    /// One to keep, which belongs to nobody else.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.connections.options().connect().await
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.inner.verifier
    }

    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// The database's time.
    pub async fn now(&self) -> Result<DateTime<Utc>, sqlx::Error> {
        let now = sqlx::query_scalar("SELECT now()")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Ok(self.inner.clock.at(now))
    }

    /// The door for everything that is not an incoming event: requests, deadlines, workers.
    ///
    /// Load, decide and save inside; what is returned is enqueued in the same transaction, and the
    /// relay is woken once it has committed. Runs again when the transaction lost a conflict.
    pub async fn transact<T, E, F>(&self, mut work: F) -> Result<T, E>
    where
        E: TransactionError,
        F: for<'c> FnMut(
            &'c mut PgConnection,
            DateTime<Utc>,
        ) -> BoxFuture<'c, Result<(T, Outgoing), E>>,
    {
        let mut attempt = 1;
        loop {
            match self.transact_once(&mut work).await {
                Err(error) if error.is_conflict() && attempt < CONFLICT_ATTEMPTS_MAX => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn transact_once<T, E, F>(&self, work: &mut F) -> Result<T, E>
    where
        E: TransactionError,
        F: for<'c> FnMut(
            &'c mut PgConnection,
            DateTime<Utc>,
        ) -> BoxFuture<'c, Result<(T, Outgoing), E>>,
    {
        let mut connection = self.connection().await?;
        let mut tx = connection.begin().await?;
        let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()")
            .fetch_one(&mut *tx)
            .await?;
        let (answer, outgoing) = work(&mut tx, self.inner.clock.at(now)).await?;
        let enqueued = outbox::enqueue(&mut tx, &self.inner.codec, &outgoing).await?;
        crash::point("outbox-inserted");
        crash::sent("commit-sent", tx.commit()).await?;
        crash::point("commit-returned");
        if enqueued {
            self.inner.wake.notify();
        }
        Ok(answer)
    }
}

impl FromRef<Rail> for Verifier {
    fn from_ref(rail: &Rail) -> Self {
        rail.inner.verifier.clone()
    }
}
