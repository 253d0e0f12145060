//! How long a customer waits from placing an order until it is decided, under half the load that
//! the suite can take: in peace, while services are restarted, and after one was away.
//!
//! The floor is three flushes and two hops through Kafka, one after the other: what the promise
//! costs on this machine when nobody else is there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Load;
use super::open_loop::{OpenLoop, Wait};
use super::ours::{Stage, UNDECIDED};
use super::world::World;
use crate::bench::intake::drive;
use crate::bench::machine::{self, Cpu};
use crate::bench::parts::Parts;
use crate::bench::report::Subject;
use crate::bench::rounds::{About, Latency, Measured, Workload};

/// Of what the suite can take.
const LOAD: f64 = 0.5;
/// What comes before anything happens, and after it is over.
const LEAD: Duration = Duration::from_secs(5);
/// Long enough for four restarts one after the other.
const RESTARTS_LAST: Duration = Duration::from_secs(20);
/// The one that takes the orders stays: who has no answer has no order that could wait.
const RESTARTED: [&str; 4] = ["inventory", "fraud", "shipment", "notification"];
const AWAY: &str = "inventory";
/// Who waits for less than this is no longer waiting for the outage.
const CAUGHT_UP: Duration = Duration::from_secs(1);

/// What happens while orders come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Meanwhile {
    Nothing,
    /// Services are stopped and started again, one after the other.
    Restarts,
    /// Inventory is away for so long.
    Outage(Duration),
}

pub(in crate::bench) struct SagaLatency {
    load: Load,
    meanwhile: Meanwhile,
    round: Option<World>,
}

impl SagaLatency {
    pub(in crate::bench) fn new(load: Load, meanwhile: Meanwhile) -> Self {
        Self {
            load,
            meanwhile,
            round: None,
        }
    }

    /// As many as it takes until everything has happened, and been caught up with.
    fn orders(&self, per_s: f64) -> u32 {
        let lasts = match self.meanwhile {
            Meanwhile::Nothing => return self.load.orders,
            Meanwhile::Restarts => 2 * LEAD + RESTARTS_LAST,
            Meanwhile::Outage(away) => 2 * LEAD + 3 * away,
        };
        (lasts.as_secs_f64() * per_s).ceil() as u32
    }
}

impl Workload for SagaLatency {
    fn about(&self) -> About {
        About {
            name: match self.meanwhile {
                Meanwhile::Nothing => "saga-latency",
                Meanwhile::Restarts => "rolling-restart",
                Meanwhile::Outage(_) => "outage",
            },
            unit: "orders",
            subjects: &[Subject::Ours],
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.load.warm_up(), Meanwhile::Nothing)
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        self.round = Some(World::fresh(parts, number, Subject::Ours).await?);
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, _: Subject) -> anyhow::Result<Measured> {
        let world = self.round.as_ref().expect("it was prepared");
        let Load {
            orders,
            clients,
            ref progress,
        } = self.load;
        let stage = Stage { parts, world };
        stage.start().await?;
        let begun = Instant::now();
        let (_, mut accepted) = drive(parts, orders, clients).await?;
        stage.until_none("order", UNDECIDED).await?;
        let at_most = f64::from(orders) / begun.elapsed().as_secs_f64();
        stage.until_ended().await?;

        let per_s = at_most * LOAD;
        let coming = (self.orders(per_s), clients);
        let customers = OpenLoop::new(parts, &world.namespace, coming, per_s).await?;
        let floor_ms = floor_ms(parts).await?;
        let cpu = Cpu::now(parts.dir())?;
        let begun = Instant::now();
        let (waits, happened) = tokio::try_join!(customers.run(), happens(&stage, self.meanwhile))?;
        let took = begun.elapsed();
        let cpu = Cpu::now(parts.dir())?.since(&cpu);
        accepted.extend(waits.iter().map(|wait| wait.order_id));
        stage.until_ended().await?;
        let wrong = stage.judge(&accepted, progress).await?;
        stage.stop().await?;
        let latency = Latency::of(waits.iter().map(Wait::took).collect());
        let mut details = BTreeMap::from([
            ("at_most_per_s", at_most),
            ("floor_ms", floor_ms),
            ("p99_to_floor", latency.p99_ms / floor_ms),
        ]);
        match self.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Restarts => details.extend(of_restarts(&waits, happened)),
            Meanwhile::Outage(_) => details.extend(of_outage(&waits, happened, per_s)),
        }
        Ok(Measured {
            latency: Some(latency),
            details,
            wrong,
            ..Measured::new(waits.len() as u64, took, cpu)
        })
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        match self.round.take() {
            Some(world) => world.clear(parts).await,
            None => Ok(()),
        }
    }
}

