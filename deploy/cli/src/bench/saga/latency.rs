//! How long a customer waits from placing an order until it is decided, under half the load that
//! the suite can take: in peace, and while something happens.
//!
//! The floor is three flushes and two hops through Kafka, one after the other: what the promise
//! costs on this machine when nobody else is there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shared::contract::topic::ORDER_EVENTS;
use sqlx::{Connection, PgConnection};

use super::Load;
use super::open_loop::{OpenLoop, Wait};
use super::ours::Stage;
use super::world::World;
use crate::bench::intake::drive;
use crate::bench::machine::{self, Cpu};
use crate::bench::parts::Parts;
use crate::bench::report::Subject;
use crate::bench::rounds::{About, Latency, Measured, Workload};
use crate::bench::summary::median;

/// Of what the suite can take.
const LOAD: f64 = 0.5;
const LOAD_OF_A_SOAK: f64 = 0.6;
/// What comes before anything happens, and after it is over.
const LEAD: Duration = Duration::from_secs(5);
/// Long enough for four restarts one after the other.
const RESTARTS_LAST: Duration = Duration::from_secs(20);
/// The one that takes the orders stays: who has no answer has no order that could wait.
const RESTARTED: [&str; 4] = ["inventory", "fraud", "shipment", "notification"];
/// Stays away, or is given what it has had before.
const AWAY: &str = "inventory";
/// With a signal that nothing can catch, and started again at once.
const KILLED: [&str; 7] = [
    "inventory",
    "postgres",
    "fraud",
    "order",
    "kafka",
    "shipment",
    "notification",
];
/// How long a kill, a start, and what waited meanwhile take together; more, if they do.
const KILL_LASTS: Duration = Duration::from_secs(15);
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
    /// Services, Postgres and Kafka are killed, one after the other.
    Kills,
    /// Old events are replayed and somebody reads all that there is, for so long.
    Noise(Duration),
    /// Nothing, for so long, under a little more load.
    Soak(Duration),
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

    fn share(&self) -> f64 {
        match self.meanwhile {
            Meanwhile::Soak(_) => LOAD_OF_A_SOAK,
            _ => LOAD,
        }
    }

    /// As many as it takes until everything has happened, and been caught up with.
    fn orders(&self, per_s: f64) -> u32 {
        let lasts = match self.meanwhile {
            Meanwhile::Nothing => return self.load.orders,
            Meanwhile::Restarts => 2 * LEAD + RESTARTS_LAST,
            Meanwhile::Outage(away) => 2 * LEAD + 3 * away,
            Meanwhile::Kills => 2 * LEAD + KILLED.len() as u32 * KILL_LASTS,
            Meanwhile::Noise(lasts) => 2 * LEAD + lasts,
            Meanwhile::Soak(lasts) => lasts,
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
                Meanwhile::Kills => "crash-recovery",
                Meanwhile::Noise(_) => "noisy-mix",
                Meanwhile::Soak(_) => "soak",
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
        // To their end: where orders come as fast as they can be decided, what follows from the
        // decisions falls behind more and more.
        stage.until_ended().await?;
        let at_most = f64::from(orders) / begun.elapsed().as_secs_f64();

        let memory_mb = stage.memory_mb().await?;
        let per_s = at_most * self.share();
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
        let memory_after_mb = stage.memory_mb().await?;
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
            Meanwhile::Restarts | Meanwhile::Noise(_) => {
                details.extend(of_disturbance(&waits, &happened));
            }
            Meanwhile::Outage(_) => details.extend(of_outage(&waits, &happened, per_s)),
            Meanwhile::Kills => details.extend(of_kills(&waits, &happened)),
            Meanwhile::Soak(_) => {
                details.extend(of_soak(&waits, happened[0]));
                details.insert("memory_to_before", memory_after_mb / memory_mb);
            }
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

/// When it began, and when it was over; of an outage, when it was over for those who wait; of
/// kills, also when each was over and the next struck.
async fn happens(stage: &Stage<'_>, what: Meanwhile) -> anyhow::Result<Vec<Instant>> {
    tokio::time::sleep(LEAD).await;
    let mut at = vec![Instant::now()];
    match what {
        Meanwhile::Nothing | Meanwhile::Soak(_) => {}
        Meanwhile::Restarts => {
            for service in RESTARTED {
                stage.parts.stop_service(service).await?;
                stage.start_one(service).await?;
            }
        }
        Meanwhile::Outage(lasts) => {
            stage.parts.stop_service(AWAY).await?;
            tokio::time::sleep(lasts).await;
            at.push(Instant::now());
            stage.start_one(AWAY).await?;
            return Ok(at);
        }
        Meanwhile::Kills => {
            for name in KILLED {
                let next = tokio::time::Instant::now() + KILL_LASTS;
                stage.parts.kill_service(name).await?;
                stage.parts.restart_service(name).await?;
                tokio::time::sleep_until(next).await;
                at.push(Instant::now());
            }
            return Ok(at);
        }
        Meanwhile::Noise(lasts) => {
            // What is under way when it is over is left.
            let noise = async { tokio::try_join!(replays(stage), reports(stage)) };
            if let Ok(noise) = tokio::time::timeout(lasts, noise).await {
                noise?;
            }
        }
    }
    at.push(Instant::now());
    Ok(at)
}

async fn replays(stage: &Stage<'_>) -> anyhow::Result<()> {
    loop {
        stage.parts.replay(AWAY, ORDER_EVENTS.0).await?;
    }
}

async fn reports(stage: &Stage<'_>) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&stage.world.databases["order"]).await?;
    loop {
        sqlx::query(
            "SELECT type, date_trunc('second', created_at) AS at, count(*), sum(length(payload))
             FROM outbox
             GROUP BY type, at
             ORDER BY type, at",
        )
        .fetch_all(&mut connection)
        .await?;
    }
}

/// The longest time in which nobody's order was decided, and the 99th percentile beside that of
/// the time before.
fn of_disturbance(waits: &[Wait], happened: &[Instant]) -> BTreeMap<&'static str, f64> {
    let (begun, over) = (happened[0], happened[1]);
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
fn of_outage(waits: &[Wait], happened: &[Instant], per_s: f64) -> BTreeMap<&'static str, f64> {
    let over = happened[1];
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

/// The 99th percentile of the last quarter beside that of the first.
fn of_soak(waits: &[Wait], begun: Instant) -> BTreeMap<&'static str, f64> {
    let last = waits.iter().map(|wait| wait.due).max().unwrap_or(begun);
    let quarter = (last - begun) / 4;
    let first = p99_ms(waits.iter().filter(|wait| wait.due < begun + quarter));
    let last = p99_ms(waits.iter().filter(|wait| wait.due >= last - quarter));
    let growth = first
        .zip(last)
        .map(|(first, last)| ("p99_to_begin", last / first));
    growth.into_iter().collect()
}

/// How long after each kill somebody waited longer than in peace.
fn of_kills(waits: &[Wait], happened: &[Instant]) -> BTreeMap<&'static str, f64> {
    let recovery = |pair: &[Instant]| {
        let waited = waits
            .iter()
            .filter(|wait| (pair[0]..pair[1]).contains(&wait.due) && wait.took() > CAUGHT_UP);
        let last = waited.map(|wait| wait.decided).max().unwrap_or(pair[0]);
        (last - pair[0]).as_secs_f64()
    };
    let mut recoveries: Vec<f64> = happened.windows(2).map(recovery).collect();
    let longest = recoveries.iter().copied().fold(0.0, f64::max);
    let mut figures = BTreeMap::from([
        ("kills", recoveries.len() as f64),
        ("longest_recovery_s", longest),
    ]);
    figures.extend(median(&mut recoveries).map(|median| ("median_recovery_s", median)));
    figures
}
