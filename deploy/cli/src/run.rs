use std::process::ExitCode;

use clap::Args;

use crate::beside::MARKETPLACES;
use crate::services;

#[derive(Args)]
pub(crate) struct Run {
    /// order, inventory, shipment, notification or fraud
    service: String,
    /// Settings of the service; `ticketrail run order --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    settings: Vec<String>,
}

impl Run {
    pub(crate) fn run(self) -> ExitCode {
        let Self { service, settings } = self;
        let args = [vec![service.clone()], settings.clone()].concat();
        let known = services::run(&service, args).or_else(|| MARKETPLACES.run(&service, settings));
        known.unwrap_or_else(|| {
            eprintln!(
                "ticketrail: {} is no service; there are {}",
                service,
                services::NAMES.join(", ")
            );
            ExitCode::from(2)
        })
    }
}
