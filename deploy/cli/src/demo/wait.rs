//! Waiting for a condition, with a bound.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

/// For what takes a moment: a machine that is busy with other things is slow, not broken.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Looks again and again. The inner error says what is still in the way.
pub(super) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Result<T, String>>,
) -> anyhow::Result<T> {
    let bound = Instant::now() + within;
    loop {
        match look().await? {
            Ok(found) => return Ok(found),
            Err(missing) if Instant::now() >= bound => {
                bail!("{what}: not within {} s, {missing}", within.as_secs())
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
