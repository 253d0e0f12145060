//! The stack that is to be broken, and who may break what.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use rdkafka::ClientConfig;
use shared::crash;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::crew::{Keeping, Kills, Member, SECOND};
use super::kafka;
use super::poisoner::Poisoner;
use super::proxy::Proxy;
use crate::init::Init;
use crate::local::ports::ServicePorts;
use crate::local::program::Program;
use crate::local::{self, Layout, Part, Progress};
use crate::{dev_keys, services};

/// Deadlines pass while orders wait for services that are away; goods rest in each state for so
/// long that a late verdict finds some of them here; spans leave early.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("order", "VERDICT_DEADLINE_MS", "1500"),
    ("order", "HOLD_DEADLINE_MS", "4000"),
    ("order", "STOCK_DEADLINE_MS", "9000"),
    ("order", "ACK_DEADLINE_MS", "10000"),
    ("fraud", "LATE_VERDICT_MS", "3000"),
    ("shipment", "WAREHOUSE_STEP_MS", "800"),
    ("shipment", "CARRIER_FAILURE_RATE", "0.05"),
];
const SPANS_LEAVE_MS: &str = "500";

pub(super) struct Arena {
    pub(super) layout: Layout,
    pub(super) progress: Progress,
    pub(super) stack: Arc<local::Stack>,
    members: BTreeMap<&'static str, Arc<Member>>,
    turns: BTreeMap<&'static str, Arc<Mutex<()>>>,
    poisoner: OnceLock<Arc<Poisoner>>,
    pub(super) kills: Kills,
    pub(super) previous_binary: Option<PathBuf>,
    // Dropped before the stack, or it would be started again while it ends.
    keeping: Vec<Keeping>,
}

impl Arena {
    pub(super) async fn build(
        layout: &Layout,
        previous_binary: Option<PathBuf>,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let stack = Arc::new(local::start(layout, &Part::ALL, progress).await?);
        dev_keys::ensure(&layout.dir)?;
        Init::of(layout).apply(progress).await?;

        let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, layout.ports().postgres));
        let kills = Kills::default();
        let (mut members, mut keeping) = (BTreeMap::new(), Vec::new());
        for name in services::NAMES {
            let proxy = Proxy::start(behind).await?;
            let direct = layout.databases()[name].clone();
            let program = services::program(layout, name, true)?
                .env("DATABASE_URL", proxy.url(&direct))
                .env("OTEL_BSP_SCHEDULE_DELAY", SPANS_LEAVE_MS);
            let settings = SETTINGS.iter().filter(|(service, ..)| *service == name);
            let program = settings.fold(program, |program, (_, name, value)| {
                program.env(name, *value)
            });
            let ports = layout.ports().service(name).context("it has ports")?;
            let member = Member::new(program, proxy, ready(ports), direct, &kills)?;
            keeping.push(member.keep(&stack));
            members.insert(name, member);
        }
        for member in members.values() {
            member.until_ready().await?;
            progress.say(&member.name, "ready");
        }
        let parts = Part::ALL.map(Part::name);
        let targets = services::NAMES.into_iter().chain(parts);
        Ok(Self {
            layout: layout.clone(),
            progress: progress.clone(),
            stack,
            members,
            turns: targets.map(|target| (target, Arc::default())).collect(),
            poisoner: OnceLock::new(),
            kills,
            previous_binary,
            keeping,
        })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    pub(super) fn member(&self, service: &str) -> anyhow::Result<&Arc<Member>> {
        let member = self.members.get(service);
        member.with_context(|| format!("{service} is no service"))
    }

    /// Who puts bad records between the good ones, once somebody does.
    pub(super) fn poisoner(&self) -> anyhow::Result<&Arc<Poisoner>> {
        self.poisoner
            .get()
            .context("nobody puts bad records anywhere yet")
    }

    pub(super) fn let_in(&self, poisoner: &Arc<Poisoner>) {
        self.poisoner.get_or_init(|| Arc::clone(poisoner));
    }

    /// Waits until nothing else strikes these targets. Taken in the order of names, so that two
    /// that want several wait for each other and never both.
    pub(super) async fn turn(&self, targets: &[&'static str]) -> Vec<OwnedMutexGuard<()>> {
        let mut turns = Vec::new();
        for (target, turn) in &self.turns {
            if targets.contains(target) {
                turns.push(Arc::clone(turn).lock_owned().await);
            }
        }
        turns
    }

    /// A second instance of a service, on ports of its own; it ends when the keeping is dropped
    /// and it is asked to.
    pub(super) async fn twin(&self, service: &str) -> anyhow::Result<(Arc<Member>, Keeping)> {
        let first = self.member(service)?;
        let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, self.layout.ports().postgres));
        let proxy = Proxy::start(behind).await?;
        let database = self.layout.databases()[service].clone();
        let name = format!("{service}{SECOND}");
        let ports = ServicePorts {
            api: free_port()?,
            ops: free_port()?,
        };
        let program = services::another(&self.layout, &first.program, name, ports)
            .env("DATABASE_URL", proxy.url(&database));
        let member = Member::new(program, proxy, ready(ports), database, &self.kills)?;
        let keeping = member.keep(&self.stack);
        Ok((member, keeping))
    }

    pub(super) fn kafka(&self) -> ClientConfig {
        kafka::client(&self.layout)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.layout.dir
    }

    /// Ends everything.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        for keeping in self.keeping {
            keeping.end().await;
        }
        match Arc::into_inner(self.stack) {
            Some(stack) => stack.shutdown().await?,
            None => self
                .progress
                .say("chaos", "something still holds the stack"),
        }
        Ok(())
    }
}

/// The same program with a crash point armed.
pub(super) fn armed(program: &Program, point: &str, pass: u64) -> Program {
    program
        .clone()
        .env(crash::POINT_VARIABLE, format!("{point}:{pass}"))
}

fn ready(ports: ServicePorts) -> String {
    format!("{}/health/ready", ports.operations())
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is left")?;
    Ok(listener.local_addr()?.port())
}
