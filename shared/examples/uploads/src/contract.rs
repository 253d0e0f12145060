//! The event, and what its schema does not say.

use shared::event::{Event, Topic};

pub use generated::{ImageKind, ImageUploaded};

#[expect(
    deprecated,
    reason = "the generator names the Avro library's functions as they were called before"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}

impl Event for ImageUploaded {
    const TYPE: &'static str = "ImageUploaded";
    const TOPIC: Topic = Topic("uploads.events");
    const SCHEMA: &'static str = include_str!("../schemas/image_uploaded.avsc");

    fn partition_key(&self) -> String {
        self.user_id.clone()
    }
}
