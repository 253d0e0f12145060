//! What came into the mail boxes.

use std::time::Duration;

use serde::Serialize;

use super::scene::Scene;
use super::wait::until;
use crate::local::mail::{Mail, read_all};
use crate::local::{self, Layout};

/// The orders have ended by then, so their mails are on their way.
const ARRIVED_WITHIN: Duration = Duration::from_secs(30);

/// What a mail to a customer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Received,
    Confirmed,
    Dispatched,
    Cancelled,
    /// Nobody has asked for it.
    Unexpected,
}

impl Kind {
    /// As they are told apart by their reader.
    fn of(mail: &Mail) -> Self {
        match mail.subject.as_deref().unwrap_or_default() {
            subject if subject.starts_with("We received your order") => Self::Received,
            subject if subject.ends_with("is confirmed") => Self::Confirmed,
            subject if subject.starts_with("A parcel of your order") => Self::Dispatched,
            subject if subject.ends_with("was cancelled") => Self::Cancelled,
            _ => Self::Unexpected,
        }
    }
}

/// Every mail that the scene's customer has got so far, sorted.
pub(super) fn got(scene: &Scene<'_>) -> local::Result<Vec<Kind>> {
    let address = format!("{}@customers.example", scene.customer);
    let mails = read_all(&scene.stage.layout.mails())?;
    let own = mails.iter().filter(|mail| mail.to.contains(&address));
    let mut kinds: Vec<_> = own.map(Kind::of).collect();
    kinds.sort_unstable();
    Ok(kinds)
}

/// Waits until as many have come. Which, and whether there are more, is looked at in the end.
pub(super) async fn await_all(scene: &Scene<'_>, expected: usize) -> anyhow::Result<()> {
    until("the customer's mails", ARRIVED_WITHIN, async || {
        let came = got(scene)?.len();
        Ok(if came >= expected {
            Ok(())
        } else {
            Err(format!("{came} of {expected} came"))
        })
    })
    .await
}

/// Whether operations know that a SKU runs low.
pub(super) fn low_stock_told(layout: &Layout, sku: &str) -> local::Result<bool> {
    let mails = read_all(&layout.mails())?;
    Ok(mails.iter().any(|mail| {
        mail.to.iter().any(|to| to.starts_with("operations@"))
            && mail.subject.as_deref() == Some("Stock is running low")
            && mail.body.contains(sku)
    }))
}
