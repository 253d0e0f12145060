//! The pool, and what a database error means.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::migrate::{Migration, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgExecutor, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request that cannot get a connection within this is answered with 503, so that a dead
/// database does not pile up requests.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(900);
/// No statement of ours takes this long; a lock queue might.
const STATEMENT_TIMEOUT_MS: &str = "30000";

/// Lets rows be passed as one array of the composite type of this name. sqlx derives that only for
/// types that are read as well, and own what they hold.
#[macro_export]
macro_rules! row_type {
    ($row:ty, $name:literal) => {
        impl ::sqlx::Type<::sqlx::Postgres> for $row {
            fn type_info() -> ::sqlx::postgres::PgTypeInfo {
                ::sqlx::postgres::PgTypeInfo::with_name($name)
            }
        }

        impl ::sqlx::postgres::PgHasArrayType for $row {
            fn array_type_info() -> ::sqlx::postgres::PgTypeInfo {
                ::sqlx::postgres::PgTypeInfo::array_of($name)
            }
        }
    };
}

pub(crate) fn pool(options: PgConnectOptions, connections_max: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options)
}

/// A pool for many who ask at the same time. Cheap to clone.
///
/// The pool's own queue counts the time that somebody waits for a turn and the time that a
/// connection takes to open as one. Under load, who comes first in line has waited for so long that
/// no time is left to open one; the attempt is given up with the wait, the pool stays empty, and
/// nobody gets a connection any more (sqlx, issue 3132). So turns are given here, and who has one
/// finds no queue behind it.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    turns: Arc<Semaphore>,
}

/// Goes back to where it is from when it is dropped.
pub struct Connection {
    connection: PoolConnection<Postgres>,
    _turn: OwnedSemaphorePermit,
}

impl Connections {
    pub(crate) fn of(pool: PgPool) -> Self {
        let turns = pool.options().get_max_connections() as usize;
        Self {
            pool,
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    pub(crate) async fn get(&self) -> Result<Connection, sqlx::Error> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = match tokio::time::timeout(ACQUIRE_TIMEOUT, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(sqlx::Error::PoolClosed),
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        };
        Ok(Connection {
            connection: self.pool.acquire().await?,
            _turn: turn,
        })
    }

    pub(crate) fn options(&self) -> Arc<PgConnectOptions> {
        self.pool.connect_options()
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Options for the service's own work: what it does all day, by key and for a few rows at a time.
///
/// Planning such a statement takes as long as running it, and Postgres would do so each time: with
/// the values at hand it expects fewer rows, and calls that the better plan.
pub(crate) fn options_of_own_work(url: &str, name: &str) -> anyhow::Result<PgConnectOptions> {
    Ok(options(url, name)?.options([("plan_cache_mode", "force_generic_plan")]))
}

/// Options that every connection of ours has.
pub fn options(url: &str, name: &str) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = url
        .parse()
        .context("DATABASE_URL is not a Postgres address")?;
    Ok(options.application_name(name).options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        // Plans of prepared statements live as long as their connection. One made while a table was
        // small would scan it for every key, still so when it has millions of rows: 2,000 look-ups
        // took 10 s instead of 3 ms. Where there is no index, a scan remains the plan.
        ("enable_seqscan", "off"),
        // The price of such a scan would otherwise look worth compiling the statement.
        ("jit", "off"),
    ]))
}

/// What opens every service's database: outbox, inbox and fence.
static RAIL: Migrator = sqlx::migrate!("../migrations/rail");

/// The rail's own migrations beside a service's, as one list.
pub(crate) fn migrations<'a>(of_service: impl IntoIterator<Item = &'a Migrator>) -> Migrator {
    let mut all: Vec<Migration> = RAIL.iter().cloned().collect();
    all.extend(of_service.into_iter().flat_map(Migrator::iter).cloned());
    all.sort_by_key(|migration| migration.version);
    for pair in all.windows(2) {
        assert_ne!(
            pair[0].version, pair[1].version,
            "two migrations have the same number: {} and {}",
            pair[0].description, pair[1].description
        );
    }
    Migrator::with_migrations(all)
}

/// Migrations are the init step's work; a service only refuses to run before them.
pub(crate) async fn check_migrations(pool: &PgPool, migrations: &Migrator) -> anyhow::Result<()> {
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(pool)
            .await
            .context("cannot read the applied migrations; run `ticketrail init` first")?;
    for migration in migrations.iter() {
        anyhow::ensure!(
            applied.contains(&migration.version),
            "migration {} ({}) is not applied; run `ticketrail init` first",
            migration.version,
            migration.description
        );
    }
    Ok(())
}

/// Refuses a database that may forget what it has acknowledged.
pub async fn check_durability(pool: &PgPool) -> anyhow::Result<()> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await?;
        anyhow::ensure!(
            value != "off",
            "Postgres runs with {setting}=off and would lose acknowledged orders in a crash; \
             switch it on"
        );
    }
    let replica: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(pool)
        .await?;
    anyhow::ensure!(
        !replica,
        "DATABASE_URL points at a replica; the primary is needed"
    );
    Ok(())
}

/// Refuses a database whose transactions are numbered below what was published from it.
///
/// That is one that was restored into another cluster: its relay would take every new event for
/// published.
pub(crate) async fn check_watermark(database: impl PgExecutor<'_>) -> anyhow::Result<()> {
    let ahead: Option<(String, String)> = sqlx::query_as(
        "SELECT max(tx_id)::text, pg_snapshot_xmax(pg_current_snapshot())::text
         FROM outbox_watermark
         HAVING max(tx_id) > pg_snapshot_xmax(pg_current_snapshot())",
    )
    .fetch_optional(database)
    .await
    .context("cannot read outbox_watermark; run `ticketrail init` first")?;
    if let Some((watermark, next)) = ahead {
        anyhow::bail!(
            "outbox_watermark is at transaction {watermark} and this cluster is only at {next}: \
             was the database restored into another one? Then new events would never be \
             published; set outbox_watermark.tx_id to '0', and all are published again"
        );
    }
    Ok(())
}

/// Time will help: connection loss, shutdown, overload, serialization, deadlock, read-only primary.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let code: &str = &code;
            matches!(code, "40001" | "40P01" | "25006" | "25P03")
                || ["08", "53", "57P", "57014"]
                    .iter()
                    .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

/// The transaction lost against another one; running it again at once is right.
pub fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Database(error)
            if matches!(error.code().as_deref(), Some("40001" | "40P01"))
    )
}

/// Turns a named constraint into a sentence at the call site.
pub trait OnConstraint<T> {
    fn on_constraint<E: From<sqlx::Error>>(
        self,
        name: &str,
        error: impl FnOnce() -> E,
    ) -> Result<T, E>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint<E: From<sqlx::Error>>(
        self,
        name: &str,
        error: impl FnOnce() -> E,
    ) -> Result<T, E> {
        self.map_err(|cause| match cause.as_database_error() {
            Some(violation) if violation.constraint() == Some(name) => error(),
            _ => E::from(cause),
        })
    }
}
