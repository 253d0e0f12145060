//! What clients were told, written down and flushed before they act on it.
//!
//! One folder: `acks.jsonl`, every answer to an order; `observations.jsonl`, what was seen of
//! orders afterwards; `poison.jsonl`, the bad records that were put on topics; `kills.jsonl`, who
//! was ended.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Answers that wait for a flush at most.
const WAITING_MAX: usize = 10_000;

/// What became of one request, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Acked,
    /// A time-out, a reset or a server's error: it may have been done.
    Maybe,
    Refused,
}

#[derive(Debug, Serialize)]
pub(super) struct Ack<'a> {
    /// Known once it was acknowledged.
    pub(super) order_id: Option<Uuid>,
    pub(super) customer_id: &'a str,
    pub(super) key: &'a str,
    pub(super) outcome: Outcome,
    pub(super) at: DateTime<Utc>,
    pub(super) trace_id: Option<&'a str>,
    /// Why it is not known, or was refused.
    pub(super) detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Observation<'a> {
    pub(super) order_id: Uuid,
    pub(super) customer_id: &'a str,
    /// Nothing where there was no such order.
    pub(super) status: Option<&'a str>,
    pub(super) at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(super) struct Poisoned<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) kind: &'a str,
    /// Base64, or nothing for a record without a value.
    pub(super) value: Option<String>,
    /// Who has to set it aside.
    pub(super) consumers: Vec<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Kill {
    pub(super) service: String,
    pub(super) at: DateTime<Utc>,
}

#[derive(Clone, Copy)]
enum Book {
    Acks,
    Observations,
    Poison,
}

struct Line {
    book: Book,
    text: String,
    flushed: oneshot::Sender<()>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct History {
    dir: PathBuf,
    lines: mpsc::Sender<Line>,
}

impl History {
    pub(super) fn begin(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let open = |name: &str| {
            let file = dir.join(name);
            let opened = OpenOptions::new().create(true).append(true).open(&file);
            opened.with_context(|| format!("cannot open {}", file.display()))
        };
        let books = [
            open("acks.jsonl")?,
            open("observations.jsonl")?,
            open("poison.jsonl")?,
        ];
        let (lines, waiting) = mpsc::channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || write(books, waiting))?;
        Ok(Self {
            dir: dir.to_owned(),
            lines,
        })
    }

    pub(super) async fn acked(&self, ack: &Ack<'_>) -> anyhow::Result<()> {
        self.put(Book::Acks, ack).await
    }

    pub(super) async fn observed(&self, observation: &Observation<'_>) -> anyhow::Result<()> {
        self.put(Book::Observations, observation).await
    }

    pub(super) async fn poisoned(&self, poisoned: &Poisoned<'_>) -> anyhow::Result<()> {
        self.put(Book::Poison, poisoned).await
    }

    /// Returns when it is on disk.
    async fn put(&self, book: Book, line: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let (flushed, wait) = oneshot::channel();
        let line = Line {
            book,
            text,
            flushed,
        };
        let gone = "the history cannot be written";
        self.lines.send(line).await.context(gone)?;
        wait.await.context(gone)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who was ended the hard way, and when: spans that were not exported went with them.
    pub(super) fn killed(&self, kills: &[Kill]) -> anyhow::Result<()> {
        let mut lines = String::new();
        for kill in kills {
            lines += &serde_json::to_string(kill)?;
            lines.push('\n');
        }
        std::fs::write(self.dir.join("kills.jsonl"), lines).context("cannot write the kills")
    }

    /// Of the acknowledgements, so that nobody can say that they were others.
    pub(super) fn digest(&self) -> anyhow::Result<String> {
        let mut file = File::open(self.dir.join("acks.jsonl"))?;
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; 64 * 1024]);
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                read => hash.update(&chunk[..read]),
            }
        }
        Ok(hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// Lines that wait together share a flush. It ends when something cannot be written, and then
/// everybody who waits is told.
fn write(books: [File; 3], mut waiting: mpsc::Receiver<Line>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut lines = vec![first];
        while let Ok(line) = waiting.try_recv() {
            lines.push(line);
        }
        let mut texts = [String::new(), String::new(), String::new()];
        for line in &lines {
            texts[line.book as usize].push_str(&line.text);
        }
        for (mut book, text) in books
            .iter()
            .zip(&texts)
            .filter(|(_, text)| !text.is_empty())
        {
            if book.write_all(text.as_bytes()).is_err() || book.sync_data().is_err() {
                return;
            }
        }
        for line in lines {
            // A client that went away does not wait.
            let _ = line.flushed.send(());
        }
    }
}
