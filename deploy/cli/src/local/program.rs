//! A process of the stack as it is written down: enough to start it once more.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::error::{Doing, Result};
use super::health::Health;
use super::process::{Ask, ProcessId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    pub kind: Kind,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Added to the environment of whoever starts it.
    pub env: BTreeMap<String, String>,
    /// What `status` shows.
    pub address: String,
    pub health: Option<Health>,
    pub healthy_within: Duration,
    pub log: PathBuf,
    /// Another user to run as, where this one is not accepted.
    pub user: Option<User>,
    pub ask: Ask,
    /// A file by which the program guards its folder, in that folder.
    pub pid_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Part,
    Service,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl Program {
    /// With the usual answers for all that is seldom different.
    pub fn new(name: &str, kind: Kind, program: impl Into<PathBuf>, log: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            address: String::new(),
            health: None,
            healthy_within: Duration::from_secs(60),
            log,
            user: None,
            ask: Ask::Terminate,
            pid_file: None,
        }
    }

    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    pub fn healthy(mut self, health: Health, within: Duration) -> Self {
        self.health = Some(health);
        self.healthy_within = within;
        self
    }

    /// Starts it in a process group of its own: an interrupt typed at the terminal reaches the
    /// launcher alone, which then ends everything in order.
    ///
    /// The handle tells how it ends. Nobody has to hold it, for the child may outlive us: the
    /// runtime collects one that has ended.
    pub(crate) fn launch(&self) -> Result<(ProcessId, Child)> {
        let doing = || format!("starting {}", self.name);
        if let Some(file) = &self.pid_file {
            remove_if_stale(file)?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.doing(format!("opening {}", self.log.display()))?;

        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(&self.env)
            .process_group(0)
            .stdin(Stdio::null());
        command.stdout(log.try_clone().doing(doing())?).stderr(log);
        if let Some(user) = self.user {
            // The folder of whoever starts it may be closed to that user.
            command.uid(user.uid).gid(user.gid).current_dir("/");
        }
        let child = command.spawn().doing(doing())?;
        let process = child.id().and_then(ProcessId::of);
        let process = process.ok_or("it ended at once").doing(doing())?;
        Ok((process, child))
    }
}

/// After a hard end the file stays, and its number may belong to another program by now, which
/// would keep this one from starting for ever.
fn remove_if_stale(file: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(());
    };
    let pid: u32 = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .unwrap_or(0);
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    if works_in.as_deref() == file.parent() {
        return Ok(());
    }
    fs::remove_file(file).doing(format!("removing {}", file.display()))
}
