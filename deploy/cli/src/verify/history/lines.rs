//! JSON lines, of a file that is complete or of one that is still written to.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::place;

/// What a reader of lines does with one; it may find fault with it.
pub(super) fn read<T: DeserializeOwned>(
    file: &Path,
    mut take: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lines = Tail::new(file.to_owned());
    lines.open()?;
    while let Some(line) = lines.next()? {
        take(line).with_context(|| place(file, lines.line))?;
    }
    // Half a line is all that a writer may leave that was killed while it wrote.
    match serde_json::from_str(&lines.text) {
        Ok(line) => take(line).with_context(|| place(file, lines.line + 1)),
        Err(_) => Ok(()),
    }
}

/// Reads on where it stopped, up to the last whole line.
pub(in crate::verify) struct Tail {
    file: PathBuf,
    lines: Option<BufReader<File>>,
    at: u64,
    line: u64,
    text: String,
}

impl Tail {
    pub(in crate::verify) fn new(file: PathBuf) -> Self {
        Self {
            file,
            lines: None,
            at: 0,
            line: 0,
            text: String::new(),
        }
    }

    fn open(&mut self) -> anyhow::Result<()> {
        let opened = File::open(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        self.lines = Some(BufReader::new(opened));
        Ok(())
    }

    /// Whether there is something to read yet.
    pub(in crate::verify) fn begun(&mut self) -> anyhow::Result<bool> {
        if self.lines.is_some() {
            return Ok(true);
        }
        match std::fs::metadata(&self.file) {
            Ok(_) => self.open().map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| self.file.display().to_string()),
        }
    }

    pub(in crate::verify) fn next<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        let doing = || format!("cannot read {}", self.file.display());
        let lines = self.lines.as_mut().context("it is open")?;
        self.text.clear();
        let read = lines.read_line(&mut self.text).with_context(doing)?;
        if !self.text.ends_with('\n') {
            lines.seek(SeekFrom::Start(self.at)).with_context(doing)?;
            return Ok(None);
        }
        self.at += read as u64;
        self.line += 1;
        let parsed = serde_json::from_str(&self.text);
        parsed
            .with_context(|| place(&self.file, self.line))
            .map(Some)
    }
}

/// RFC 3339, or milliseconds since 1970.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Text(DateTime<Utc>),
        Milliseconds(i64),
    }
    match Told::deserialize(from)? {
        Told::Text(at) => Ok(at),
        Told::Milliseconds(ms) => DateTime::from_timestamp_millis(ms)
            .ok_or_else(|| serde::de::Error::custom(format!("{ms} is no time"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Line {
        #[serde(deserialize_with = "time")]
        at: DateTime<Utc>,
    }

    /// What a file with this text says: the milliseconds of its lines, or what is wrong.
    fn check(name: &str, text: &str, expected: Result<&[i64], &str>) {
        let file = std::env::temp_dir().join(format!("ticketrail-{name}-{}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let mut seen = Vec::new();
        let outcome = read(&file, |line: Line| {
            anyhow::ensure!(line.at.timestamp_millis() != 13, "13 is unlucky");
            seen.push(line.at.timestamp_millis());
            Ok(())
        });
        std::fs::remove_file(&file).unwrap();
        match (outcome, expected) {
            (Ok(()), Ok(lines)) => assert_eq!(seen, lines, "{name}"),
            (Err(error), Err(expected)) => {
                let error = format!("{error:#}");
                let begins = format!("{}:{expected}", file.display());
                assert!(error.starts_with(&begins), "{name}: {error}");
            }
            (outcome, _) => panic!("{name}: {outcome:?} with {seen:?}"),
        }
    }

    #[test]
    fn a_line_is_read_whole_or_its_place_is_told() {
        check("nothing", "", Ok(&[]));
        check(
            "both-forms",
            "{\"at\":1,\"more\":2}\n{\"at\":\"1970-01-01T00:00:00.002Z\"}\n",
            Ok(&[1, 2]),
        );
        check(
            "whole-without-an-end",
            "{\"at\":1}\n{\"at\":2}",
            Ok(&[1, 2]),
        );
        check("half-at-the-end", "{\"at\":1}\n{\"a", Ok(&[1]));
        check(
            "half-in-between",
            "{\"at\":1}\n{\"a\n{\"at\":3}\n",
            Err("2: control"),
        );
        check(
            "another-shape",
            "{\"on\":1}\n",
            Err("1: missing field `at`"),
        );
        check(
            "refused",
            "{\"at\":1}\n{\"at\":13}\n",
            Err("2: 13 is unlucky"),
        );
    }

    #[test]
    fn a_file_that_grows_is_read_on() {
        let file = std::env::temp_dir().join(format!("ticketrail-tail-{}", std::process::id()));
        let mut tail = Tail::new(file.clone());
        assert!(!tail.begun().unwrap());
        let mut next = |text: &str| {
            std::fs::write(&file, text).unwrap();
            assert!(tail.begun().unwrap());
            let line: Option<Line> = tail.next().unwrap();
            line.map(|line| line.at.timestamp_millis())
        };

        assert_eq!(next("{\"at\":1}\n{\"at\":"), Some(1));
        assert_eq!(next("{\"at\":1}\n{\"at\":"), None);
        assert_eq!(next("{\"at\":1}\n{\"at\":2}\n"), Some(2));
        assert_eq!(next("{\"at\":1}\n{\"at\":2}\n"), None);

        std::fs::remove_file(&file).unwrap();
    }
}
