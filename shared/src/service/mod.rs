//! The one boot path of every service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use futures::future::BoxFuture;
use sqlx::migrate::Migrator;
use utoipa_axum::router::OpenApiRouter;

use crate::config::CommonConfig;
use crate::consumer::{Consumer, EventHandler};
use crate::delivery::{self, Ask, Known, Lane};
use crate::event::{Event, Schema, Topic};
use crate::rail::Rail;

mod boot;
mod housekeeping;
mod patience;
mod refusals;
pub mod setup;

pub use boot::{Running, start};
pub use patience::patiently;

/// What is different about a service. Everything else is the same for all.
pub struct Service {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// Beside the rail's own.
    pub(crate) migrations: Vec<&'static Migrator>,
    pub(crate) publishes: Vec<Schema>,
    pub(crate) routes: Option<Routes>,
    pub(crate) consumer: Option<Box<dyn Consumer>>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) conversation: &'static str,
}

type Routes = Box<dyn FnOnce(Rail) -> OpenApiRouter + Send>;

pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn Fn(Rail) -> BoxFuture<'static, anyhow::Result<()>> + Send>,
}

impl Service {
    /// A service without tables of its own has no `migrations`.
    pub fn new(
        name: &'static str,
        port: u16,
        migrations: impl Into<Option<&'static Migrator>>,
    ) -> Self {
        Self {
            name,
            port,
            migrations: migrations.into().into_iter().collect(),
            publishes: Vec::new(),
            routes: None,
            consumer: None,
            tasks: Vec::new(),
            conversation: "order.id",
        }
    }

    /// One line per event, in the order of the story.
    #[must_use]
    pub fn publishes<E: Event>(mut self) -> Self {
        self.publishes.push(Schema::of::<E>());
        self
    }

    #[must_use]
    pub fn routes(mut self, routes: impl FnOnce(Rail) -> OpenApiRouter + Send + 'static) -> Self {
        self.routes = Some(Box::new(routes));
        self
    }

    #[must_use]
    pub fn consumes<H: EventHandler>(mut self, handler: H) -> Self {
        self.consumer = Some(crate::consumer::of(handler));
        self
    }

    /// The span attribute that carries the correlation id, where that is not an order's.
    #[must_use]
    pub fn conversation(mut self, attribute: &'static str) -> Self {
        self.conversation = attribute;
        self
    }

    /// Tells a provider outside what the handlers request in this lane ([`delivery::request`]).
    #[must_use]
    pub fn delivers(mut self, lane: Lane, ask: impl Ask) -> Self {
        if !self
            .migrations
            .iter()
            .any(|own| std::ptr::eq(*own, &delivery::MIGRATIONS))
        {
            self.migrations.push(&delivery::MIGRATIONS);
        }
        let of_lane = std::sync::Arc::new((lane, ask));
        self.task("deliveries", move |rail| {
            let of_lane = std::sync::Arc::clone(&of_lane);
            async move { delivery::run(rail, &of_lane.0, &of_lane.1).await }
        })
    }

    /// Asks a lane's provider now and then what it knows, and has it told again what it does not.
    #[must_use]
    pub fn reconciles<F>(
        self,
        lane: impl Into<String>,
        interval: Duration,
        look: impl Fn(reqwest::Client) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<Known>> + Send + 'static,
    {
        let of_lane = std::sync::Arc::new((lane.into(), look));
        self.task("reconciliation", move |rail| {
            let of_lane = std::sync::Arc::clone(&of_lane);
            async move { delivery::reconcile(rail, &of_lane.0, interval, &of_lane.1).await }
        })
    }

    /// Work of its own accord: it runs until `rail.stopping()` and is started again when it fails.
    #[must_use]
    pub fn task<F>(mut self, name: &'static str, run: impl Fn(Rail) -> F + Send + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.push(Task {
            name,
            run: Box::new(move |rail| Box::pin(run(rail))),
        });
        self
    }

    pub(crate) fn published_topics(&self) -> Vec<Topic> {
        let mut topics: Vec<_> = self.publishes.iter().map(|schema| schema.topic).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    pub(crate) fn consumed_topics(&self) -> Vec<Topic> {
        self.consumer
            .as_ref()
            .map(|consumer| consumer.topics())
            .unwrap_or_default()
    }

    pub(crate) fn api_addr(&self, config: &CommonConfig) -> SocketAddr {
        let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        config.http_addr.unwrap_or(default)
    }

    pub(crate) fn ops_addr(&self, config: &CommonConfig) -> SocketAddr {
        let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port + 1000);
        config.ops_addr.unwrap_or(default)
    }
}

#[derive(Parser)]
struct Cli<C: Args> {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    common: CommonConfig,
    #[command(flatten)]
    own: C,
}

#[derive(Subcommand)]
enum Mode {
    /// Ask the running service whether it is ready; for images that have no shell.
    Healthcheck,
    /// Make its topics, register its schemas, apply its migrations; may be run again at any time.
    Init(setup::TopicConfig),
}

/// The whole `main` of a service.
pub fn main<C: Args>(service: impl FnOnce(C) -> Service) -> ExitCode {
    main_with(service, std::env::args_os())
}

/// The same with arguments given, for a program that holds several services.
pub fn main_with<C: Args, A: Into<std::ffi::OsString> + Clone>(
    service: impl FnOnce(C) -> Service,
    args: impl IntoIterator<Item = A>,
) -> ExitCode {
    let cli = Cli::<C>::parse_from(args);
    boot::main(service(cli.own), cli.common, cli.mode)
}
