//! An order from the command line.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, layout};
use crate::{Stack, Usage};

#[derive(Args)]
pub(crate) struct Order {
    #[command(subcommand)]
    action: Action,
    /// Whose order.
    #[arg(long, default_value = "alice", global = true)]
    customer: String,
    /// The order service, where it is not on this machine.
    #[arg(long, env = "ORDER_URL", global = true)]
    order_url: Option<String>,
    #[command(flatten)]
    stack: Stack,
}

#[derive(Subcommand)]
enum Action {
    /// Place an order
    Place {
        /// SKU and quantity, for example `KETTLE:2`; may be given several times.
        #[arg(long = "line", required = true)]
        lines: Vec<String>,
        /// Destination, ISO 3166 alpha-2.
        #[arg(long, default_value = "DE")]
        country: String,
        #[arg(long)]
        card: Option<String>,
    },
    /// Show an order
    Show { order: Uuid },
    /// Show what happened to an order, in order
    Timeline { order: Uuid },
    /// Wait until an order has ended
    Wait { order: Uuid },
    /// Cancel an order, as long as it has not been dispatched
    Cancel { order: Uuid },
}

impl Order {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let layout = layout(&self.stack)?;
        let client = Client::new(&layout.dir, &self.customer, "")?;
        let service = self.order_url.unwrap_or_else(|| layout.endpoints().order);
        let orders = format!("{service}/v1/orders");
        let answer = match self.action {
            Action::Place {
                lines,
                country,
                card,
            } => {
                let body = body(&lines, &country, card.as_deref())?;
                let key = shared::event::new_id().to_string();
                client.post_once(&orders, &key, &body).await?.ok()?
            }
            Action::Show { order } => client.get(&format!("{orders}/{order}")).await?.ok()?,
            Action::Timeline { order } => client
                .get(&format!("{orders}/{order}/timeline"))
                .await?
                .ok()?,
            Action::Cancel { order } => client
                .post(&format!("{orders}/{order}/cancel"), &json!({}))
                .await?
                .ok()?,
            Action::Wait { order } => wait(&client, &format!("{orders}/{order}")).await?,
        };
        println!("{}", serde_json::to_string_pretty(&answer)?);
        Ok(())
    }
}

async fn wait(client: &Client, order: &str) -> anyhow::Result<Value> {
    let mut view = client.get(order).await?.ok()?;
    while !matches!(view["status"].as_str(), Some("completed" | "cancelled")) {
        eprintln!("{}", view["status"].as_str().unwrap_or("unknown"));
        view = client.get(&format!("{order}?wait=30s")).await?.ok()?;
    }
    Ok(view)
}

fn body(lines: &[String], country: &str, card: Option<&str>) -> anyhow::Result<Value> {
    let lines = lines
        .iter()
        .map(|line| {
            let (sku, quantity) = line.split_once(':').unwrap_or((line, "1"));
            let quantity: u32 = quantity
                .parse()
                .map_err(|_| Usage(format!("{line} is not SKU:QUANTITY")))
                .context("--line")?;
            Ok(json!({ "sku": sku, "quantity": quantity }))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut body = json!({
        "lines": lines,
        "channel": "web",
        "ship_to": {
            "name": "Alice Example",
            "street": "Example Street 1",
            "postal_code": "10115",
            "city": "Berlin",
            "country": country,
        },
    });
    if let Some(card) = card {
        body["payment"] = json!({ "card_token": card });
    }
    Ok(body)
}
