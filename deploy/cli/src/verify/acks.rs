//! What clients wrote down of the promises they were given.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{self, Feed};

#[derive(Deserialize)]
struct Ack {
    order_id: Uuid,
    customer_id: String,
    key: Option<String>,
}

pub(super) async fn load(check: &mut PgConnection, file: PathBuf) -> anyhow::Result<u64> {
    let doing = format!("the acks in {}", file.display());
    rows::fill(check, "hist.acks", move |feed| read(&file, feed))
        .await
        .context(doing)
}

fn read(file: &PathBuf, feed: &mut Feed) -> anyhow::Result<()> {
    let mut lines = BufReader::new(File::open(file)?);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            break;
        }
        // A client that was killed while it wrote has left half a line, and nothing after it.
        if !line.ends_with('\n') && serde_json::from_str::<Ack>(&line).is_err() {
            break;
        }
        let ack: Ack = serde_json::from_str(&line).with_context(|| format!("line {number}"))?;
        feed.row(3)?;
        feed.uuid(Some(ack.order_id));
        feed.text(Some(&ack.customer_id));
        feed.text(ack.key.as_deref());
    }
    Ok(())
}
