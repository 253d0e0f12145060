//! Turns `schemas/*/*.avsc` into the event structs of `contract::generated`.

use std::path::{Path, PathBuf};

use rsgen_avro::{Generator, Source};

fn main() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    println!("cargo::rerun-if-changed={}", schemas.display());
    // sqlx cannot always notice by itself.
    println!("cargo::rerun-if-changed=../migrations/rail");
    println!("cargo::rerun-if-changed=../migrations/deliveries");

    let mut generated = Vec::new();
    let generator = Generator::builder()
        .use_chrono_dates(true)
        .build()
        .expect("the generator's own defaults are valid");
    let pattern = schemas.join("*/*.avsc");
    generator
        .generate(
            &Source::GlobPattern(&pattern.to_string_lossy()),
            &mut generated,
        )
        .expect("every schema is valid Avro with a short record name of its own");

    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(out.join("events.rs"), generated).expect("OUT_DIR is writable");
}
