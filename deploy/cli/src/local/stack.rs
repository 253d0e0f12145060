//! A running stack as one value that ends with its owner.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::process::Child;

use super::cache::Cache;
use super::error::{Doing, Error, Result};
use super::layout::{LOGS, LOGS_OF_LAST_RUN, Layout};
use super::part::Part;
use super::process::{self, ProcessId};
use super::program::{Kind, Program};
use super::progress::Progress;
use super::state::{self, Entry, PartStatus};
use super::{databases, health, jaeger, kafka, ports, postgres, registry};

const MAIL_HEALTHY_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How long a foreground `up` outlives a `down` elsewhere.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Ends everything it started when it is dropped, unless it was detached.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    owned: bool,
}

/// Starts the parts that are asked for, and what they stand on.
///
/// Dropping the future ends what it has started so far, so an interrupt is a `select!` away.
pub async fn start(layout: &Layout, parts: &[Part], progress: &Progress) -> Result<Stack> {
    // The registry keeps its schemas in Postgres.
    let wants =
        |part| parts.contains(&part) || part == Part::Postgres && parts.contains(&Part::Registry);
    let wanted = Part::ALL.into_iter().filter(|part| wants(*part));
    let claims: Vec<_> = wanted
        .flat_map(|part| layout.ports().claims_of_part(part))
        .collect();
    let (stack, _starting) = Stack::begin(layout, &claims)?;
    let cache = &Cache::of_user()?;

    let jaeger_is_built = AtomicBool::new(!wants(Part::Jaeger));
    let jaeger = async {
        if wants(Part::Jaeger) {
            let program = jaeger::program(layout, cache, progress).await?;
            jaeger_is_built.store(true, Ordering::Relaxed);
            stack.start_part(program, progress).await?;
        }
        Ok(())
    };
    let postgres = async {
        if wants(Part::Postgres) {
            let program = postgres::program(layout, cache, progress).await?;
            stack.start_part(program, progress).await?;
            databases::create_all(&layout.endpoints().postgres).await?;
        }
        Ok(())
    };
    let fetched_registry = async {
        if wants(Part::Registry) {
            return registry::program(layout, cache, progress).await.map(Some);
        }
        Ok(None)
    };
    let storage = async {
        let ((), registry) = tokio::try_join!(postgres, fetched_registry)?;
        if let Some(program) = registry {
            stack.start_part(program, progress).await?;
        }
        Ok(())
    };
    let broker = async {
        if wants(Part::Kafka) {
            let program = kafka::program(layout, cache, progress).await?;
            stack.start_part(program, progress).await?;
        }
        Ok(())
    };
    let mail = async {
        if wants(Part::Mail) {
            stack.start_part(mail_program(layout), progress).await?;
        }
        Ok(())
    };
    let all_but_jaeger = async {
        tokio::try_join!(storage, broker, mail)?;
        if !jaeger_is_built.load(Ordering::Relaxed) {
            progress.say("jaeger", "everything else is up, its build goes on");
        }
        Ok(())
    };
    tokio::try_join!(jaeger, all_but_jaeger)?;
    Ok(stack)
}

fn mail_program(layout: &Layout) -> Program {
    let address = format!("127.0.0.1:{}", layout.ports().smtp);
    let folder = layout.mails().display().to_string();
    Program::new("mail", Kind::Part, &layout.ticketrail, layout.log("mail"))
        .args(["mail-sink", "--addr", &address, "--dir", &folder])
        .healthy(health::Health::Smtp(address.clone()), MAIL_HEALTHY_WITHIN)
        .address(address)
}

