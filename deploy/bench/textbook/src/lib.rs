//! Inventory as the textbooks have it: idempotent consumer, transactional outbox, a polling relay.
//!
//! It is what Ticketrail's throughput is measured against, so it is written as a good engineer
//! would write it, and stays as it is:
//!
//! - One transaction per message: the event's id, the stock, the reservations and the answer.
//! - Offsets are stored after the commit, so a message may come again and has no effect then.
//! - Several messages are in flight, those of one key one after the other; offsets are stored in
//!   the order of the partition.
//! - Rows of stock are locked in one order, so two messages cannot deadlock.
//! - The relay claims rows with SKIP LOCKED, sends them all, waits for all acknowledgements, and
//!   marks them; while there is a full page it does not pause.
//! - A message that cannot be read is kept as a dead letter, and the others go on.
//!
//! It keeps no ledger of the stock, which would be another row per message.

mod consumer;
mod events;
mod placement;
mod relay;
mod store;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use clap::Args;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;

pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The consumer group, and its part of every key in the inbox.
pub const GROUP: &str = "textbook-inventory";

/// The peer's settings.
#[derive(Debug, Clone, Args)]
pub struct Textbook {
    /// Answers on /health.
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long, hide_env_values = true)]
    database_url: String,
    #[arg(long)]
    kafka_bootstrap_servers: String,
    #[arg(long)]
    schema_registry_url: String,
    /// Put before the name of every topic.
    #[arg(long, default_value = "")]
    kafka_namespace: String,
    /// Messages that are worked on at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,
}

/// The whole `main` of the process.
pub fn main(textbook: Textbook) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("the operating system gives a process its threads");
    match runtime.block_on(serve(textbook)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("textbook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(textbook: Textbook) -> anyhow::Result<()> {
    let pool = connect(&textbook).await?;
    let listener = tokio::net::TcpListener::bind(textbook.addr)
        .await
        .with_context(|| format!("cannot listen on {}", textbook.addr))?;
    let health = Router::new().route("/health", get(|| async { "up" }));
    tokio::select! {
        ended = consumer::run(&textbook, &pool) => ended,
        ended = relay::run(&textbook, &pool) => ended,
        ended = async { axum::serve(listener, health).await } => Ok(ended?),
        () = terminated() => Ok(()),
    }
}

async fn connect(textbook: &Textbook) -> anyhow::Result<PgPool> {
    // One for the relay.
    let connections = u32::from(textbook.in_flight) + 1;
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .test_before_acquire(false)
        .connect(&textbook.database_url)
        .await
        .context("cannot connect to Postgres")?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        // Then a kill ends it.
        Err(_) => std::future::pending().await,
    }
}
