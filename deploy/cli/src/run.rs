use std::process::ExitCode;

use clap::Args;

use crate::services;

#[derive(Args)]
pub(crate) struct Run {
    /// order, inventory, shipment, notification or fraud
    service: String,
    /// Settings of the service; `ticketrail run order -- --help` lists them.
    #[arg(last = true)]
    settings: Vec<String>,
}

impl Run {
    pub(crate) fn run(self) -> ExitCode {
        let args = [vec![self.service.clone()], self.settings].concat();
        services::run(&self.service, args).unwrap_or_else(|| {
            eprintln!(
                "ticketrail: {} is no service; there are {}",
                self.service,
                services::NAMES.join(", ")
            );
            ExitCode::from(2)
        })
    }
}
