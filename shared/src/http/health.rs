//! The operations port: alive, ready and why not, metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// What stands in the way of readiness, by part. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    /// A part is not ready, and why.
    pub fn not_ready(&self, part: &'static str, why: impl Into<String>) {
        self.0
            .lock()
            .expect("no holder panics")
            .insert(part, why.into());
    }

    pub fn ready(&self, part: &'static str) {
        self.0.lock().expect("no holder panics").remove(part);
    }

    pub fn obstacles(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().expect("no holder panics").clone()
    }
}

#[derive(Clone)]
struct Operations {
    health: Health,
    pool: PgPool,
}

/// The answer of `/health/ready`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    /// By part: what is wrong.
    pub obstacles: BTreeMap<String, String>,
}

pub(crate) fn operations(health: Health, pool: PgPool) -> Router {
    Router::new()
        // The process alone: a restart would not mend Kafka.
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Operations { health, pool })
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    let mut obstacles: BTreeMap<String, String> = operations
        .health
        .obstacles()
        .into_iter()
        .map(|(part, why)| (part.to_owned(), why))
        .collect();
    if let Err(error) = sqlx::query("SELECT 1").execute(&operations.pool).await {
        obstacles.insert("database".to_owned(), error.to_string());
    }
    let ready = obstacles.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, obstacles }))
}

async fn metrics() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        crate::telemetry::metrics_text(),
    )
}
