//! A single fault on a running stack: what is expected to happen, and then what did.
//!
//! An order that is placed meanwhile shows what a customer has of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use rustix::process::Signal;
use shared::event::new_id;

use super::dice::Dice;
use super::faults::set_back;
use super::history::History;
use super::poisoner::{self, Poisoner};
use super::{kafka, republisher, tally};
use crate::basket::Basket;
use crate::client::Client;
use crate::local::{self, Part, state};
use crate::{Broken, Stack, Usage, services};

const LOOK: Duration = Duration::from_millis(200);
const ACKED_WITHIN: Duration = Duration::from_secs(60);
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60);
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct One {
    #[command(subcommand)]
    fault: Single,
    #[command(flatten)]
    stack: Stack,
}

#[derive(Subcommand)]
enum Single {
    /// End a service or a part at once, and start it again
    Kill {
        name: String,
        /// How long it stays away
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Stop a service's process for a while, and let it go on
    Pause {
        service: String,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Put a bad record on a topic
    Poison {
        /// One of those that `--kind list` prints; any, unless told
        #[arg(long)]
        kind: Option<String>,
    },
    /// Publish the newest records a second time, byte for byte
    Republish {
        #[arg(long, default_value_t = 100)]
        records: u64,
    },
    /// Set a service's offsets back while it is down
    Rewind {
        service: String,
        #[arg(long, default_value_t = 500)]
        records: u64,
    },
}

impl One {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stack = local::Stack::attach(&self.stack.dir)?;
        let scene = Scene { stack };
        match self.fault {
            Single::Kill { name, seconds } => scene.kill(&name, seconds).await,
            Single::Pause { service, seconds } => scene.pause(&service, seconds).await,
            Single::Poison { kind } => scene.poison(kind.as_deref()).await,
            Single::Republish { records } => scene.republish(records).await,
            Single::Rewind { service, records } => scene.rewind(&service, records).await,
        }
    }
}

struct Scene {
    stack: local::Stack,
}

/// An order that was asked for while something was wrong.
struct Probe {
    acked_after: Duration,
    status: String,
}

impl Scene {
    async fn kill(&self, name: &str, seconds: u64) -> anyhow::Result<()> {
        let intake = ["order", "postgres"].contains(&name);
        expect(&format!(
            "{name} is gone for {seconds} s. An order is acknowledged {}, and confirmed once all \
             is there.",
            if intake { "after that" } else { "at once" }
        ));
        known(name)?;
        self.stack.kill(name).await?;
        let probe = async {
            let (probe, back) = tokio::join!(self.probe(), async {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.stack.restart(name).await
            });
            back?;
            probe
        };
        let probe = probe.await?;
        saw(&format!(
            "{name} was gone and is healthy again. {}",
            probe.told()
        ));
        let at_once = probe.acked_after < Duration::from_secs(seconds);
        judge(probe.is_good() && (intake || at_once))
    }

    async fn pause(&self, service: &str, seconds: u64) -> anyhow::Result<()> {
        is_service(service)?;
        let intake = service == "order";
        expect(&format!(
            "{service} does nothing for {seconds} s{}. An order is acknowledged {}, and confirmed \
             once it goes on.",
            if seconds > 6 {
                ", and loses its partitions"
            } else {
                ""
            },
            if intake { "after that" } else { "at once" }
        ));
        let state = state::load(self.dir())?;
        let entry = state
            .find(service)
            .context("it is not in the stack's list")?;
        entry.process.signal(Signal::STOP);
        let (probe, ()) = tokio::join!(self.probe(), async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            entry.process.signal(Signal::CONT);
        });
        let probe = probe?;
        saw(&probe.told());
        let at_once = probe.acked_after < Duration::from_secs(seconds);
        judge(probe.is_good() && (intake || at_once))
    }

    async fn poison(&self, kind: Option<&str>) -> anyhow::Result<()> {
        let kinds = poisoner::kinds();
        if kind == Some("list") {
            for (kind, event_type) in kinds {
                println!("{} ({event_type})", kind.name);
            }
            return Ok(());
        }
        let (chosen, event_type) = match kind {
            Some(name) => kinds
                .iter()
                .find(|(kind, _)| kind.name == name)
                .ok_or_else(|| Usage(format!("there is no kind `{name}`; see `--kind list`")))?,
            None => {
                let seed = u64::try_from(new_id().as_u128() >> 64)?;
                Dice::new(seed, "one").pick(&kinds)
            }
        };
        let layout = self.stack.layout();
        let history = History::begin(&layout.dir.join("history"))?;
        let poisoner = Poisoner::new(layout, self.kafka(), &history).await?;
        let poison = poisoner.draw(chosen, event_type);
        let consumers: Vec<_> = poison
            .dead_letters
            .iter()
            .map(|(consumer, _)| *consumer)
            .collect();
        expect(&format!(
            "`{}` on {} becomes {} dead letters ({}), and an order is confirmed as ever.",
            poison.kind,
            poison.record.topic.0,
            consumers.len(),
            consumers.join(", ")
        ));
        let before = self.tally().await?.dead_letters;
        poisoner.send(&poison).await?;
        let probe = self.probe().await?;
        let wanted = consumers.len() as u64;
        let letters = self
            .counted(wanted, |tally| tally.dead_letters - before)
            .await?;
        saw(&format!("{letters} dead letters. {}", probe.told()));
        judge(probe.is_good() && letters == wanted)
    }

