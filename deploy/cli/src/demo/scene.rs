//! One customer with one order: what they do, and what they see.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::Stage;
use super::wait::{PATIENCE, until};
use crate::basket::Basket;
use crate::client::{Answer, Client};

pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) customer: &'static str,
    client: Client,
    order: OnceCell<Placed>,
    seen: RefCell<Vec<String>>,
    /// From the request to the story's end.
    pub(super) took: Cell<Duration>,
}

/// What the customer was promised.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) order_id: Uuid,
    pub(super) trace_id: String,
}

impl<'a> Scene<'a> {
    pub(super) fn new(stage: &'a Stage, customer: &'static str) -> anyhow::Result<Self> {
        Ok(Self {
            stage,
            customer,
            client: stage.client(customer, "")?,
            order: OnceCell::new(),
            seen: RefCell::default(),
            took: Cell::default(),
        })
    }

    /// Adds to what was seen.
    pub(super) fn saw(&self, what: impl Into<String>) {
        self.seen.borrow_mut().push(what.into());
    }

    /// All that was seen, in order.
    pub(super) fn seen(&self) -> String {
        self.seen.borrow().join("; ")
    }

    /// The order, once it was placed.
    pub(super) fn placed(&self) -> Option<&Placed> {
        self.order.get()
    }

    pub(super) fn order(&self) -> anyhow::Result<&Placed> {
        self.placed().context("no order was placed")
    }

    pub(super) async fn place(&self, basket: Basket) -> anyhow::Result<()> {
        let key = shared::event::new_id().to_string();
        let accepted = self.request(&key, &basket.request()).await?.ok()?;
        self.keep(&accepted)
    }

    /// Sends a request to place an order, and remembers nothing.
    pub(super) async fn request(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        self.client.post_once(&self.url(""), key, body).await
    }

    /// Remembers the order that was accepted.
    pub(super) fn keep(&self, accepted: &Value) -> anyhow::Result<()> {
        let text = |name: &str| {
            let text = accepted[name].as_str();
            text.with_context(|| format!("the answer has no {name}: {accepted}"))
        };
        let placed = Placed {
            order_id: text("order_id")?.parse()?,
            trace_id: text("trace_id")?.to_owned(),
        };
        self.order.get_or_init(|| placed);
        Ok(())
    }

    /// The customer's own view of something: `""` is the list of their orders.
    pub(super) async fn look(&self, path: &str) -> anyhow::Result<Value> {
        self.client.get(&self.url(path)).await?.ok()
    }

    pub(super) async fn view(&self) -> anyhow::Result<Value> {
        self.look(&format!("/{}", self.order()?.order_id)).await
    }

    pub(super) async fn cancel(&self) -> anyhow::Result<()> {
        let url = self.url(&format!("/{}/cancel", self.order()?.order_id));
        self.client.post(&url, &json!({})).await?.ok()?;
        Ok(())
    }

    /// Waits for a field of the order to have a value. An order that has ended does not change any
    /// more, so nobody waits for it.
    pub(super) async fn until(&self, field: &str, wanted: &str) -> anyhow::Result<Value> {
        until(&format!("{field} {wanted}"), PATIENCE, async || {
            let view = self.view().await?;
            let value = view[field].as_str().unwrap_or_default().to_owned();
            if value == wanted {
                return Ok(Ok(view));
            }
            if has_ended(&view) {
                bail!(
                    "{field} is {value}, not {wanted}, and the order is {}",
                    ending(&view)
                );
            }
            Ok(Err(format!("it is {value}")))
        })
        .await
    }

    /// Waits for the order's end, and adds it to what was seen.
    pub(super) async fn ends(&self) -> anyhow::Result<()> {
        let view = until("the order's end", PATIENCE, async || {
            let view = self.view().await?;
            let waits = format!(
                "it is {} and waits for {}",
                view["status"], view["waiting_for"]
            );
            Ok(if has_ended(&view) {
                Ok(view)
            } else {
                Err(waits)
            })
        })
        .await?;
        self.saw(ending(&view));
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/orders{path}", self.stage.layout.endpoints().order)
    }
}

fn has_ended(view: &Value) -> bool {
    matches!(view["status"].as_str(), Some("completed" | "cancelled"))
}

/// How an order stands, in the words of the table.
fn ending(view: &Value) -> String {
    let status = view["status"].as_str().unwrap_or("unknown");
    let cancellation = &view["cancellation"];
    let (mut ending, charge) = if status == "cancelled" {
        let confirmed = cancellation["was_confirmed"] == true;
        let when = if confirmed { " after confirmation" } else { "" };
        let reason = cancellation["reason"].as_str().unwrap_or("no reason");
        (
            format!(
                "cancelled{when}: {}",
                reason.to_lowercase().replace('_', " ")
            ),
            "voided",
        )
    } else {
        let parcels = view["parcels"].as_array().map_or(0, Vec::len);
        let plural = if parcels == 1 { "" } else { "s" };
        (format!("{status}, {parcels} parcel{plural}"), "captured")
    };
    if view["charge"] != charge {
        ending.push_str(&format!(", charge {}", view["charge"]));
    }
    ending
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ending;

    #[track_caller]
    fn check(view: &Value, expected: &str) {
        assert_eq!(ending(view), expected);
    }

    #[test]
    fn an_ending_says_what_matters_and_what_is_odd() {
        let parcels = |status: &str, count: usize, charge: &str| {
            let parcels = vec![json!({}); count];
            json!({ "status": status, "parcels": parcels, "charge": charge })
        };
        check(&parcels("completed", 1, "captured"), "completed, 1 parcel");
        check(&parcels("completed", 2, "captured"), "completed, 2 parcels");
        check(
            &parcels("completed", 1, "authorized"),
            "completed, 1 parcel, charge \"authorized\"",
        );

        let cancelled = |was_confirmed: bool| {
            let why = json!({ "reason": "OUT_OF_STOCK", "was_confirmed": was_confirmed });
            json!({ "status": "cancelled", "cancellation": why, "charge": "voided" })
        };
        check(&cancelled(false), "cancelled: out of stock");
        check(
            &cancelled(true),
            "cancelled after confirmation: out of stock",
        );
    }
}
