//! Runs a program that fetches or builds something, and leaves nothing of it behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use super::error::{Doing, Error, Result};
use super::progress::{Progress, in_words};

/// Often enough to show life, seldom enough to keep a five-minute build readable.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The program of that name on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

pub(crate) fn required(name: &str, how: &str) -> Result<PathBuf> {
    on_path(name).ok_or_else(|| Error::missing(name, how))
}

/// Runs the command to its end, with its output in `log`.
///
/// The command and everything it starts is its own process group, which dies when this future is
/// dropped: an interrupted build must not go on unseen.
pub(crate) async fn run(
    mut command: Command,
    part: &str,
    doing: &str,
    log: &Path,
    progress: &Progress,
) -> Result<()> {
    let output = File::create(log).doing(format!("creating {}", log.display()))?;
    let errors = output.try_clone().doing("duplicating a file handle")?;
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .doing(doing)?;
    let mut group = Group::of(&child);

    let started = Instant::now();
    let status = loop {
        match tokio::time::timeout(SIGN_OF_LIFE, child.wait()).await {
            Ok(status) => break status.doing(doing)?,
            Err(_) => {
                let last = tail(log, 1);
                let time = in_words(started.elapsed());
                progress.say(
                    part,
                    format!("still {doing}, {time} so far  {}", last.trim()),
                );
            }
        }
    };
    group.ended();

    if status.success() {
        return Ok(());
    }
    Err(Error::Tool {
        doing: format!("{part}: {doing}"),
        log: log.to_owned(),
        tail: tail(log, 15),
    })
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())))
    }

    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It may have ended by itself in this very moment.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
