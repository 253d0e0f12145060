//! Runs notification.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::service::main(notification::service)
}
