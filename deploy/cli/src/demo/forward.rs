//! Stories that end with the goods at the customer's door.

use std::time::Duration;

use super::mails;
use super::scene::Scene;
use super::wait::until;
use crate::basket::Basket;

const OPERATIONS_TOLD_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn completes(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("KETTLE", 2)).await?;
    is_fulfilled(scene).await
}

/// No warehouse has more than ten trays.
pub(super) async fn is_split(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("TRAY", 15)).await?;
    is_fulfilled(scene).await
}

/// Two of five aprons stay, and the alarm is set to three.
pub(super) async fn runs_low(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("APRON", 3)).await?;
    let told = until("a mail to operations", OPERATIONS_TOLD_WITHIN, async || {
        let told = mails::low_stock_told(&scene.stage.layout, "APRON")?;
        Ok(if told {
            Ok(())
        } else {
            Err("none came".to_owned())
        })
    })
    .await;
    match told {
        Ok(()) => scene.saw("operations told in 10 s"),
        Err(error) => scene.saw(format!("{error:#}")),
    }
    is_fulfilled(scene).await
}

/// A new customer who spends much has to be looked at.
pub(super) async fn is_reviewed(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.place(Basket::of("ESPRESSO", 1)).await?;
    scene.until("verdict", "held").await?;
    scene.saw("held for review");
    scene.approve().await?;
    is_fulfilled(scene).await
}

/// What happens to every order that nothing comes in the way of.
pub(super) async fn is_fulfilled(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.until("status", "confirmed").await?;
    scene.deliver().await?;
    scene.ends().await
}