    async fn republish(&self, records: u64) -> anyhow::Result<()> {
        expect(&format!(
            "up to {records} of the newest records come again, are counted as duplicates, and \
             change nothing."
        ));
        let before = self.tally().await?.duplicates;
        let kafka = self.kafka();
        let copies =
            tokio::task::spawn_blocking(move || republisher::newest(&kafka, records)).await??;
        let duplicates = self.counted(1, |tally| tally.duplicates - before).await?;
        let probe = self.probe().await?;
        saw(&format!(
            "{copies} records came again, of which {duplicates} deliveries were duplicates to \
             somebody. {}",
            probe.told()
        ));
        judge(probe.is_good() && (copies == 0 || duplicates > 0))
    }

    async fn rewind(&self, service: &str, records: u64) -> anyhow::Result<()> {
        is_service(service)?;
        expect(&format!(
            "{service} gets up to {records} records that it had, counts them as duplicates, and \
             goes on."
        ));
        self.stack.stop(service).await?;
        let (kafka, group) = (self.kafka(), service.to_owned());
        let again = tokio::task::spawn_blocking(move || set_back(&kafka, &group, records)).await?;
        self.stack.restart(service).await?;
        let again = again?;
        // Its counters began anew with it.
        let duplicates = self
            .counted(u64::from(again > 0), |tally| tally.duplicates)
            .await?;
        let probe = self.probe().await?;
        saw(&format!(
            "offsets went back by {again}; {duplicates} duplicates since. {}",
            probe.told()
        ));
        judge(probe.is_good() && (again == 0 || duplicates > 0))
    }

    /// As a customer sees it: asked for under one key until it is acknowledged.
    async fn probe(&self) -> anyhow::Result<Probe> {
        let client = Client::new(self.dir(), "chaos-one", "")?;
        let orders = format!("{}/v1/orders", self.stack.layout().endpoints().order);
        let key = new_id().to_string();
        let order = Basket::of("MUG", 1).request();
        let since = Instant::now();
        let order_id = loop {
            let asked = client.post_once(&orders, &key, &order).await;
            match asked.and_then(|answer| answer.ok()) {
                Ok(body) => break body["order_id"].as_str().unwrap_or_default().to_owned(),
                Err(error) if since.elapsed() > ACKED_WITHIN => {
                    return Err(error.context("an order was not acknowledged"));
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        let acked_after = since.elapsed();
        let mut status = String::new();
        while !is_under_way(&status) && since.elapsed() < acked_after + CONFIRMED_WITHIN {
            tokio::time::sleep(LOOK).await;
            if let Ok(answer) = client.get(&format!("{orders}/{order_id}")).await {
                answer.body["status"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut status);
            }
        }
        Ok(Probe {
            acked_after,
            status,
        })
    }

    /// Waits until something was counted that often, within bounds.
    async fn counted(&self, wanted: u64, of: impl Fn(tally::Tally) -> u64) -> anyhow::Result<u64> {
        let until = Instant::now() + COUNTED_WITHIN;
        loop {
            let counted = of(self.tally().await?);
            if counted >= wanted || Instant::now() > until {
                return Ok(counted);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn tally(&self) -> anyhow::Result<tally::Tally> {
        tally::now(self.stack.layout()).await
    }

    fn dir(&self) -> &Path {
        &self.stack.layout().dir
    }

    fn kafka(&self) -> rdkafka::ClientConfig {
        kafka::client(self.stack.layout())
    }
}

impl Probe {
    fn is_good(&self) -> bool {
        is_under_way(&self.status)
    }

    fn told(&self) -> String {
        format!(
            "An order was acknowledged after {:.1} s and is {}.",
            self.acked_after.as_secs_f32(),
            self.status
        )
    }
}

fn is_under_way(status: &str) -> bool {
    matches!(status, "confirmed" | "shipped" | "completed")
}

fn known(name: &str) -> anyhow::Result<()> {
    let parts = Part::ALL.map(Part::name);
    if services::NAMES.contains(&name) || parts.contains(&name) {
        return Ok(());
    }
    let all = [&services::NAMES[..], &parts].concat().join(", ");
    bail!(Usage(format!("there is no {name}; there are {all}")))
}

fn is_service(name: &str) -> anyhow::Result<()> {
    if services::NAMES.contains(&name) {
        return Ok(());
    }
    bail!(Usage(format!(
        "{name} is no service; there are {}",
        services::NAMES.join(", ")
    )))
}

fn expect(what: &str) {
    println!("expected: {what}");
}

fn saw(what: &str) {
    println!("seen:     {what}");
}

fn judge(as_expected: bool) -> anyhow::Result<()> {
    if as_expected {
        Ok(())
    } else {
        Err(Broken("it went another way than expected".to_owned()).into())
    }
}
