//! F: the time of one durable flush to disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::bench::summary::median;

/// What Postgres writes at least.
const PAGE: [u8; 8192] = [7; 8192];
/// Enough that a few slow ones do not move the median.
const FLUSHES_MIN: usize = 200;
const FOR_AT_LEAST: Duration = Duration::from_secs(1);

/// Of a file that is overwritten in place, as the log of Postgres is.
pub(in crate::bench) fn flush_ms(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("flush");
    let measure = || {
        let file = File::create(&path)?;
        let begun = Instant::now();
        let mut times = Vec::new();
        while times.len() < FLUSHES_MIN || begun.elapsed() < FOR_AT_LEAST {
            let before = Instant::now();
            file.write_all_at(&PAGE, 0)?;
            file.sync_data()?;
            times.push(before.elapsed().as_secs_f64() * 1e3);
        }
        std::fs::remove_file(&path)?;
        std::io::Result::Ok(times)
    };
    let mut times = measure().with_context(|| format!("cannot flush {}", path.display()))?;
    Ok(median(&mut times).expect("there are at least as many as were wanted"))
}
