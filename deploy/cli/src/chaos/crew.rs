//! Services that are started again whenever they end, and whose ends are seen.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use shared::clock::process_now;
use shared::crash;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::history::Kill;
use super::proxy::Proxy;
use crate::local;
use crate::local::process::ProcessId;
use crate::local::program::Program;

/// What a second instance's name ends with.
pub(super) const SECOND: &str = "-2";
/// As a supervisor of containers would wait, only shorter.
const START_AGAIN: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(50);
const ONE_LOOK: Duration = Duration::from_secs(1);
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// A batch is in its transaction for milliseconds, so one comes soon, if any comes at all.
const TRANSACTION_WITHIN: Duration = Duration::from_secs(2);

/// Who died of a signal, and when; shared by all members.
pub(super) type Kills = Arc<Mutex<Vec<Kill>>>;

/// A service, or a second instance of one.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) proxy: Proxy,
    pub(super) program: Program,
    ready: String,
    /// Its database, past the proxy.
    database: String,
    next: Mutex<Option<Program>>,
    held: watch::Sender<bool>,
    life: watch::Sender<Life>,
    /// Its next end was brought about by us.
    expected: AtomicBool,
    /// So are all its ends, until that is taken back.
    expecting: AtomicBool,
    unexpected: Mutex<Vec<String>>,
    kills: Kills,
    http: reqwest::Client,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Life {
    process: Option<ProcessId>,
    starts: u64,
    ended: Option<(u64, ExitStatus)>,
}

/// How it was ended, and in the middle of what.
pub(super) struct Killed {
    pub(super) evidence: String,
    pub(super) in_flight: bool,
}

/// Keeps a member running until it is dropped.
pub(super) struct Keeping(JoinHandle<()>);

