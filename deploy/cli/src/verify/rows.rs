//! Rows in the binary form of `COPY`, and their way from a blocking reader into a table.

use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::mpsc;
use uuid::Uuid;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Postgres counts from the year 2000.
const EPOCH_US: i64 = 946_684_800_000_000;
/// Large enough for few sends, small enough that a handful in flight is nothing.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_IN_FLIGHT: usize = 4;

/// Where a reader puts its rows.
pub(super) struct Feed {
    bytes: Vec<u8>,
    to: mpsc::Sender<Vec<u8>>,
    rows: u64,
}

impl Feed {
    /// Every row has its table's columns, in the table's order.
    pub(super) fn row(&mut self, columns: i16) -> anyhow::Result<()> {
        if self.bytes.len() >= CHUNK_BYTES {
            let chunk = std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES * 2));
            self.to
                .blocking_send(chunk)
                .context("the check database has gone")?;
        }
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        self.rows += 1;
        Ok(())
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    fn field(&mut self, value: Option<&[u8]>) {
        // No value of ours comes near the two gigabytes of a field.
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    pub(super) fn bytes(&mut self, value: Option<&[u8]>) {
        self.field(value);
    }

    /// What no text column can hold counts as absent.
    pub(super) fn text(&mut self, value: Option<&str>) {
        self.field(value.filter(|text| !text.contains('\0')).map(str::as_bytes));
    }

    pub(super) fn uuid(&mut self, value: Option<Uuid>) {
        self.field(value.as_ref().map(|id| id.as_bytes().as_slice()));
    }

    pub(super) fn int4(&mut self, value: Option<i32>) {
        self.field(
            value
                .map(i32::to_be_bytes)
                .as_ref()
                .map(<[u8; 4]>::as_slice),
        );
    }

    pub(super) fn int8(&mut self, value: Option<i64>) {
        self.field(
            value
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
    }

    pub(super) fn time(&mut self, value: Option<DateTime<Utc>>) {
        self.int8(value.map(|at| at.timestamp_micros().saturating_sub(EPOCH_US)));
    }

    pub(super) fn unix_ms(&mut self, value: Option<i64>) {
        self.int8(value.map(|ms| ms.saturating_mul(1000).saturating_sub(EPOCH_US)));
    }
}

/// Fills a table from what `read` finds, on a thread of its own. **Memory is bounded** by the
/// chunks in flight, however much is read.
pub(super) async fn fill(
    check: &mut PgConnection,
    table: &'static str,
    read: impl FnOnce(&mut Feed) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<u64> {
    let (to, mut chunks) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let reading = tokio::task::spawn_blocking(move || {
        let mut feed = Feed {
            bytes: SIGNATURE.to_vec(),
            to,
            rows: 0,
        };
        read(&mut feed)?;
        feed.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        feed.to
            .blocking_send(feed.bytes)
            .context("the check database has gone")
    });
    let mut copy = check
        .copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await?;
    while let Some(chunk) = chunks.recv().await {
        copy.send(chunk).await?;
    }
    match reading.await.context("the reader has panicked")? {
        Ok(()) => Ok(copy.finish().await?),
        Err(error) => {
            copy.abort("the reader failed").await?;
            Err(error)
        }
    }
}
