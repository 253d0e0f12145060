//! A simulated provider outside: what a chat, a calendar or a marketplace is to whoever calls it.
//!
//! It keeps what it is told, knows a repeat by its `Idempotency-Key`, and can be made slow, strict,
//! faulty, deaf and forgetful while it runs. It keeps everything in memory, so a restart forgets.

mod faults;
mod ledger;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};

use faults::{Faults, Verdict};
use ledger::{Ledger, Sale};

#[derive(Parser)]
#[command(about = "A simulated provider, for trying what happens when one is slow or away")]
pub struct Provider {
    #[arg(long, default_value = "127.0.0.1:8190")]
    addr: SocketAddr,
}

type Shared = Arc<Mutex<World>>;

#[derive(Default)]
struct World {
    ledger: Ledger,
    faults: Faults,
}

/// The whole `main` of the process.
pub fn main(provider: Provider) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the operating system gives a process its first thread");
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(provider.addr).await?;
        axum::serve(listener, router()).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the provider cannot listen on {}: {error}", provider.addr);
            ExitCode::FAILURE
        }
    }
}

pub fn router() -> Router {
    let shared = Shared::default();
    let faulty = Router::new()
        .route("/{collection}", post(add))
        .route("/{collection}/{key}", put(set))
        .route("/{collection}/{key}/sales", post(sell))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), suffer));
    Router::new()
        .route("/health", get(async || "up"))
        .route("/faults", put(set_faults))
        .route("/{collection}", get(list).delete(forget))
        .merge(faulty)
        .with_state(shared)
}

/// Lets a request suffer what was asked for, before it has its effect or after.
async fn suffer(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (latency, verdict) = lock(&shared).faults.meet(Instant::now());
    tokio::time::sleep(latency).await;
    match verdict {
        Verdict::Serve => next.run(request).await,
        Verdict::LoseAnswer => {
            next.run(request).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Verdict::Limit => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        Verdict::Fail => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Verdict::Down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn add(
    State(shared): State<Shared>,
    Path(collection): Path<String>,
    headers: HeaderMap,
    Json(value): Json<Value>,
) -> Response {
    let Some(repeat_key) = repeat_key(&headers) else {
        return unnamed();
    };
    // What is added under one key is one thing.
    let ledger = &mut lock(&shared).ledger;
    ledger.set(&collection, &repeat_key, &repeat_key, value);
    StatusCode::CREATED.into_response()
}

async fn set(
    State(shared): State<Shared>,
    Path((collection, key)): Path<(String, String)>,
    headers: HeaderMap,
    Json(value): Json<Value>,
) -> Response {
    let Some(repeat_key) = repeat_key(&headers) else {
        return unnamed();
    };
    lock(&shared)
        .ledger
        .set(&collection, &key, &repeat_key, value);
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Purchase {
    quantity: i64,
}

/// Somebody buys here: only what the last level that was told still has.
async fn sell(
    State(shared): State<Shared>,
    Path((collection, key)): Path<(String, String)>,
    Json(purchase): Json<Purchase>,
) -> Response {
    match lock(&shared)
        .ledger
        .sell(&collection, &key, purchase.quantity)
    {
        Sale::Made { left } => (StatusCode::CREATED, Json(json!({ "left": left }))).into_response(),
        Sale::Refused { left } => {
            (StatusCode::CONFLICT, Json(json!({ "left": left }))).into_response()
        }
        Sale::NotListed => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn list(State(shared): State<Shared>, Path(collection): Path<String>) -> Json<Value> {
    Json(json!({ "items": lock(&shared).ledger.items(&collection) }))
}

async fn forget(State(shared): State<Shared>, Path(collection): Path<String>) -> StatusCode {
    lock(&shared).ledger.forget(&collection);
    StatusCode::NO_CONTENT
}

async fn set_faults(State(shared): State<Shared>, Json(faults): Json<Faults>) -> StatusCode {
    lock(&shared).faults = faults;
    StatusCode::NO_CONTENT
}

fn repeat_key(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?;
    Some(key.to_owned())
}

fn unnamed() -> Response {
    (StatusCode::BAD_REQUEST, "an Idempotency-Key is missing").into_response()
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, World> {
    shared.lock().expect("no holder panics")
}
