//! One order on an idle system.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::stage::{Shop, Stage};
use super::{load, settle};
use crate::bench::summary::median;

const ORDERS: u32 = 20;
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// Medians.
pub(super) struct Alone {
    pub(super) answered_ms: f64,
    /// The monolith's answer says that the order is confirmed.
    pub(super) confirmed_ms: f64,
}

pub(super) async fn measure(stage: &Stage, shop: Shop) -> anyhow::Result<Alone> {
    let (mut answered, mut confirmed) = (Vec::new(), Vec::new());
    for request in stage.requests(shop, ORDERS)? {
        let begun = Instant::now();
        let id = load::order(request)
            .await
            .context("an order alone was refused")?;
        answered.push(begun.elapsed().as_secs_f64() * 1e3);
        if shop == Shop::Ticketrail {
            tokio::time::timeout(CONFIRMED_WITHIN, settle::until_confirmed(stage, &id))
                .await
                .context("an order alone was not confirmed")??;
        }
        confirmed.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let middle = |times: &mut Vec<f64>| median(times).expect("there were orders");
    Ok(Alone {
        answered_ms: middle(&mut answered),
        confirmed_ms: middle(&mut confirmed),
    })
}
