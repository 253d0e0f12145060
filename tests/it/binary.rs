//! The operator's binary, for tests that run real processes.

fn main() -> std::process::ExitCode {
    ticketrail::main()
}
