//! Stories that end early, with everything undone.

use reqwest::StatusCode;

use super::scene::Scene;
use crate::basket::Basket;

/// Knives are known, and there are none.
pub(super) async fn finds_no_stock(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("KNIFE", 1)).await?;
    scene.ends().await
}

/// Too dear to be confirmed without a verdict, should that be late on a busy machine.
pub(super) async fn is_blocked(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene
        .place(Basket::of("GRINDER", 3).paid_with("tok_stolen"))
        .await?;
    scene.ends().await
}

pub(super) async fn is_called_off(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("MUG", 2)).await?;
    scene.until("status", "confirmed").await?;
    scene.cancel().await?;
    scene.ends().await
}

/// The carrier does not go to that address, and says so when the parcel is handed over.
pub(super) async fn finds_no_carrier(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene
        .place(Basket {
            postal_code: "99999",
            ..Basket::of("SCALE", 1)
        })
        .await?;
    scene.until("status", "confirmed").await?;
    for list in scene.picking_lists().await? {
        for step in ["pick", "pack"] {
            scene.take_step(&list, step).await?.ok()?;
        }
        let refused = scene.take_step(&list, "dispatch").await?;
        if refused.status != StatusCode::CONFLICT {
            scene.saw(format!("dispatch answered {}", refused.status));
        }
    }
    scene.ends().await
}

/// Cheap enough to go on when no verdict came in time. Then it comes, and the goods are still here.
pub(super) async fn is_blocked_late(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene
        .place(Basket::of("BOARD", 1).paid_with("tok_slow_stolen"))
        .await?;
    let confirmed = scene.until("status", "confirmed").await?;
    if confirmed["verdict"] != "approved_by_policy" {
        scene.saw(format!(
            "confirmed with the verdict {}",
            confirmed["verdict"]
        ));
    }
    scene.ends().await
}

/// Too dear to go on without a verdict, and the bureau does not answer in time.
pub(super) async fn hears_no_verdict(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene
        .place(Basket::of("TOASTER", 6).paid_with("tok_slow_bureau"))
        .await?;
    scene.ends().await
}
