//! Processes by id, without ever ending one that only got the same number later.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(20);
/// What the kernel counts in for its readers, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// A process id together with the time the kernel started it: the pair is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// In clock ticks since boot.
    pub started_ticks: u64,
}

/// How a program wants to be asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Terminate,
    /// Postgres waits for its clients after SIGTERM, and closes their connections after SIGINT.
    Interrupt,
}

impl ProcessId {
    pub fn of(pid: u32) -> Option<Self> {
        let pid = pid.cast_signed();
        Some(Self {
            pid,
            started_ticks: Stat::read(pid)?.started_ticks,
        })
    }

    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid)
            .is_some_and(|stat| stat.started_ticks == self.started_ticks && !stat.has_ended())
    }

    /// Of the process and all it started; memory that they share is counted once.
    pub fn rss_bytes(&self) -> Option<u64> {
        if !self.is_alive() {
            return None;
        }
        let own = memory(self.pid, &["VmRSS:"])?;
        let children = self.descendants();
        let theirs = children
            .iter()
            .filter_map(|child| memory(child.pid, &["RssAnon:"]))
            .sum::<u64>();
        Some(own + theirs)
    }

    /// Spent by the process alone.
    pub(crate) fn own_cpu_time(&self) -> Option<Duration> {
        let own = Stat::read(self.pid).filter(|stat| stat.started_ticks == self.started_ticks)?;
        Some(Duration::from_millis(own.ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Spent by the process and all it started, those that have ended included.
    pub fn cpu_time(&self) -> Option<Duration> {
        let own = Stat::read(self.pid).filter(|stat| stat.started_ticks == self.started_ticks)?;
        let children = self.descendants();
        let theirs = children
            .iter()
            .filter_map(|child| Some(Stat::read(child.pid)?.ticks))
            .sum::<u64>();
        let ticks = own.ticks + own.ticks_of_ended_children + theirs;
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    pub(crate) fn ask_to_end(&self, ask: Ask) {
        self.signal(match ask {
            Ask::Terminate => Signal::TERM,
            Ask::Interrupt => Signal::INT,
        });
    }

    /// Ends the process and everything it started, at once and without asking.
    pub(crate) fn kill(&self) {
        let family = self.descendants();
        self.signal(Signal::KILL);
        for child in &family {
            child.signal(Signal::KILL);
        }
        wait_until_gone(&family, Duration::from_secs(5));
        wait_until_gone(&[*self], Duration::from_secs(5));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(handle) = self.open() {
            // It may have ended by itself in this very moment.
            let _ = pidfd_send_signal(handle, signal);
        }
    }

    /// The handle is taken first and the start time compared after: the two are one process.
    fn open(&self) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(handle)
    }

    fn descendants(&self) -> Vec<Self> {
        let everybody: Vec<(Self, i32)> = all_processes();
        let mut family = vec![*self];
        let mut next = 0;
        while next < family.len() {
            let parent = family[next].pid;
            family.extend(
                everybody
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(id, _)| *id),
            );
            next += 1;
        }
        family.split_off(1)
    }
}

/// Asks all of them, waits, and ends those that did not listen.
pub(crate) fn end_all(processes: &[(ProcessId, Ask)], bound: Duration) {
    for (process, ask) in processes {
        process.ask_to_end(*ask);
    }
    let ids: Vec<ProcessId> = processes.iter().map(|(process, _)| *process).collect();
    if !wait_until_gone(&ids, bound) {
        ids.iter()
            .filter(|process| process.is_alive())
            .for_each(ProcessId::kill);
    }
}

pub(crate) fn wait_until_gone(processes: &[ProcessId], bound: Duration) -> bool {
    let since = Instant::now();
    while processes.iter().any(ProcessId::is_alive) {
        if since.elapsed() > bound {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

struct Stat {
    state: char,
    parent: i32,
    threads: u64,
    started_ticks: u64,
    /// Spent in user and in kernel mode.
    ticks: u64,
    ticks_of_ended_children: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in brackets and may itself hold spaces and brackets.
    fn parse(line: &str) -> Option<Self> {
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field)?.parse().ok() };
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            threads: number(17)?,
            started_ticks: number(19)?,
            ticks: number(11)? + number(12)?,
            ticks_of_ended_children: number(13)? + number(14)?,
        })
    }

    /// Its first thread may have ended while others still hold its files and ports.
    fn has_ended(&self) -> bool {
        self.state == 'Z' && self.threads <= 1
    }
}

fn all_processes() -> Vec<(ProcessId, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = Stat::read(pid)?;
            Some((
                ProcessId {
                    pid,
                    started_ticks: stat.started_ticks,
                },
                stat.parent,
            ))
        })
        .collect()
}

fn memory(pid: i32, fields: &[&str]) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |field: &&str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(fields.iter().filter_map(kib).sum::<u64>() * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_brackets_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 3 4 0 0 20 0 1 0 98765 1 1";

        let stat = Stat::parse(line).expect("a line of the kernel");

        assert_eq!(
            (stat.state, stat.parent, stat.started_ticks),
            ('S', 7, 98765)
        );
        assert_eq!((stat.ticks, stat.ticks_of_ended_children), (7, 0));
    }

    #[test]
    fn a_process_has_ended_with_its_last_thread() {
        #[track_caller]
        fn check(state: char, threads: u64, ended: bool) {
            let line = format!("42 (a) {state} 7 42 42 0 -1 0 1 0 0 0 3 4 0 0 20 0 {threads} 0 9");
            let stat = Stat::parse(&line).expect("a line of the kernel");
            assert_eq!(stat.has_ended(), ended, "{line}");
        }
        check('S', 1, false);
        check('Z', 2, false);
        check('Z', 1, true);
    }

    #[test]
    fn the_same_number_with_another_start_is_another_process() {
        let own = ProcessId::of(std::process::id()).expect("this process");
        let earlier = ProcessId {
            started_ticks: own.started_ticks - 1,
            ..own
        };

        assert!(own.is_alive());
        assert!(!earlier.is_alive());
        assert!(earlier.open().is_none());
    }

    #[test]
    fn who_does_not_listen_is_ended_all_the_same() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "trap '' TERM; sleep 60 & wait; sleep 60"])
            .spawn()
            .expect("a shell");
        let process = ProcessId::of(child.id()).expect("the child");
        let sleeper = loop {
            if let Some(sleeper) = process.descendants().first().copied() {
                break sleeper;
            }
        };
        // The shell ignores the request once it has started its own child.
        end_all(&[(process, Ask::Terminate)], Duration::from_millis(200));

        assert!(!process.is_alive() && !sleeper.is_alive());
        child.wait().expect("its end");
    }
}
