//! The order service.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::service::main(order::service)
}
