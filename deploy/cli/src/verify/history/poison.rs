//! Records that were put on the topics to do harm.

use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use sqlx::PgConnection;

use super::lines;
use crate::verify::{records, rows};

#[derive(Deserialize)]
struct Poison {
    /// As the suite knows it.
    topic: String,
    partition: i32,
    offset: i64,
    kind: String,
    /// Base64; nothing for a record without a value.
    value: Option<String>,
    /// The services that have to make a dead letter of it.
    consumers: Vec<String>,
}

pub(super) async fn load(check: &mut PgConnection, file: &Path) -> anyhow::Result<()> {
    let (records, readers) = (file.to_owned(), file.to_owned());
    rows::fill(check, "hist.poison", move |feed| {
        lines::read(&records, |poison: Poison| {
            let value = poison.value.map(|value| BASE64.decode(value)).transpose();
            let value = value.context("the value is not base64")?;
            let digest = value.as_deref().map(records::digest);
            feed.row(5)?;
            feed.text(Some(&poison.topic));
            feed.int4(Some(poison.partition));
            feed.int8(Some(poison.offset));
            feed.text(Some(&poison.kind));
            feed.bytes(digest.as_ref().map(<[u8; 16]>::as_slice));
            Ok(())
        })
    })
    .await?;
    rows::fill(check, "hist.poisoned", move |feed| {
        lines::read(&readers, |poison: Poison| {
            for service in &poison.consumers {
                feed.row(4)?;
                feed.text(Some(&poison.topic));
                feed.int4(Some(poison.partition));
                feed.int8(Some(poison.offset));
                feed.text(Some(service));
            }
            Ok(())
        })
    })
    .await?;
    Ok(())
}
