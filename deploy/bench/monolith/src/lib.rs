//! An order shop as one process with one database and one synchronous chain per order: check and
//! deduct stock, charge through a payment gateway, book the wallet, send the mail, answer.
//!
//! It is what Ticketrail is measured against, so it is written as a good engineer would write it:
//!
//! - No transaction is open while the gateway or the mail server is asked.
//! - Every call outside has a timeout. A charge that fails gives the stock back.
//! - The same idempotency key is the same order, for us and for the gateway.
//! - So many orders are worked on at a time, as a pool of worker threads would; others wait for
//!   their turn. Without a bound a slow gateway would end in a full memory.
//! - A mail that cannot be sent is tried again twice. An order that is paid is not undone for it,
//!   so after that the mail is lost: there is nowhere to keep it.
//!
//! What it cannot do is answer before the slowest of the chain has, or finish later what a crash
//! interrupted.

mod chain;
mod store;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use tower::limit::ConcurrencyLimitLayer;

use chain::Shop;

/// Orders that are worked on at a time: the usual size of a pool of worker threads.
const WORKERS: usize = 64;
const CONNECTIONS_MAX: u32 = 16;

/// The monolith's settings.
#[derive(Debug, Clone, Args)]
pub struct Monolith {
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long, hide_env_values = true)]
    database_url: String,
    /// Where charges are made.
    #[arg(long)]
    gateway_url: String,
    #[arg(long)]
    smtp_url: String,
}

/// One line, of one SKU: what a load needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    pub(crate) customer_id: String,
    pub(crate) sku: String,
    pub(crate) quantity: i32,
}

/// The whole `main` of the process.
pub fn main(monolith: Monolith) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("the operating system gives a process its threads");
    match runtime.block_on(serve(monolith)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the monolith stops: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(monolith: Monolith) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .connect(&monolith.database_url)
        .await
        .context("cannot reach Postgres")?;
    sqlx::migrate!("./migrations").run(&pool).await?;
    let shop = Shop::new(pool, monolith.gateway_url, &monolith.smtp_url)?;
    let app = Router::new()
        .route("/orders", post(place))
        .layer(ConcurrencyLimitLayer::new(WORKERS))
        .route("/health", get(async || "up"))
        .with_state(Arc::new(shop));
    let listener = tokio::net::TcpListener::bind(monolith.addr).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn place(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Json(order): Json<PlaceOrder>,
) -> (StatusCode, Json<Value>) {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let Some(key) = key.map(str::to_owned) else {
        return problem(StatusCode::BAD_REQUEST, "an Idempotency-Key is missing");
    };
    if !(1..=1000).contains(&order.quantity) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the quantity must be 1 to 1000",
        );
    }
    // A task of its own: a customer who walks away must not leave half an order.
    let placed = tokio::spawn(async move { shop.place(&order, &key).await });
    match placed.await {
        Ok(Ok(id)) => (StatusCode::CREATED, Json(json!({ "order_id": id }))),
        Ok(Err(refusal)) => problem(refusal.status(), &refusal.to_string()),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "a handler panicked"),
    }
}

fn problem(status: StatusCode, detail: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "detail": detail })))
}