impl Stack {
    /// The stack that another process started in `dir`; it goes on when this value is dropped.
    pub fn attach(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = std::path::absolute(dir).doing("reading the stack's folder")?;
        let state = state::load(&dir)?;
        if state.entries.is_empty() {
            return Err(Error::NotRunning(dir));
        }
        Ok(Self {
            layout: Layout::new(dir, state.port_offset)?,
            owned: false,
        })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Starts one more process, and waits until it is healthy.
    pub async fn spawn(&self, program: Program) -> Result<()> {
        let (process, _) = self.launch(&program)?;
        match &program.health {
            Some(health) => {
                let within = program.healthy_within;
                health::wait(&program.name, process, health, within, &program.log).await
            }
            None => Ok(()),
        }
    }

    /// Ends it at once, as a crash would; it can be started again.
    pub async fn kill(&self, name: &str) -> Result<()> {
        let process = self.entry(name)?.process;
        off_the_runtime(move || process.kill()).await
    }

    /// Asks it to end, and waits until it has; it can be started again.
    pub async fn stop(&self, name: &str) -> Result<()> {
        let Entry { program, process } = self.entry(name)?;
        off_the_runtime(move || process::end_all(&[(process, program.ask)], STOP_WITHIN)).await
    }

    /// Stops it, if it is there, and strikes it off the list.
    pub async fn remove(&self, name: &str) -> Result<()> {
        match self.stop(name).await {
            Ok(()) | Err(Error::UnknownPart { .. }) => {}
            Err(error) => return Err(error),
        }
        state::change(&self.layout.dir, |state| {
            state.entries.retain(|entry| entry.program.name != name);
            Ok(())
        })
    }

    /// Starts it as it was started before, and waits until it is healthy.
    pub async fn restart(&self, name: &str) -> Result<()> {
        self.stop(name).await?;
        self.spawn(self.entry(name)?.program).await
    }

    pub async fn status(&self) -> Result<Vec<PartStatus>> {
        state::status(&self.layout.dir).await
    }

    /// Ends when somebody else has stopped the whole stack.
    pub async fn stopped_elsewhere(&self) {
        while state::load(&self.layout.dir).is_ok_and(|state| !state.entries.is_empty()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Leaves everything running for a later `down`.
    pub fn detach(mut self) {
        self.owned = false;
    }

    /// Ends everything; dropping does the same, and cannot say what went wrong.
    pub async fn shutdown(mut self) -> Result<()> {
        self.owned = false;
        let dir = self.layout.dir.clone();
        off_the_runtime(move || state::stop_all(&dir).map(drop)).await?
    }

    /// Also returns the lock that keeps a second start out of the same folder.
    fn begin(layout: &Layout, claims: &[ports::Claim]) -> Result<(Self, File)> {
        let dir = &layout.dir;
        fs::create_dir_all(dir).doing(format!("creating {}", dir.display()))?;
        let lock = File::create(dir.join(state::START_LOCK)).doing("creating the start's lock")?;
        if lock.try_lock().is_err() || state::load(dir)?.is_running() {
            return Err(Error::AlreadyRunning(dir.clone()));
        }
        ports::check_free(claims)?;
        begin_logs(dir)?;
        state::change(dir, |state| {
            state.port_offset = layout.port_offset;
            state.entries.clear();
            Ok(())
        })?;
        Ok((
            Self {
                layout: layout.clone(),
                owned: true,
            },
            lock,
        ))
    }

    async fn start_part(&self, program: Program, progress: &Progress) -> Result<()> {
        let (name, address) = (program.name.clone(), program.address.clone());
        progress.say(&name, "starting");
        self.spawn(program).await?;
        progress.say(&name, format!("ready at {address}"));
        Ok(())
    }

    /// Started and written down under one lock: a `down` at the same time sees both or neither.
    /// The handle tells how it ends; waiting until it is healthy is the caller's.
    pub(crate) fn launch(&self, program: &Program) -> Result<(ProcessId, Child)> {
        state::change(&self.layout.dir, |state| {
            let (process, child) = program.launch()?;
            state.put(Entry {
                program: program.clone(),
                process,
            });
            Ok((process, child))
        })
    }

    fn entry(&self, name: &str) -> Result<Entry> {
        let found = state::load(&self.layout.dir)?.find(name).cloned();
        found.ok_or_else(|| Error::UnknownPart {
            part: name.to_owned(),
        })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.owned {
            // Nobody is left to be told; `down` finds what is still written down.
            drop(state::stop_all(&self.layout.dir));
        }
    }
}

/// Those of the last run stay readable, and logs do not grow from run to run.
fn begin_logs(dir: &Path) -> Result<()> {
    let (logs, previous) = (dir.join(LOGS), dir.join(LOGS_OF_LAST_RUN));
    if previous.exists() {
        fs::remove_dir_all(&previous).doing(format!("removing {}", previous.display()))?;
    }
    if logs.exists() {
        fs::rename(&logs, &previous).doing(format!("renaming {}", logs.display()))?;
    }
    fs::create_dir_all(&logs).doing(format!("creating {}", logs.display()))
}

/// Waiting for a process to end blocks.
async fn off_the_runtime<T: Send + 'static>(
    wait: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(wait)
        .await
        .doing("waiting for a process to end")
}
