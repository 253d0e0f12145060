//! Topics, and a database for each service: what one subject of a round has for itself.

use std::collections::BTreeMap;

use crate::bench::parts::Parts;
use crate::bench::report::Subject;
use crate::services;

pub(super) struct World {
    number: u32,
    subject: Subject,
    pub(super) namespace: String,
    /// By service.
    pub(super) databases: BTreeMap<String, String>,
}

impl World {
    pub(super) async fn fresh(
        parts: &Parts,
        number: u32,
        subject: Subject,
    ) -> anyhow::Result<Self> {
        let mut world = Self {
            number,
            subject,
            namespace: format!("saga{number}.{}.", subject.name()),
            databases: BTreeMap::new(),
        };
        parts.fresh_topics(&world.namespace).await?;
        for service in services::NAMES {
            let name = world.database(service);
            let url = parts.fresh_database(service, &name).await?;
            world.databases.insert(service.to_owned(), url);
        }
        Ok(world)
    }

    fn database(&self, service: &str) -> String {
        let (number, subject) = (self.number, self.subject.name());
        format!("saga{number}_{subject}_{service}")
    }

    pub(super) async fn clear(self, parts: &Parts) -> anyhow::Result<()> {
        parts.drop_topics(&self.namespace).await?;
        for service in services::NAMES {
            parts.drop_database(&self.database(service)).await?;
        }
        Ok(())
    }
}
