//! Settings that only shipment has.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Plays the warehouse's staff: released lists are picked, packed, dispatched and delivered
    /// without anybody asking. For demonstrations and load.
    #[arg(long, env = "WAREHOUSE_AUTOMATIC", default_value_t = false)]
    pub warehouse_automatic: bool,
    /// How long a list rests in each state in automatic mode.
    #[arg(long, env = "WAREHOUSE_STEP_MS", default_value_t = 1000, value_parser = up_to_an_hour)]
    pub warehouse_step_ms: u64,
    /// A carrier that has not answered by then counts as unavailable.
    #[arg(long, env = "CARRIER_TIMEOUT_MS", default_value_t = 5000, value_parser = up_to_an_hour)]
    pub carrier_timeout_ms: u64,
    /// How slow the simulated carrier is.
    #[arg(long, env = "CARRIER_DELAY_MS", default_value_t = 0, value_parser = up_to_an_hour)]
    pub carrier_delay_ms: u64,
    /// The share of requests for which the simulated carrier is unavailable, from 0.0 to 1.0.
    #[arg(long, env = "CARRIER_FAILURE_RATE", default_value_t = 0.0, value_parser = share)]
    pub carrier_failure_rate: f64,
    /// The simulated carrier tells of each delivery twice.
    #[arg(long, env = "CARRIER_REPEATS", default_value_t = false)]
    pub carrier_repeats: bool,
}

fn up_to_an_hour(value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(milliseconds @ 0..=3_600_000) => Ok(milliseconds),
        _ => Err("must be milliseconds, at most an hour of them".to_owned()),
    }
}

fn share(value: &str) -> Result<f64, String> {
    let share: f64 = value.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("must be from 0.0 to 1.0".to_owned())
    }
}
