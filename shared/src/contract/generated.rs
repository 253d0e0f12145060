//! What `build.rs` wrote from `schemas/`.

#![expect(
    missing_docs,
    clippy::doc_markdown,
    reason = "generated from the schemas, which carry the documentation"
)]

include!(concat!(env!("OUT_DIR"), "/events.rs"));
