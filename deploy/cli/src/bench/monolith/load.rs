//! Orders that come when they come: nobody waits for the order before.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a customer waits before walking away.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Load {
    pub(super) rate: u32,
    pub(super) orders: u32,
}

/// One order, and what its customer saw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// When it was due, from the beginning.
    pub(super) due: Duration,
    /// From then to the answer, or until the customer walked away.
    pub(super) took: Duration,
    /// Of an order that was accepted.
    pub(super) order_id: Option<String>,
}

impl Load {
    /// Sends one request after the other, each at its time.
    pub(super) async fn run(
        &self,
        requests: Vec<reqwest::RequestBuilder>,
    ) -> anyhow::Result<Vec<Sample>> {
        let begun = Instant::now();
        let mut sent = JoinSet::new();
        for (number, request) in (0..self.orders).zip(requests) {
            let due = self.due(number);
            tokio::time::sleep_until(begun + due).await;
            sent.spawn(async move {
                let order_id = tokio::time::timeout_at(begun + due + PATIENCE, order(request));
                let order_id = order_id.await.ok().flatten();
                Sample {
                    due,
                    took: (begun.elapsed() - due).min(PATIENCE),
                    order_id,
                }
            });
        }
        let mut samples = Vec::with_capacity(self.orders as usize);
        while let Some(sample) = sent.join_next().await {
            samples.push(sample?);
        }
        samples.sort_by_key(|sample| sample.due);
        Ok(samples)
    }

    fn due(&self, number: u32) -> Duration {
        Duration::from_secs(1) * number / self.rate
    }
}

/// The id of the order, if there is one.
pub(super) async fn order(request: reqwest::RequestBuilder) -> Option<String> {
    let answer = request.send().await.ok()?.error_for_status().ok()?;
    let body: Value = answer.json().await.ok()?;
    body["order_id"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Load;

    #[test]
    fn orders_are_due_at_an_even_pace() {
        let load = Load {
            rate: 40,
            orders: 3,
        };
        let due: Vec<_> = (0..load.orders).map(|number| load.due(number)).collect();
        assert_eq!(due, [0, 25, 50].map(Duration::from_millis));
    }
}
