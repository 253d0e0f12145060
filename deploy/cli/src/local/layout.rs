//! Where a stack lives, and under which addresses its parts answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::databases;
use super::error::{Doing, Error, Result};
use super::ports::Ports;
use super::{postgres, state};

/// The folders a stack writes; wiping removes these and nothing that somebody else put there.
const DATA: [&str; 6] = ["kafka", "postgres", "jaeger", MAILS, LOGS, LOGS_OF_LAST_RUN];
const MAILS: &str = "mails";
pub(crate) const LOGS: &str = "logs";
pub(crate) const LOGS_OF_LAST_RUN: &str = "logs.last";

#[derive(Debug, Clone)]
pub struct Layout {
    /// `.ticketrail` of the working folder, as an absolute path.
    pub dir: PathBuf,
    pub port_offset: u16,
    pub tuning: Tuning,
    /// The program that has the verb `mail-sink`: this one, unless it is a test.
    pub ticketrail: PathBuf,
    ports: Ports,
}

/// What the Java parts are set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tuning {
    /// Little memory and a quick start.
    #[default]
    Light,
    /// A larger heap and the full compiler, for measuring.
    Bench,
}

/// The key set of `status --json`, and what the services are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    pub order: String,
    pub inventory: String,
    pub shipment: String,
    pub notification: String,
    pub fraud: String,
    pub kafka: String,
    pub registry: String,
    pub jaeger: String,
    /// As the superuser.
    pub postgres: String,
    pub otlp_grpc: String,
    pub otlp_http: String,
    pub smtp: String,
}

impl Layout {
    pub fn new(dir: impl AsRef<Path>, port_offset: u16) -> Result<Self> {
        Ok(Self {
            dir: std::path::absolute(dir).doing("reading the stack's folder")?,
            port_offset,
            tuning: Tuning::default(),
            ticketrail: std::env::current_exe().doing("looking up this program")?,
            ports: Ports::with_offset(port_offset)?,
        })
    }

    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// One file per process, appended to at each of its starts.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join(LOGS).join(format!("{name}.log"))
    }

    pub fn mails(&self) -> PathBuf {
        self.dir.join(MAILS)
    }

    pub fn endpoints(&self) -> Endpoints {
        let ports = self.ports;
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let service = |name| {
            ports
                .service(name)
                .map(|ports| http(ports.api))
                .unwrap_or_default()
        };
        Endpoints {
            order: service("order"),
            inventory: service("inventory"),
            shipment: service("shipment"),
            notification: service("notification"),
            fraud: service("fraud"),
            kafka: format!("127.0.0.1:{}", ports.kafka),
            registry: format!("{}/apis/ccompat/v7", http(ports.registry)),
            jaeger: http(ports.jaeger_query),
            postgres: databases::admin_url(ports.postgres),
            otlp_grpc: http(ports.otlp_grpc),
            otlp_http: http(ports.otlp_http),
            smtp: format!("smtp://127.0.0.1:{}", ports.smtp),
        }
    }

    /// Service name to the URL of its database, with the role that owns it.
    pub fn databases(&self) -> BTreeMap<String, String> {
        let port = self.ports.postgres;
        let url = |(service, database): (&str, &str)| {
            (service.to_owned(), databases::url(port, database))
        };
        databases::OF_SERVICES.into_iter().map(url).collect()
    }

    /// Deletes all data of a stack that does not run.
    pub fn wipe(&self) -> Result<()> {
        if state::load(&self.dir)?.is_running() {
            return Err(Error::AlreadyRunning(self.dir.clone()));
        }
        let folders = DATA.iter().map(|name| self.dir.join(name));
        for folder in folders.chain([postgres::home(&self.dir)?]) {
            if folder.exists() || folder.is_symlink() {
                fs::remove_dir_all(&folder).doing(format!("deleting {}", folder.display()))?;
            }
        }
        state::forget(&self.dir)?;
        // Somebody's own files may be in it, then it stays.
        drop(fs::remove_dir(&self.dir));
        Ok(())
    }
}
