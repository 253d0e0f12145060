//! What was started, written down so that another process can show it and stop it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::error::{Doing, Result};
use super::process::{self, Ask, ProcessId};
use super::program::{Kind, Program};

const FILE: &str = "state.json";
const LOCK: &str = "state.lock";
/// Held while a stack starts.
pub(crate) const START_LOCK: &str = "start.lock";

/// A service drains what it has in hand, Kafka and Postgres write out theirs.
const END_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub port_offset: u16,
    /// In the order of their start.
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub program: Program,
    /// Of its latest start; it may have ended since.
    pub process: ProcessId,
}

/// One line of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    pub name: String,
    pub kind: Kind,
    pub address: String,
    pub pid: i32,
    pub rss_bytes: u64,
    pub healthy: bool,
    /// Why it is not healthy, or nothing.
    pub detail: String,
}

impl State {
    pub fn is_running(&self) -> bool {
        self.entries.iter().any(|entry| entry.process.is_alive())
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.program.name == name)
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        match self
            .entries
            .iter_mut()
            .find(|old| old.program.name == entry.program.name)
        {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

/// An empty state where none was written.
pub fn load(dir: &Path) -> Result<State> {
    let file = dir.join(FILE);
    match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).doing(format!("reading {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).doing(format!("reading {}", file.display())),
    }
}

/// Loads, changes and saves in one go: two processes may write things down at the same time.
pub fn change<T>(dir: &Path, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
    let lock = File::create(dir.join(LOCK)).doing("creating the state's lock")?;
    lock.lock().doing("locking the state")?;
    let mut state = load(dir)?;
    let result = change(&mut state)?;
    save(dir, &state)?;
    Ok(result)
}

/// Renamed into place, so a reader never sees half of it; for the owner alone: it has passwords.
pub fn save(dir: &Path, state: &State) -> Result<()> {
    let new = dir.join("state.json.new");
    let doing = format!("writing {}", new.display());
    let json = serde_json::to_vec_pretty(state).doing(&doing)?;
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)
        .doing(&doing)?;
    file.write_all(&json).doing(&doing)?;
    fs::rename(&new, dir.join(FILE)).doing(doing)
}

pub(crate) fn forget(dir: &Path) -> Result<()> {
    for name in [FILE, LOCK, START_LOCK] {
        let file = dir.join(name);
        if file.exists() {
            fs::remove_file(&file).doing(format!("removing {}", file.display()))?;
        }
    }
    Ok(())
}

/// Ends everything that was written down, and returns the names of those that still ran.
///
/// In the reverse order of their dependence: services, then the parts, and the database last,
/// which the schema registry stands on.
pub fn stop_all(dir: &Path) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    change(dir, |state| {
        let mut stopped = Vec::new();
        for wave in 0..=2 {
            let running: Vec<&Entry> = state
                .entries
                .iter()
                .rev()
                .filter(|entry| wave_of(&entry.program) == wave && entry.process.is_alive())
                .collect();
            let processes: Vec<(ProcessId, Ask)> = running
                .iter()
                .map(|entry| (entry.process, entry.program.ask))
                .collect();
            process::end_all(&processes, END_WITHIN);
            stopped.extend(running.iter().map(|entry| entry.program.name.clone()));
        }
        state.entries.clear();
        Ok(stopped)
    })
}

fn wave_of(program: &Program) -> u8 {
    match (program.kind, program.ask) {
        (Kind::Service, _) => 0,
        (Kind::Part, Ask::Terminate) => 1,
        (Kind::Part, Ask::Interrupt) => 2,
    }
}

/// Asks every process that was written down how it is.
pub async fn status(dir: &Path) -> Result<Vec<PartStatus>> {
    let state = load(dir)?;
    Ok(join_all(state.entries.iter().map(Entry::status)).await)
}

impl Entry {
    async fn status(&self) -> PartStatus {
        let health = match &self.program.health {
            _ if !self.process.is_alive() => Err("its process has ended".to_owned()),
            Some(health) => health.check().await,
            None => Ok(()),
        };
        PartStatus {
            name: self.program.name.clone(),
            kind: self.program.kind,
            address: self.program.address.clone(),
            pid: self.process.pid,
            rss_bytes: self.process.rss_bytes().unwrap_or_default(),
            healthy: health.is_ok(),
            detail: health.err().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_down_is_stopped_once_and_then_forgotten() {
        let dir = std::env::temp_dir().join(format!("ticketrail-state-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let program =
            Program::new("sleeper", Kind::Service, "sleep", dir.join("sleeper.log")).args(["60"]);
        let (process, _) = program.launch().expect("a process");
        change(&dir, |state| {
            state.put(Entry { program, process });
            Ok(())
        })
        .expect("a state");

        let shown = status(&dir).await.expect("its status");
        let first = stop_all(&dir).expect("a stop");
        let second = stop_all(&dir).expect("another stop");
        fs::remove_dir_all(&dir).expect("its own folder");

        assert!(shown[0].healthy && shown[0].pid == process.pid);
        assert_eq!(first, ["sleeper"]);
        assert!(second.is_empty() && !process.is_alive());
    }
}
