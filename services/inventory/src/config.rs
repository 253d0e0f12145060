//! What inventory adds to the settings that every service has.

use std::time::Duration;

use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// How often changed levels are published as `StockLevelChanged`. Levels in between are
    /// skipped, so a hot SKU costs its readers one event per interval.
    #[arg(
        long,
        env = "STOCK_LEVEL_INTERVAL_MS",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(10..=3_600_000)
    )]
    pub stock_level_interval_ms: u64,
}

impl Config {
    pub(crate) fn stock_level_interval(&self) -> Duration {
        Duration::from_millis(self.stock_level_interval_ms)
    }
}
