//! The test world: real Postgres, Kafka, registry, SMTP and Jaeger, started once per test run.

pub(crate) mod defaults;
pub(crate) mod deployed;
pub(crate) mod driver;
pub(crate) mod forge;
pub(crate) mod other_postgres;
pub(crate) mod parts;
pub(crate) mod probe;
pub(crate) mod provider;
pub(crate) mod wire;
pub(crate) mod world;

use std::io::Write;
use std::time::{Duration, Instant};

pub(crate) use world::World;

/// Nothing here takes this long; a condition that has not come true by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says how much was tried. Test runners hide what a test that passes prints; this they do not.
pub(crate) fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Waits on a condition, with a bound. The condition says what it saw, for the failure's text.
pub(crate) async fn until<T, E: std::fmt::Display>(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let begun = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_millis(25));
    loop {
        interval.tick().await;
        match condition().await {
            Ok(value) => return value,
            Err(seen) if begun.elapsed() > PATIENCE => panic!("waited for {what}: {seen}"),
            Err(_) => {}
        }
    }
}
