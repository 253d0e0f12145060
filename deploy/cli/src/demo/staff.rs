//! What staff does about an order: picks it, sends it, reviews its payment.

use anyhow::Context;
use serde_json::{Value, json};

use super::scene::Scene;
use super::wait::{PATIENCE, until};
use crate::client::Answer;

/// The warehouse's way with a parcel.
pub(super) const ALL_STEPS: [&str; 4] = ["pick", "pack", "dispatch", "deliver"];

impl Scene<'_> {
    /// Takes every parcel of a confirmed order all the way to the customer.
    pub(super) async fn deliver(&self) -> anyhow::Result<()> {
        for list in self.picking_lists().await? {
            for step in ALL_STEPS {
                self.take_step(&list, step)
                    .await?
                    .ok()
                    .with_context(|| step)?;
            }
        }
        Ok(())
    }

    /// The order's picking lists, once each of its warehouses has been told to work on its own.
    pub(super) async fn picking_lists(&self) -> anyhow::Result<Vec<String>> {
        let staff = self.stage.client("wanda", "warehouse")?;
        let shipment = self.stage.layout.endpoints().shipment;
        let order_id = self.order()?.order_id;
        let url = format!("{shipment}/v1/picking-lists?order_id={order_id}");
        until("released picking lists", PATIENCE, async || {
            let expected = self.view().await?["parcels_expected"].as_u64();
            let page = staff.get(&url).await?.ok()?;
            let lists = page["picking_lists"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let released = lists.iter().all(|list| list["state"] == "released");
            if expected == u64::try_from(lists.len()).ok() && released {
                return Ok(Ok(lists.iter().filter_map(id).collect()));
            }
            Ok(Err(format!("of {expected:?} there are {}", lists.len())))
        })
        .await
    }

    pub(super) async fn take_step(&self, list: &str, step: &str) -> anyhow::Result<Answer> {
        let staff = self.stage.client("wanda", "warehouse")?;
        let shipment = self.stage.layout.endpoints().shipment;
        staff
            .post(
                &format!("{shipment}/v1/picking-lists/{list}/{step}"),
                &json!({}),
            )
            .await
    }

    /// A reviewer finds the order's transaction in the queue and lets it go on.
    pub(super) async fn approve(&self) -> anyhow::Result<()> {
        let reviewer = self.stage.client("rita", "review")?;
        let reviews = format!("{}/v1/reviews", self.stage.layout.endpoints().fraud);
        let order_id = self.order()?.order_id.to_string();
        let held = until("the order in the review queue", PATIENCE, async || {
            let queue = reviewer.get(&reviews).await?.ok()?;
            let items = queue["items"].as_array().cloned().unwrap_or_default();
            let found = items
                .into_iter()
                .find(|item| item["order_id"] == order_id.as_str());
            Ok(found.ok_or_else(|| "it is not in it".to_owned()))
        })
        .await?;
        let transaction = held["transaction_id"]
            .as_str()
            .context("a review has a transaction")?;
        let ruling = json!({ "note": "the customer answered the phone" });
        reviewer
            .post(&format!("{reviews}/{transaction}/approve"), &ruling)
            .await?
            .ok()?;
        Ok(())
    }

    /// Levels of a SKU, and every change of it.
    pub(super) async fn stock_book(&self, sku: &str) -> anyhow::Result<(Value, Value)> {
        let staff = self.stage.client("stan", "stock")?;
        let stock = format!("{}/v1/stock/{sku}", self.stage.layout.endpoints().inventory);
        Ok((
            staff.get(&stock).await?.ok()?,
            staff
                .get(&format!("{stock}/ledger?limit=200"))
                .await?
                .ok()?,
        ))
    }
}

fn id(list: &Value) -> Option<String> {
    list["picking_list_id"].as_str().map(str::to_owned)
}
