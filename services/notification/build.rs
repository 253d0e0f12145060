//! Rebuilds when a migration changes; sqlx cannot always notice.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/notification");
}
