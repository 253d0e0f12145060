//! The schema registry, Apicurio 3.3.3, with its schemas in Postgres: an id has to live as long as
//! the records that carry it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cache::Cache;
use super::databases::{OF_REGISTRY, PASSWORD};
use super::error::Result;
use super::health::Health;
use super::layout::Layout;
use super::program::{Kind, Program};
use super::progress::Progress;
use super::{java, maven};

const POM: &str = include_str!("../../../local/registry/pom.xml");

/// A busy machine of two cores compiles and starts other things meanwhile.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn install(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let fill = async |folder: &Path| {
        progress.say("registry", "fetching Apicurio 3.3.3");
        let fetch = maven::Fetch {
            part: "registry",
            pom: POM,
            goal: maven::Goal::Copy,
        };
        fetch.into(folder, &[], cache, progress).await?;
        maven::untar("registry", folder, ".tar.gz", cache, progress).await
    };
    cache
        .provide("registry-3.3.3", &[POM], progress, fill)
        .await
}

pub(crate) async fn program(
    layout: &Layout,
    cache: &Cache,
    progress: &Progress,
) -> Result<Program> {
    let (java, folder) =
        tokio::try_join!(java::provide(cache, progress), install(cache, progress))?;
    let ports = layout.ports();
    let url = layout.endpoints().registry;
    let database = format!(
        "jdbc:postgresql://127.0.0.1:{}/{OF_REGISTRY}",
        ports.postgres
    );
    Ok(
        Program::new("registry", Kind::Part, java, layout.log("registry"))
            .args([
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-jar",
            ])
            .args([folder.join("quarkus-run.jar").display().to_string()])
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", ports.registry.to_string())
            .env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1")
            .env(
                "QUARKUS_MANAGEMENT_PORT",
                ports.registry_management.to_string(),
            )
            .env("QUARKUS_LOG_LEVEL", "WARN")
            .env("QUARKUS_HTTP_ACCESS_LOG_ENABLED", "false")
            .env("APICURIO_STORAGE_KIND", "sql")
            .env("APICURIO_STORAGE_SQL_KIND", "postgresql")
            .env("APICURIO_DATASOURCE_URL", database)
            .env("APICURIO_DATASOURCE_USERNAME", OF_REGISTRY)
            .env("APICURIO_DATASOURCE_PASSWORD", PASSWORD)
            // Its own default is twenty connections, of which every one fails a request once after
            // Postgres has come back: keep few, and look before using one.
            .env("APICURIO_DATASOURCE_JDBC_INITIAL_SIZE", "2")
            .env("APICURIO_DATASOURCE_JDBC_MIN_SIZE", "2")
            .env("APICURIO_DATASOURCE_JDBC_MAX_SIZE", "10")
            .env(
                "QUARKUS_DATASOURCE_POSTGRESQL_JDBC_VALIDATE_ON_BORROW",
                "true",
            )
            // The management port is ready before the interface that clients speak.
            .healthy(Health::Http(format!("{url}/subjects")), HEALTHY_WITHIN)
            .address(url),
    )
}
