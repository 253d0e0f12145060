//! The clock of a run that goes on by itself, and is only looked at.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::machine::Cpu;
use super::parts::Parts;
use super::rounds::Measured;

/// Rows that a relay of ours has still before it, or would send again.
pub(super) const UNPUBLISHED: &str = "SELECT count(*)::float8
     FROM outbox
     JOIN outbox_watermark AS watermark USING (shard)
     WHERE outbox.tx_id >= watermark.tx_id";

const STANDS_STILL_MAX: Duration = Duration::from_secs(60);

pub(super) struct Watch<'a> {
    pub(super) parts: &'a Parts,
    pub(super) who: &'static str,
    /// Far less than a round, and seldom enough to cost nothing.
    pub(super) every: Duration,
    pub(super) records: u64,
}

impl Watch<'_> {
    /// The clock runs from the first record that is seen done, and counts what came after it.
    pub(super) async fn until_done(
        &self,
        mut done: impl AsyncFnMut() -> anyhow::Result<u64>,
    ) -> anyhow::Result<Measured> {
        let dir = self.parts.dir();
        let mut first = None;
        let mut last = (0, Instant::now());
        loop {
            let done = done().await?;
            let now = Instant::now();
            if done > last.0 {
                last = (done, now);
                if first.is_none() {
                    first = Some((done, now, Cpu::now(dir)?));
                }
            }
            if let Some((before, since, cpu)) = &first
                && done >= self.records
            {
                let cpu = Cpu::now(dir)?.since(cpu);
                return Ok(Measured::new(done - before, now - *since, cpu));
            }
            if now - last.1 > STANDS_STILL_MAX {
                let Self { who, records, .. } = self;
                bail!("{who} stands still after {done} of {records} records");
            }
            tokio::time::sleep(self.every).await;
        }
    }
}
