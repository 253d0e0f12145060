//! A fresh stack for the fates: where it lies, how it is set up, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Demo;
use crate::Usage;
use crate::beside::MARKETPLACES;
use crate::client::Client;
use crate::local::{self, Layout, Progress, ports};
use crate::up::{self, Settings};

/// Deadlines that pass while somebody watches. In this order: an order waits for its verdict, a
/// dear one then for a reviewer, and only after that the bureau answers. Spans leave early, so that
/// traces are whole when they are looked at.
const SETTINGS: Settings<'_> = Settings {
    automatic_warehouse: false,
    extra: &[
        ("order", "VERDICT_DEADLINE_MS", "1500"),
        ("order", "HOLD_DEADLINE_MS", "6000"),
        ("fraud", "LATE_VERDICT_MS", "12000"),
        ("order", "OTEL_BSP_SCHEDULE_DELAY", "500"),
        ("inventory", "OTEL_BSP_SCHEDULE_DELAY", "500"),
        ("shipment", "OTEL_BSP_SCHEDULE_DELAY", "500"),
        ("notification", "OTEL_BSP_SCHEDULE_DELAY", "500"),
        ("fraud", "OTEL_BSP_SCHEDULE_DELAY", "500"),
    ],
};
/// Ports that were free may be taken by the time they are used.
const TRIES: u32 = 3;

pub(super) struct Stage {
    pub(super) layout: Layout,
    pub(super) stack: local::Stack,
    pub(super) progress: Progress,
}

/// Where the stack is to be.
pub(super) struct Place {
    pub(super) dir: PathBuf,
    /// Nobody has asked for this folder, so nobody misses it.
    temporary: bool,
    port_offset: Option<u16>,
}

impl Place {
    pub(super) fn of(demo: &Demo) -> anyhow::Result<Self> {
        let temporary =
            || std::env::temp_dir().join(format!("ticketrail-demo-{}", std::process::id()));
        let place = Self {
            temporary: demo.dir.is_none(),
            dir: std::path::absolute(demo.dir.clone().unwrap_or_else(temporary))?,
            port_offset: demo.port_offset,
        };
        if !place.temporary && !holds_nothing(&place.dir)? {
            let dir = place.dir.display();
            return Err(Usage(format!(
                "{dir} is not empty, and a demo begins with a fresh stack: name another folder, or \
                 clear a stack's with `ticketrail down --wipe --dir {dir}`"
            ))
            .into());
        }
        // A data folder may outlive its stack's folder, when that was deleted by hand.
        place.wipe()?;
        Ok(place)
    }

    /// Dropping the future ends what it has started so far.
    pub(super) async fn set(&self, progress: &Progress) -> anyhow::Result<Stage> {
        let mut tries = 1;
        loop {
            let port_offset = self.port_offset.map_or_else(ports::find_free_offset, Ok)?;
            let layout = Layout::new(&self.dir, port_offset)?;
            progress.say(
                "demo",
                format!("in {} at port offset {port_offset}", self.dir.display()),
            );
            match start(&layout, progress).await {
                Ok(stack) => {
                    return Ok(Stage {
                        layout,
                        stack,
                        progress: progress.clone(),
                    });
                }
                Err(error) if self.port_offset.is_none() && tries < TRIES && taken(&error) => {
                    progress.say("demo", format!("{error:#}; tries other ports"));
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes the data of a stack that has ended.
    pub(super) fn wipe(&self) -> anyhow::Result<()> {
        Layout::new(&self.dir, 0)?.wipe()?;
        if self.temporary && self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("cannot delete {}", self.dir.display()))?;
        }
        Ok(())
    }
}

/// The suite, and three marketplaces that sell what it has.
async fn start(layout: &Layout, progress: &Progress) -> anyhow::Result<local::Stack> {
    let stack = up::start(layout, &SETTINGS, progress).await?;
    MARKETPLACES.start(&stack, progress).await?;
    Ok(stack)
}

/// But for the issuer's keys, which outlive a stack's data.
fn holds_nothing(dir: &Path) -> anyhow::Result<bool> {
    if !dir.exists() {
        return Ok(true);
    }
    let mut entries =
        fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    Ok(entries.all(|entry| {
        entry.is_ok_and(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "pem")
        })
    }))
}

fn taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(local::Error::PortsTaken(_)))
}

impl Stage {
    /// A customer, who has no scope, or a member of staff.
    pub(super) fn client(&self, subject: &str, scope: &str) -> anyhow::Result<Client> {
        Client::new(&self.layout.dir, subject, scope)
    }

    /// Leaves everything running.
    pub(super) fn keep(self) {
        let dir = self.layout.dir.display();
        eprintln!("It goes on in {dir}:");
        eprintln!("  ticketrail status --dir {dir}");
        eprintln!("  ticketrail down --wipe --dir {dir}");
        self.stack.detach();
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.progress.say("demo", "stops everything");
        Ok(self.stack.shutdown().await?)
    }
}
