//! One database and one role of the same name per service, and one for the schema registry.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::error::{Doing, Result};

/// Service and database.
pub const OF_SERVICES: [(&str, &str); 5] = [
    ("order", "ticketrail_order"),
    ("inventory", "ticketrail_inventory"),
    ("shipment", "ticketrail_shipment"),
    ("notification", "ticketrail_notification"),
    ("fraud", "ticketrail_fraud"),
];
pub(crate) const OF_REGISTRY: &str = "registry";

/// Of a server that listens on the loopback interface of a development machine.
pub(crate) const PASSWORD: &str = "ticketrail";

/// The URL of a database, with the role that owns it.
pub fn url(port: u16, database: &str) -> String {
    format!("postgres://{database}:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
}

pub fn admin_url(port: u16) -> String {
    url(port, "postgres")
}

pub(crate) async fn create_all(admin_url: &str) -> Result<()> {
    let mut admin = connect(admin_url).await?;
    for name in OF_SERVICES
        .iter()
        .map(|(_, database)| *database)
        .chain([OF_REGISTRY])
    {
        create(&mut admin, name).await?;
    }
    admin
        .close()
        .await
        .doing("closing the superuser's connection")
}

/// Creates a database and its role where they are missing, and returns the URL for that role.
pub async fn create_database(admin_url: &str, name: &str) -> Result<String> {
    let options = PgConnectOptions::from_str(admin_url).doing("reading the superuser's URL")?;
    let mut admin = connect(admin_url).await?;
    create(&mut admin, name).await?;
    admin
        .close()
        .await
        .doing("closing the superuser's connection")?;
    Ok(url(options.get_port(), name))
}

async fn connect(admin_url: &str) -> Result<PgConnection> {
    let options = PgConnectOptions::from_str(admin_url).doing("reading the superuser's URL")?;
    options.connect().await.doing("connecting as the superuser")
}

async fn create(admin: &mut PgConnection, name: &str) -> Result<()> {
    let doing = format!("creating database {name}");
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err("a name has lower-case letters, digits and _ only").doing(doing);
    }

    // The server takes no parameters in these statements; the name was checked above.
    if !exists(admin, "SELECT 1 FROM pg_roles WHERE rolname = $1", name).await? {
        let role = format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'");
        sqlx::query(AssertSqlSafe(role))
            .execute(&mut *admin)
            .await
            .doing(&doing)?;
    }
    if !exists(admin, "SELECT 1 FROM pg_database WHERE datname = $1", name).await? {
        let database = format!("CREATE DATABASE {name} OWNER {name}");
        sqlx::query(AssertSqlSafe(database))
            .execute(&mut *admin)
            .await
            .doing(&doing)?;
    }
    let own = format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC");
    sqlx::query(AssertSqlSafe(own))
        .execute(&mut *admin)
        .await
        .doing(&doing)?;
    Ok(())
}

async fn exists(admin: &mut PgConnection, question: &'static str, name: &str) -> Result<bool> {
    let row = sqlx::query(question).bind(name).fetch_optional(admin).await;
    Ok(row.doing("looking at what is there")?.is_some())
}
