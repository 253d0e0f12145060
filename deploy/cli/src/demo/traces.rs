//! What Jaeger knows of an order.

use std::time::Duration;

use super::wait::until;
use crate::services;
use crate::trace::{self, FetchedTrace};

const COMPLETE_WITHIN: Duration = Duration::from_secs(30);
/// Longer than a service keeps spans to itself.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// Waits until the trace is as it should be and nothing more comes to it. A trace that does not get
/// there is returned as it is.
pub(super) async fn await_complete(
    jaeger: &str,
    trace_id: &str,
    completed: bool,
) -> anyhow::Result<FetchedTrace> {
    let mut last = (0, tokio::time::Instant::now());
    let complete = until("the trace", COMPLETE_WITHIN, async || {
        let trace = trace::fetch(jaeger, trace_id).await?;
        if trace.spans.len() != last.0 {
            last = (trace.spans.len(), tokio::time::Instant::now());
        }
        let wrong = wrong(&trace, completed);
        Ok(match wrong.into_iter().next() {
            None if last.1.elapsed() >= QUIET_FOR => Ok(trace),
            None => Err("spans still come".to_owned()),
            Some(wrong) => Err(wrong),
        })
    })
    .await;
    match complete {
        Ok(trace) => Ok(trace),
        Err(_) => trace::fetch(jaeger, trace_id).await,
    }
}

/// What speaks against a trace. All five services have their part in an order that is completed.
pub(super) fn wrong(trace: &FetchedTrace, completed: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    if trace.spans.is_empty() {
        wrong.push("Jaeger does not know the trace".to_owned());
    }
    let orphans = trace.orphans().len();
    if orphans > 0 {
        wrong.push(format!("{orphans} spans have no parent in the trace"));
    }
    let seen = trace.services();
    let missing: Vec<_> = services::NAMES
        .into_iter()
        .filter(|name| completed && !seen.contains(name))
        .collect();
    if !missing.is_empty() {
        wrong.push(format!("the trace has no span of {}", missing.join(", ")));
    }
    wrong
}
