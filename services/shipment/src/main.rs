//! The shipment service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::service::main(shipment::service)
}