/// Three flushes and two hops.
async fn floor_ms(parts: &Parts) -> anyhow::Result<f64> {
    let hop_ms = machine::hop_ms(&parts.kafka()).await?;
    Ok(3.0 * machine::flush_ms(parts.dir())? + 2.0 * hop_ms)
}

/// From when to when it lasted; of an outage, when it was over for those who wait.
async fn happens(stage: &Stage<'_>, what: Meanwhile) -> anyhow::Result<[Instant; 2]> {
    tokio::time::sleep(LEAD).await;
    let begun = Instant::now();
    match what {
        Meanwhile::Nothing => {}
        Meanwhile::Restarts => {
            for service in RESTARTED {
                stage.parts.stop_service(service).await?;
                stage.start_one(service).await?;
            }
        }
        Meanwhile::Outage(lasts) => {
            stage.parts.stop_service(AWAY).await?;
            tokio::time::sleep(lasts).await;
            let over = Instant::now();
            stage.start_one(AWAY).await?;
            return Ok([begun, over]);
        }
    }
    Ok([begun, Instant::now()])
}

/// The longest time in which nobody's order was decided, and the 99th percentile beside that of
/// the time before.
fn of_restarts(waits: &[Wait], [begun, over]: [Instant; 2]) -> BTreeMap<&'static str, f64> {
    let meanwhile = waits
        .iter()
        .map(|wait| wait.decided)
        .filter(|decided| (begun..over + LEAD).contains(decided));
    let meanwhile: Vec<Instant> = meanwhile.collect();
    let gaps = meanwhile.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = gaps.max().unwrap_or(over - begun);
    let before = p99_ms(waits.iter().filter(|wait| wait.due < begun));
    let during = p99_ms(
        waits
            .iter()
            .filter(|wait| (begun..over).contains(&wait.due)),
    );
    let mut figures = BTreeMap::from([("longest_stall_ms", longest.as_secs_f64() * 1e3)]);
    if let Some((before, during)) = before.zip(during) {
        figures.insert("p99_to_before", during / before);
    }
    figures
}

fn p99_ms<'a>(waits: impl Iterator<Item = &'a Wait>) -> Option<f64> {
    let times: Vec<Duration> = waits.map(Wait::took).collect();
    (!times.is_empty()).then(|| Latency::of(times).p99_ms)
}

/// How fast what had waited was decided, beside how fast orders come.
fn of_outage(waits: &[Wait], [_, over]: [Instant; 2], per_s: f64) -> BTreeMap<&'static str, f64> {
    let mut after = waits.iter().skip_while(|wait| wait.decided < over);
    let Some(first) = after.next() else {
        return BTreeMap::new();
    };
    let (mut drained, mut last) = (0.0, first.decided);
    for wait in after.take_while(|wait| wait.took() > CAUGHT_UP) {
        drained += 1.0;
        last = wait.decided;
    }
    let took = (last - first.decided).as_secs_f64();
    BTreeMap::from([
        ("waited_orders", drained),
        ("drain_to_steady", drained / took.max(1e-3) / per_s),
    ])
}
