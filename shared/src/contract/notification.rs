//! What notification publishes.

use crate::contract::topic;
use crate::event::{Event, Topic};

pub use super::generated::{NotificationFailed, NotificationSent};

impl Event for NotificationSent {
    const TYPE: &'static str = "NotificationSent";
    const TOPIC: Topic = topic::NOTIFICATION_EVENTS;
    const SCHEMA: &'static str =
        include_str!("../../../schemas/notification/notification_sent.avsc");

    fn partition_key(&self) -> String {
        self.subject_id.clone()
    }
}

impl Event for NotificationFailed {
    const TYPE: &'static str = "NotificationFailed";
    const TOPIC: Topic = topic::NOTIFICATION_EVENTS;
    const SCHEMA: &'static str =
        include_str!("../../../schemas/notification/notification_failed.avsc");

    fn partition_key(&self) -> String {
        self.subject_id.clone()
    }
}
