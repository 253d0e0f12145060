//! What is going on, said on standard error so that standard output stays for documents.

use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub struct Progress {
    since: Instant,
    quiet: bool,
}

impl Progress {
    pub fn to_stderr() -> Self {
        Self {
            since: Instant::now(),
            quiet: false,
        }
    }

    pub fn quiet() -> Self {
        Self {
            since: Instant::now(),
            quiet: true,
        }
    }

    pub fn say(&self, who: &str, what: impl AsRef<str>) {
        if !self.quiet {
            let seconds = self.since.elapsed().as_secs_f32();
            eprintln!("{seconds:7.1} s  {who:<12} {}", what.as_ref());
        }
    }
}

pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
