//! Asks a provider what it knows, and has it told once more what it does not.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::MissedTickBehavior;

use super::store;
use crate::rail::Rail;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a provider says that it knows, by key.
pub type Known = HashMap<String, Value>;

/// Runs until the service stops.
pub(crate) async fn run<F>(
    rail: Rail,
    lane: &str,
    interval: Duration,
    look: &impl Fn(reqwest::Client) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Known>>,
{
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut differed = HashSet::new();
    loop {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // While it is away its lane keeps what is new, and the next look finds what is missing.
        match look(client.clone()).await {
            Ok(known) => differed = repair(&rail, lane, &known, &differed).await?,
            Err(error) => tracing::debug!(error = %error, "{lane} does not say: {error:#}"),
        }
    }
}

/// What differs twice in a row is told again. Once may be a change on the provider's side that we
/// have not heard of yet, and to repair that would undo it: a unit that was sold there would be
/// offered a second time.
async fn repair(
    rail: &Rail,
    lane: &str,
    known: &Known,
    differed: &HashSet<String>,
) -> anyhow::Result<HashSet<String>> {
    let told = store::delivered(&mut *rail.connection().await?, lane).await?;
    let differs: HashSet<String> = told
        .into_iter()
        .filter(|(key, payload)| known.get(key) != Some(payload))
        .map(|(key, _)| key)
        .collect();
    let again: Vec<String> = differs.intersection(differed).cloned().collect();
    if !again.is_empty() {
        let repeated = store::repeat(&mut *rail.connection().await?, lane, &again).await?;
        tracing::info!(lane, repeated, "{lane} did not know {repeated} things");
    }
    Ok(differs)
}
