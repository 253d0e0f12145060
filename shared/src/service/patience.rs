//! What is not there yet is waited for; what is wrong is refused.

use std::time::Duration;

use crate::db;
use crate::kafka::admin;

/// Dependencies may still be starting, or coming back after a hard end on a busy machine; after
/// this the process gives up and is started again.
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);
const BOOT_RETRY: Duration = Duration::from_millis(500);

/// Parts start in any order: what is not there yet is waited for, within bounds.
pub async fn patiently<T>(
    mut work: impl AsyncFnMut() -> anyhow::Result<T>,
    waiting: impl Fn(&anyhow::Error),
) -> anyhow::Result<T> {
    let until = tokio::time::Instant::now() + BOOT_TIMEOUT;
    loop {
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) if tokio::time::Instant::now() >= until => return Err(error),
            Err(error) if is_refusal(&error) => return Err(error),
            Err(error) => {
                waiting(&error);
                tokio::time::sleep(BOOT_RETRY).await;
            }
        }
    }
}

/// Waiting would not help: the surroundings are there, and wrong.
fn is_refusal(error: &anyhow::Error) -> bool {
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        return !db::is_transient(error);
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        let starting = error
            .status()
            .is_some_and(|status| status.is_server_error());
        return !(starting || error.is_connect() || error.is_timeout());
    }
    error.downcast_ref::<rdkafka::error::KafkaError>().is_none()
        && error.downcast_ref::<admin::TopicMissing>().is_none()
}
