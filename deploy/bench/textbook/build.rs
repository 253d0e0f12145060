//! Rebuilds when a migration is added, which `sqlx::migrate!` cannot always notice.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