impl Keeping {
    /// Nothing is started any more when this returns.
    pub(super) async fn end(mut self) {
        self.0.abort();
        // It says that it was aborted.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Member {
    /// `ready` is asked whether it is ready; `database` is its own, past the proxy.
    pub(super) fn new(
        program: Program,
        proxy: Proxy,
        ready: String,
        database: String,
        kills: &Kills,
    ) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            name: program.name.clone(),
            proxy,
            program,
            ready,
            database,
            next: Mutex::default(),
            held: watch::Sender::new(false),
            life: watch::Sender::new(Life::default()),
            expected: AtomicBool::new(false),
            expecting: AtomicBool::new(false),
            unexpected: Mutex::default(),
            kills: Arc::clone(kills),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(ONE_LOOK)
                .build()?,
        }))
    }

    pub(super) fn keep(self: &Arc<Self>, stack: &Arc<local::Stack>) -> Keeping {
        let (member, stack) = (Arc::clone(self), Arc::clone(stack));
        let task = tokio::spawn(async move {
            let mut held = member.held.subscribe();
            loop {
                // The sender lives as long as the member.
                let _ = held.wait_for(|held| !held).await;
                member.live_once(&stack).await;
                tokio::time::sleep(START_AGAIN).await;
            }
        });
        Keeping(task)
    }

    async fn live_once(&self, stack: &local::Stack) {
        let next = self.next.lock().expect("no holder panics").take();
        let program = next.as_ref().unwrap_or(&self.program);
        let said = self.log_length();
        let mut child = match stack.launch(program) {
            Ok((process, child)) => {
                self.life.send_modify(|life| {
                    life.process = Some(process);
                    life.starts += 1;
                });
                child
            }
            Err(error) => return self.note(format!("{} cannot start: {error}", self.name)),
        };
        let Ok(status) = child.wait().await else {
            return self.note(format!("the end of {} was not seen", self.name));
        };
        if status.signal().is_some() {
            self.kills.lock().expect("no holder panics").push(Kill {
                service: self.name.trim_end_matches(SECOND).to_owned(),
                at: process_now(),
            });
        }
        let expected = self.expected.swap(false, Ordering::Relaxed);
        // A record that ends who decodes it does so again when offsets go back before it.
        let planted = format!("{} payload", crash::LAST_WORDS);
        let by_payload = self.says_since(said, &planted).is_ok_and(|times| times > 0);
        if !expected && !by_payload && !self.expecting.load(Ordering::Relaxed) {
            self.note(format!("{} ended by itself: {status}", self.name));
        }
        self.life.send_modify(|life| {
            life.process = None;
            life.ended = Some((life.starts, status));
        });
    }

    pub(super) fn expect_ends(&self, expecting: bool) {
        self.expecting.store(expecting, Ordering::Relaxed);
    }

    pub(super) fn starts(&self) -> u64 {
        self.life.borrow().starts
    }

    pub(super) async fn until_started(&self, times: u64) -> anyhow::Result<()> {
        let mut life = self.life.subscribe();
        let started = life.wait_for(|life| life.starts >= times);
        tokio::time::timeout(READY_WITHIN, started)
            .await
            .with_context(|| format!("{} is not started again", self.name))??;
        Ok(())
    }

    fn note(&self, what: String) {
        let mut unexpected = self.unexpected.lock().expect("no holder panics");
        unexpected.push(what);
    }

    /// Ends that nobody brought about.
    pub(super) fn unexpected(&self) -> Vec<String> {
        self.unexpected.lock().expect("no holder panics").clone()
    }

    /// What the next start runs, that once.
    pub(super) fn next(&self, program: Program) {
        *self.next.lock().expect("no holder panics") = Some(program);
    }

    /// It is not started again until it is released.
    pub(super) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(super) fn release(&self) {
        self.held.send_replace(false);
    }

    /// Waits for its consumer to be in the middle of something.
    pub(super) async fn until_in_a_batch(&self, within: Duration) {
        let until = Instant::now() + within;
        while self.proxy.batches() == 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Its number of starts, and the process of the last.
    async fn running(&self) -> anyhow::Result<(u64, ProcessId)> {
        let mut life = self.life.subscribe();
        let running = life.wait_for(|life| life.process.is_some());
        let life = tokio::time::timeout(READY_WITHIN, running)
            .await
            .with_context(|| format!("{} does not run", self.name))??;
        Ok((life.starts, life.process.expect("it was waited for")))
    }

    /// At once, and if it can be, while a transaction is open.
    pub(super) async fn kill(&self) -> anyhow::Result<Killed> {
        let (start, process) = self.running().await?;
        let until = Instant::now() + TRANSACTION_WITHIN;
        while self.proxy.transactions() == 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.expected.store(true, Ordering::Relaxed);
        process.signal(Signal::KILL);
        let open = self.proxy.transactions();
        let status = self.ended(start, KILLED_WITHIN).await?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            bail!("{} was killed, and ended with {status}", self.name);
        }
        Ok(Killed {
            evidence: format!("{status} with {open} transactions open"),
            in_flight: open > 0,
        })
    }

    /// As an orderly restart does.
    pub(super) async fn terminate(&self) -> anyhow::Result<String> {
        let (start, process) = self.running().await?;
        self.expected.store(true, Ordering::Relaxed);
        process.signal(Signal::TERM);
        let status = match self.ended(start, DRAINED_WITHIN).await {
            Ok(status) => status,
            Err(_) => {
                process.signal(Signal::KILL);
                self.ended(start, KILLED_WITHIN).await?
            }
        };
        Ok(status.to_string())
    }

    /// Waits for the end at a crash point that was armed by [`next`](Self::next).
    pub(super) async fn dies_at(&self, point: &str, within: Duration) -> anyhow::Result<String> {
        let (start, _) = self.running().await?;
        let since = Instant::now();
        self.expected.store(true, Ordering::Relaxed);
        let status = match self.ended(start, within).await {
            Ok(status) => status,
            Err(error) => {
                self.expected.store(false, Ordering::Relaxed);
                return Err(error.context(format!("it did not come past {point}")));
            }
        };
        if status.signal() != Some(Signal::ABORT.as_raw()) {
            bail!(
                "{} was to abort at {point}, and ended with {status}",
                self.name
            );
        }
        let words = self.last_words()?;
        if words.as_deref() != Some(point) {
            bail!("{} was to abort at {point}, and says {words:?}", self.name);
        }
        let ms = since.elapsed().as_millis();
        Ok(format!("{status} at {point} after {ms} ms"))
    }

    /// Up to where its log was written.
    pub(super) fn log_length(&self) -> u64 {
        std::fs::metadata(&self.program.log).map_or(0, |log| log.len())
    }

    /// How often its log says something after that place.
    pub(super) fn says_since(&self, from: u64, what: &str) -> anyhow::Result<u64> {
        let log = read_from(&self.program.log, from)?;
        Ok(log.lines().filter(|line| line.contains(what)).count() as u64)
    }

    /// The crash point that its log names last.
    fn last_words(&self) -> anyhow::Result<Option<String>> {
        let log = tail(&self.program.log)?;
        let mut lines = log.lines().rev();
        Ok(lines
            .find_map(|line| line.strip_prefix(crash::LAST_WORDS))
            .map(|point| point.trim().to_owned()))
    }

    async fn ended(&self, start: u64, within: Duration) -> anyhow::Result<ExitStatus> {
        let mut life = self.life.subscribe();
        let ended = life.wait_for(|life| life.ended.is_some_and(|(of, _)| of >= start));
        let life = tokio::time::timeout(within, ended)
            .await
            .with_context(|| format!("{} goes on", self.name))??;
        Ok(life.ended.expect("it was waited for").1)
    }

    pub(super) async fn signal(&self, signal: Signal) -> anyhow::Result<ProcessId> {
        let (_, process) = self.running().await?;
        process.signal(signal);
        Ok(process)
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.ready().await.is_ok()
    }

    /// Otherwise what it says instead.
    async fn ready(&self) -> Result<(), String> {
        let answer = self.http.get(&self.ready).send().await;
        let answer = answer.map_err(|error| format!("no answer ({error})"))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(answer.text().await.unwrap_or_default())
    }

    pub(super) async fn until_ready(&self) -> anyhow::Result<()> {
        let until = Instant::now() + READY_WITHIN;
        while let Err(said) = self.ready().await {
            if Instant::now() > until {
                bail!(
                    "{} is not ready after {} s and {} starts: {said}",
                    self.name,
                    READY_WITHIN.as_secs(),
                    self.starts()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until it has answered "not ready" or nothing.
    pub(super) async fn until_unready(&self, within: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + within;
        while self.is_ready().await {
            if Instant::now() > until {
                bail!("{} remained ready", self.name);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    pub(super) async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.database)
            .await
            .with_context(|| format!("cannot connect to the database of {}", self.name))
    }

    /// How many records have had their effect.
    pub(super) async fn position(&self) -> anyhow::Result<i64> {
        self.number("SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offsets")
            .await
    }

    /// What its database answers.
    pub(super) async fn number(&self, question: &'static str) -> anyhow::Result<i64> {
        let mut connection = self.connect().await?;
        let number = sqlx::query_scalar(question)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(number)
    }

    /// Waits until more records had their effect than once, or nothing more comes.
    pub(super) async fn until_moved(&self, beyond: i64, within: Duration) -> anyhow::Result<bool> {
        let until = Instant::now() + within;
        loop {
            if self
                .position()
                .await
                .is_ok_and(|position| position > beyond)
            {
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The end of a log: enough for what a process says last.
fn tail(file: &Path) -> anyhow::Result<String> {
    const BYTES: u64 = 64 * 1024;
    let length = std::fs::metadata(file).map_or(0, |log| log.len());
    read_from(file, length.saturating_sub(BYTES))
}

fn read_from(file: &Path, from: u64) -> anyhow::Result<String> {
    let mut log = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    log.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
