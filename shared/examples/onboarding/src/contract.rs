//! The event, and what its schema does not say.

use shared::event::{Event, Topic};

pub use generated::UserSignedUp;

mod generated {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}

impl Event for UserSignedUp {
    const TYPE: &'static str = "UserSignedUp";
    const TOPIC: Topic = Topic("onboarding.events");
    const SCHEMA: &'static str = include_str!("../schemas/user_signed_up.avsc");

    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}
