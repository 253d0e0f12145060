//! Plays the fates, and gathers what each left behind.

use futures::{StreamExt, stream};

use super::mails::{self, Kind};
use super::scene::Scene;
use super::stage::Stage;
use super::table::Row;
use super::{FATES, Fate, Turn, traces};
use crate::trace::FetchedTrace;

/// Enough to see orders overtake each other, few enough for a small machine.
const AT_ONCE: usize = 8;

/// In the order of the table, each with its order's trace.
pub(super) async fn play(stage: &Stage, quick: bool) -> anyhow::Result<Vec<(Row, FetchedTrace)>> {
    let chosen = FATES
        .iter()
        .filter(|fate| !quick || fate.turn == Turn::Together);
    let scenes: Vec<(&Fate, Scene<'_>)> = chosen
        .map(|fate| Ok((fate, Scene::new(stage, fate.customer)?)))
        .collect::<anyhow::Result<_>>()?;

    let (alone, mut together): (Vec<_>, Vec<_>) = scenes
        .iter()
        .partition(|(fate, _)| fate.turn == Turn::Alone);
    // Those that wait longest begin first.
    together.sort_by_key(|(fate, _)| fate.turn != Turn::Slow);
    let mut playing = stream::iter(together)
        .map(|(fate, scene)| play_one(fate, scene))
        .buffer_unordered(AT_ONCE);
    while playing.next().await.is_some() {}
    for (fate, scene) in alone {
        play_one(fate, scene).await;
    }

    stage.progress.say("demo", "waits for mails and traces");
    let gathered: Vec<_> = stream::iter(&scenes)
        .map(|(fate, scene)| gather(fate, scene))
        .buffered(AT_ONCE)
        .collect()
        .await;
    // One mail too many may have come while others were waited for, so they are counted at last.
    scenes
        .iter()
        .zip(gathered)
        .map(|((fate, scene), trace)| {
            let trace = trace?;
            Ok((row(fate, scene, &trace)?, trace))
        })
        .collect()
}

/// What goes wrong in a story is seen there, and does not end the others.
async fn play_one(fate: &Fate, scene: &Scene<'_>) {
    let begun = tokio::time::Instant::now();
    if let Err(error) = (fate.story)(scene).await {
        scene.saw(format!("then: {error:#}"));
    }
    scene.took.set(begun.elapsed());
    scene
        .stage
        .progress
        .say("demo", format!("{}: {}", fate.name, scene.seen()));
}

/// Mails and spans are told later than an order's end.
async fn gather(fate: &Fate, scene: &Scene<'_>) -> anyhow::Result<FetchedTrace> {
    let Some(placed) = scene.placed() else {
        return Ok(FetchedTrace {
            trace_id: String::new(),
            spans: Vec::new(),
        });
    };
    if let Err(error) = mails::await_all(scene, fate.mails.len()).await {
        // The table shows which are missing.
        scene
            .stage
            .progress
            .say("demo", format!("{}: {error:#}", fate.name));
    }
    let jaeger = scene.stage.layout.endpoints().jaeger;
    traces::await_complete(&jaeger, &placed.trace_id, is_delivered(fate)).await
}

fn row(fate: &Fate, scene: &Scene<'_>, trace: &FetchedTrace) -> anyhow::Result<Row> {
    let (seen, mails) = (scene.seen(), mails::got(scene)?);
    let mut mails_expected = fate.mails.to_vec();
    mails_expected.sort_unstable();
    let mut differs = traces::wrong(trace, is_delivered(fate));
    if mails != mails_expected {
        differs.push(format!("mails {mails:?} came, expected {mails_expected:?}"));
    }
    let placed = scene.placed();
    Ok(Row {
        fate: fate.name,
        ok: seen == fate.expected && differs.is_empty(),
        customer_id: fate.customer,
        order_id: placed.map(|placed| placed.order_id),
        expected: fate.expected,
        seen,
        mails_expected,
        mails,
        trace_id: placed.map(|placed| placed.trace_id.clone()),
        spans: trace.spans.len(),
        services: trace.services().into_iter().map(str::to_owned).collect(),
        took_ms: scene.took.get().as_millis(),
        differs,
    })
}

/// Then all five services had their part in it.
fn is_delivered(fate: &Fate) -> bool {
    fate.mails.contains(&Kind::Dispatched)
}
