//! What staff does meanwhile: reviews payments, and brings goods that are scarce.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::local::Layout;

const REVIEW_EVERY: Duration = Duration::from_millis(1_500);
const RESTOCK_EVERY: Duration = Duration::from_secs(4);
/// Less than is asked for.
const RECEIPTS: [(&str, &str, u64); 4] = [
    ("TRAY", "BER", 10),
    ("TRAY", "MAD", 10),
    ("APRON", "BER", 6),
    ("KNIFE", "WAW", 3),
];

/// Approves some, blocks some, and leaves the rest to its deadline.
pub(super) async fn review(layout: &Layout, stop: &CancellationToken) -> anyhow::Result<()> {
    let reviewer = Client::new(&layout.dir, "rita", "review")?;
    let reviews = format!("{}/v1/reviews", layout.endpoints().fraud);
    while wait(REVIEW_EVERY, stop).await {
        let Ok(queue) = reviewer.get(&reviews).await else {
            continue;
        };
        let items = queue.body["items"].as_array().cloned().unwrap_or_default();
        for (number, item) in items.iter().enumerate().take(4) {
            let Some(transaction) = item["transaction_id"].as_str() else {
                continue;
            };
            let ruling = ["approve", "block", "approve"].get(number);
            if let Some(ruling) = ruling {
                let url = format!("{reviews}/{transaction}/{ruling}");
                // Somebody else was faster, or nobody listens: it comes up again.
                let _ = reviewer.post(&url, &json!({ "note": "looked at" })).await;
            }
        }
    }
    Ok(())
}

/// Each receipt under its key, until it is booked.
pub(super) async fn restock(layout: &Layout, stop: &CancellationToken) -> anyhow::Result<()> {
    let staff = Client::new(&layout.dir, "stan", "stock")?;
    let stock = format!("{}/v1/stock", layout.endpoints().inventory);
    let mut number = 0;
    while wait(RESTOCK_EVERY, stop).await {
        number += 1;
        for (sku, warehouse, quantity) in RECEIPTS {
            let url = format!("{stock}/{sku}/receipts");
            let receipt = json!({
                "warehouse": warehouse, "quantity": quantity, "reason": "delivery",
            });
            let key = format!("receipt-{number}-{sku}-{warehouse}");
            for _ in 0..20 {
                let answer = staff.post_once(&url, &key, &receipt).await;
                if answer.is_ok_and(|answer| answer.status.is_success()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    Ok(())
}

/// False once it is to stop.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
