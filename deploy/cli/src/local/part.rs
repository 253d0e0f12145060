//! The parts that a stack can have, and how to fetch them ahead of a start.

use std::fmt;

use super::cache::Cache;
use super::error::Result;
use super::progress::Progress;
use super::{jaeger, java, kafka, postgres, registry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Postgres,
    Kafka,
    Registry,
    Jaeger,
    Mail,
}

impl Part {
    pub const ALL: [Self; 5] = [
        Self::Postgres,
        Self::Kafka,
        Self::Registry,
        Self::Jaeger,
        Self::Mail,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Jaeger => "jaeger",
            Self::Mail => "mail",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Fetches and builds what the parts need, once per user; [`start`](super::start) does so as well.
pub async fn install(parts: &[Part], progress: &Progress) -> Result<()> {
    let cache = Cache::of_user()?;
    let wants = |part| parts.contains(&part);

    // The build of Jaeger takes longer than all the rest together, so it begins first.
    let jaeger = async {
        if wants(Part::Jaeger) {
            jaeger::install(&cache, progress).await?;
        }
        Ok(())
    };
    let java = async {
        if wants(Part::Kafka) || wants(Part::Registry) {
            java::provide(&cache, progress).await?;
        }
        Ok(())
    };
    let kafka = async {
        if wants(Part::Kafka) {
            kafka::install(&cache, progress).await?;
        }
        Ok(())
    };
    let registry = async {
        if wants(Part::Registry) {
            registry::install(&cache, progress).await?;
        }
        Ok(())
    };
    let postgres = async {
        if wants(Part::Postgres) {
            postgres::install(&cache, progress).await?;
        }
        Ok(())
    };
    tokio::try_join!(jaeger, java, kafka, registry, postgres)?;
    Ok(())
}
