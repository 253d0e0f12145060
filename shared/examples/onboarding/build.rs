//! Turns the schemas into event structs.

use std::path::PathBuf;

use rsgen_avro::{Generator, Source};

fn main() {
    println!("cargo::rerun-if-changed=schemas");
    println!("cargo::rerun-if-changed=migrations");
    let mut generated = Vec::new();
    Generator::new()
        .expect("the generator's own defaults are valid")
        .generate(&Source::GlobPattern("schemas/*.avsc"), &mut generated)
        .expect("every schema is valid Avro");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(out.join("events.rs"), generated).expect("OUT_DIR is writable");
}
