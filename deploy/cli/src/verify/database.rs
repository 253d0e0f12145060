//! The check database: made for one run, and gone after it.

use std::str::FromStr;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

const SCHEMA: &str = include_str!("schema.sql");

pub(super) struct CheckDatabase {
    admin: PgConnection,
    options: PgConnectOptions,
    name: String,
}

impl CheckDatabase {
    /// What an earlier run left behind goes first. Another run of the same name waits for this one.
    pub(super) async fn create(admin_url: &str, name: String) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(admin_url).context("the check database's URL")?;
        let mut admin = options
            .connect()
            .await
            .context("cannot reach the server of the check database")?;
        sqlx::query("SELECT pg_advisory_lock(hashtext($1))")
            .bind(&name)
            .execute(&mut admin)
            .await?;
        let mut database = Self {
            admin,
            options,
            name,
        };
        database.remove().await?;
        // Bytes compare faster than any language's letters, and no law needs an alphabet.
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'",
            database.name
        );
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut database.admin)
            .await
            .context("cannot make the check database")?;
        let mut check = database.connect().await?;
        sqlx::raw_sql(SCHEMA)
            .execute(&mut check)
            .await
            .context("the check database's tables")?;
        check.close().await?;
        Ok(database)
    }

    pub(super) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = self.options.clone().database(&self.name).options([
            // Nothing in it is worth waiting for a disk.
            ("synchronous_commit", "off"),
            ("work_mem", "128MB"),
            ("statement_timeout", "0"),
            ("jit", "off"),
            // Every law looks at everything once. A plan that looks at something once for each row
            // of something else is made where the planner expects few rows, and finds many.
            ("enable_nestloop", "off"),
        ]);
        options
            .connect()
            .await
            .context("cannot reach the check database")
    }

    pub(super) async fn drop(mut self) -> anyhow::Result<()> {
        self.remove().await?;
        Ok(self.admin.close().await?)
    }

    async fn remove(&mut self) -> anyhow::Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut self.admin)
            .await?;
        Ok(())
    }
}
