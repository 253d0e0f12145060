//! One service's database, looked at again and again.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::books::Books;
use super::events::Events;
use super::fences::Fences;
use super::findings::Findings;
use super::intake::Intake;
use super::{fences, intake, parcels};
use crate::verify::Source;

/// A server that is stopped keeps its connections open and says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Look {
    service: &'static str,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    findings: Arc<Findings>,
    fences: Fences,
    /// Since the first look.
    memory: Option<Memory>,
    intake: Intake,
    books: Books,
    blind: u64,
}

struct Memory {
    /// Which transactions the look before has seen.
    seen: String,
    /// When it was, and when the first one was, by the database's clock.
    at: DateTime<Utc>,
    began: DateTime<Utc>,
    events: Events,
}

impl Look {
    pub(super) fn new(
        source: &Source,
        service: &'static str,
        findings: &Arc<Findings>,
    ) -> anyhow::Result<Self> {
        let url = source.databases.get(service);
        let url = url.with_context(|| format!("nobody says where the database of {service} is"))?;
        Ok(Self {
            service,
            options: PgConnectOptions::from_str(url)
                .with_context(|| format!("the URL of the database of {service}"))?
                .application_name("ticketrail-verify"),
            connection: None,
            findings: findings.clone(),
            fences: Fences::new(source, service)?,
            memory: None,
            intake: Intake::new(source.history.as_ref()),
            books: Books::default(),
            blind: 0,
        })
    }

    /// How often the database did not answer.
    pub(super) fn blind(&self) -> u64 {
        self.blind
    }

    /// An error is one of the checker's own; a database that is gone comes back.
    pub(super) async fn take(&mut self) -> anyhow::Result<()> {
        // In this order: an offset in Kafka may not be past the fence that is read after it, nor a
        // promise past the orders.
        let asked = self.fences.ask().await?;
        if self.service == "order" {
            self.intake.read_on()?;
        }
        let Ok(mut connection) = self.connected().await else {
            self.blind += 1;
            return Ok(());
        };
        let looked = tokio::time::timeout(PATIENCE, self.transaction(&mut connection, &asked));
        match looked.await {
            Ok(Ok(())) => self.connection = Some(connection),
            Ok(Err(error)) if is_ours(&error) => {
                return Err(error).with_context(|| format!("cannot look at {}", self.service));
            }
            Ok(Err(_)) | Err(_) => self.blind += 1,
        }
        Ok(())
    }

    async fn connected(&mut self) -> anyhow::Result<PgConnection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(tokio::time::timeout(PATIENCE, self.options.connect()).await??),
        }
    }

    async fn transaction(
        &mut self,
        database: &mut PgConnection,
        asked: &[fences::Asked],
    ) -> sqlx::Result<()> {
        sqlx::raw_sql(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL max_parallel_workers_per_gather = 0",
        )
        .execute(&mut *database)
        .await?;
        // The clock after the snapshot: whatever begins later than it says is not in the snapshot.
        let (seen, at): (String, DateTime<Utc>) =
            sqlx::query_as("SELECT pg_current_snapshot()::text, clock_timestamp()")
                .fetch_one(&mut *database)
                .await?;
        self.fences.check(database, asked, &self.findings).await?;
        match &mut self.memory {
            None => {
                self.memory = Some(Memory {
                    seen,
                    at,
                    began: at,
                    events: Events::default(),
                });
            }
            Some(memory) => {
                let placed = memory
                    .events
                    .read_on(database, &memory.seen, self.service, &self.findings)
                    .await?;
                memory.seen = seen;
                if self.service == "order" {
                    let since = memory.began.max(memory.at - intake::SLACK);
                    self.intake
                        .keys(database, since, &placed, &memory.events, &self.findings)
                        .await?;
                }
                memory.at = at;
            }
        }
        match self.service {
            "order" => {
                self.intake.promises(database, &self.findings).await?;
                self.intake.steps(database, &self.findings).await?;
            }
            "inventory" => self.books.check(database, &self.findings).await?,
            "shipment" => parcels::check(database, &self.findings).await?,
            _ => {}
        }
        sqlx::raw_sql("COMMIT").execute(database).await?;
        Ok(())
    }
}

/// A question that the database does not understand, rather than one it cannot answer now.
fn is_ours(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("42")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    }
}
