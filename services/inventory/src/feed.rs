//! The conflated feed of levels: the latest level of each SKU that changed, once an interval.

use std::time::Duration;

use shared::batch::{Cause, HandlerError, Outgoing};
use shared::rail::Rail;
use tokio::time::MissedTickBehavior;

use crate::domain;
use crate::store;

/// One transaction holds the locks of so many SKUs; orders for them wait for it.
const SKUS_MAX: i64 = 200;

/// Runs until the service stops. Several instances may: the lock and the comparison under it tell
/// each level once.
pub(crate) async fn run(rail: Rail, interval: Duration) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = rail.stopping().cancelled() => return Ok(()),
            _ = ticks.tick() => while tell_some(&rail).await? && !rail.stopping().is_cancelled() {},
        }
    }
}

/// Whether more are likely to wait.
async fn tell_some(rail: &Rail) -> Result<bool, HandlerError> {
    let skus = store::changed_skus(&mut *rail.connection().await?, SKUS_MAX).await?;
    if skus.is_empty() {
        return Ok(false);
    }
    let full = i64::try_from(skus.len()).is_ok_and(|changed| changed == SKUS_MAX);
    rail.transact(|tx, _now| {
        let skus = skus.clone();
        Box::pin(async move {
            let mut levels = store::load_told_levels(tx, &skus).await?;
            // Under the SKUs' locks, or a buffer that is being set could be missed.
            let channels = store::load_channels(&mut *tx).await?;

            let events = domain::tell_levels(&mut levels, &channels);

            store::save_told_levels(tx, &levels).await?;

            Ok(((), Outgoing::caused_by(&Cause::request(), events)))
        })
    })
    .await
    .map(|()| full)
}
