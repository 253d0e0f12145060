//! The inventory service as a process.

fn main() -> std::process::ExitCode {
    shared::service::main(inventory::service)
}
