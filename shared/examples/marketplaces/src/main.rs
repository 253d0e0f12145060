//! The connector and three simulated marketplaces, beside a running `ticketrail up`.

use ticketrail::beside;

fn main() -> std::process::ExitCode {
    beside::main(beside::MARKETPLACES)
}
