//! What is to be checked, and where it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::History;
use crate::local::Layout;

#[derive(Debug, Clone)]
pub struct Source {
    pub kafka: String,
    /// What stands before every topic and group; empty but in tests.
    pub namespace: String,
    /// The schema registry's API of Confluent's form.
    pub registry: String,
    /// Service name to the URL of its database.
    pub databases: BTreeMap<String, String>,
    /// A database of the server that the check database may be made on, as who may make one.
    pub admin: String,
    /// Without it, traces are not looked at.
    pub jaeger: Option<String>,
    /// What clients were promised and saw, if somebody wrote it down.
    pub history: Option<History>,
    /// How long to wait for consumers and outboxes to come to rest.
    pub settle: Duration,
}

impl Source {
    pub const SETTLE: Duration = Duration::from_secs(10);

    /// A stack of this machine.
    pub fn of(layout: &Layout) -> Self {
        let endpoints = layout.endpoints();
        Self {
            kafka: endpoints.kafka,
            namespace: String::new(),
            registry: endpoints.registry,
            databases: layout.databases(),
            admin: endpoints.postgres,
            jaeger: Some(endpoints.jaeger),
            history: None,
            settle: Self::SETTLE,
        }
    }

    /// Worlds that share a server do not share a check database.
    pub(super) fn check_database(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        };
        let world: String = self.namespace.chars().map(plain).take(40).collect();
        let name = format!("ticketrail_check_{world}");
        name.trim_end_matches('_').to_owned()
    }
}
