//! The simulated provider as a process.

use clap::Parser;

fn main() -> std::process::ExitCode {
    provider::main(provider::Provider::parse())
}
