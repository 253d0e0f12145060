//! What the services count, added up over all their lives: a process that dies takes its counters
//! with it, so what is added up is the least there was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::local::Layout;
use crate::services;

const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) duplicates: u64,
    pub(super) dead_letters: u64,
}

#[derive(Default)]
pub(super) struct Tallies {
    total: Mutex<Tally>,
}

impl Tallies {
    pub(super) fn total(&self) -> Tally {
        *self.total.lock().expect("no holder panics")
    }

    pub(super) async fn count(
        self: Arc<Self>,
        layout: Layout,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let http = client()?;
        let mut last: HashMap<&str, Tally> = HashMap::new();
        loop {
            for service in services::NAMES {
                let Some(now) = look(&http, &layout, service).await else {
                    continue;
                };
                let before = last.insert(service, now).unwrap_or_default();
                let mut total = self.total.lock().expect("no holder panics");
                total.delivered += since(before.delivered, now.delivered);
                total.duplicates += since(before.duplicates, now.duplicates);
                total.dead_letters += since(before.dead_letters, now.dead_letters);
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// What all services together say.
pub(super) async fn now(layout: &Layout) -> anyhow::Result<Tally> {
    let http = client()?;
    let mut total = Tally::default();
    for service in services::NAMES {
        let of_service = look(&http, layout, service).await.unwrap_or_default();
        total.delivered += of_service.delivered;
        total.duplicates += of_service.duplicates;
        total.dead_letters += of_service.dead_letters;
    }
    Ok(total)
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(LOOK_EVERY)
        .build()
}

async fn look(http: &reqwest::Client, layout: &Layout, service: &str) -> Option<Tally> {
    let ports = layout.ports().service(service)?;
    let url = format!("{}/metrics", ports.operations());
    let answer = http.get(url).send().await.ok()?;
    Some(read(&answer.text().await.ok()?))
}

/// A counter that is lower than it was is a new process's.
fn since(before: u64, now: u64) -> u64 {
    if now >= before { now - before } else { now }
}

fn read(metrics: &str) -> Tally {
    let sum = |name: &str| {
        let counted = metrics.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let values = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>() as u64
    };
    Tally {
        delivered: sum("messaging_client_consumed_messages_total"),
        duplicates: sum("ticketrail_inbox_duplicates_total"),
        dead_letters: sum("ticketrail_dead_letters_total"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_their_whole_name_and_summed_over_labels() {
        let metrics = "# HELP x\n\
            ticketrail_inbox_duplicates_total{group=\"order\"} 3\n\
            ticketrail_inbox_duplicates_total{group=\"other\"} 4\n\
            ticketrail_inbox_duplicates_total_of_others{group=\"order\"} 9\n";
        assert_eq!(read(metrics).duplicates, 7);
        assert_eq!(since(5, 8), 3);
        assert_eq!(since(8, 2), 2);
    }
}
