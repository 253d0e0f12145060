//! Runs fraud.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::service::main(fraud::service)
}
