//! Services from outside the suite beside a running stack, with what they need of it: a database,
//! topics and schemas of their own, and the providers they talk to.
//!
//! **Nothing of the suite knows them.** The stack's `status` shows them, and its `down` stops them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::local::ports::{self, Claim, ServicePorts};
use crate::local::program::{Kind, Program};
use crate::local::{self, Health, Layout, Progress, databases};
use crate::{services, up};

const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// A service.
#[derive(Clone, Copy)]
pub struct Guest {
    pub name: &'static str,
    /// Of its API; its operations are a thousand above.
    pub port: u16,
    /// Of its environment, given where each provider is.
    pub settings: fn(WhereIs<'_>) -> Settings,
    /// Its `main`.
    pub run: fn(Vec<String>) -> ExitCode,
}

/// The address of a provider, by its name.
pub type WhereIs<'a> = &'a dyn Fn(&str) -> String;

/// Names and values.
pub type Settings = Vec<(&'static str, String)>;

/// A simulated provider.
#[derive(Clone, Copy)]
pub struct Provider {
    pub name: &'static str,
    pub port: u16,
}

/// Who comes together.
#[derive(Clone, Copy)]
pub struct Party {
    pub guests: &'static [Guest],
    pub providers: &'static [Provider],
}

/// Our stock on three marketplaces. They are a part of the demonstration.
pub const MARKETPLACES: Party = Party {
    guests: &[Guest {
        name: "marketplaces",
        port: 8101,
        settings: |provider| {
            let at = |channel: &str| format!("{channel}={}", provider(channel));
            vec![(
                "MARKETPLACES",
                ["amazon", "ebay", "shopify"].map(at).join(","),
            )]
        },
        run: |args| shared::service::main_with(marketplaces::service, args),
    }],
    providers: &[
        Provider {
            name: "amazon",
            port: 8191,
        },
        Provider {
            name: "ebay",
            port: 8192,
        },
        Provider {
            name: "shopify",
            port: 8193,
        },
    ],
};

#[derive(Parser)]
#[command(about = "Services beside a running `ticketrail up`; they stop with Ctrl-C")]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Where the state of the running stack lies.
    #[arg(long, env = "TICKETRAIL_DIR", default_value = ".ticketrail")]
    dir: std::path::PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Run one service in the foreground; its settings come from the environment
    Run {
        service: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a simulated provider in the foreground
    Provider(provider::Provider),
}

/// The whole `main` of an example.
pub fn main(party: Party) -> ExitCode {
    let cli = Cli::parse();
    match cli.verb {
        Some(Verb::Run { service, args }) => party.run(&service, args).unwrap_or_else(|| {
            eprintln!("{service} is none of these services");
            ExitCode::from(2)
        }),
        Some(Verb::Provider(provider)) => provider::main(provider),
        None => crate::block_on(host(party, cli.dir)),
    }
}

async fn host(party: Party, dir: std::path::PathBuf) -> anyhow::Result<()> {
    let stack = local::Stack::attach(&dir)
        .context("it needs a running stack: start one with `ticketrail up --detach`")?;
    let progress = Progress::to_stderr();
    let outcome = tokio::select! {
        outcome = hosted(party, &stack, &progress) => outcome,
        interrupted = up::interrupted() => Ok(interrupted?),
    };
    party.stop(&stack).await?;
    outcome
}

async fn hosted(party: Party, stack: &local::Stack, progress: &Progress) -> anyhow::Result<()> {
    party.start(stack, progress).await?;
    println!("ready");
    stack.stopped_elsewhere().await;
    Ok(())
}

impl Party {
    /// A service's own `main`, with its settings from the environment.
    pub fn run(&self, service: &str, args: Vec<String>) -> Option<ExitCode> {
        let guest = self.guests.iter().find(|guest| guest.name == service)?;
        Some((guest.run)([vec![service.to_owned()], args].concat()))
    }

    /// Providers, then every service, once it has what it needs.
    pub async fn start(&self, stack: &local::Stack, progress: &Progress) -> anyhow::Result<()> {
        let layout = stack.layout();
        ports::check_free(&self.claims(layout))?;
        for provider in self.providers {
            stack.spawn(provider.program(layout)).await?;
            progress.say(provider.name, format!("ready at {}", provider.url(layout)));
        }
        for guest in self.guests {
            let program = guest.program(layout, self.providers).await?;
            prepare(&program).await?;
            let address = program.address.clone();
            stack.spawn(program).await?;
            progress.say(guest.name, format!("ready at {address}"));
        }
        Ok(())
    }

    /// Stops those that run, and strikes them off the stack's list.
    pub async fn stop(&self, stack: &local::Stack) -> anyhow::Result<()> {
        let guests = self.guests.iter().map(|guest| guest.name);
        for name in guests.chain(self.providers.iter().map(|provider| provider.name)) {
            stack.remove(name).await?;
        }
        Ok(())
    }

    fn claims(&self, layout: &Layout) -> Vec<Claim> {
        let claim = |port, name: &str| Claim {
            port,
            wanted_by: name.to_owned(),
        };
        let guests = self.guests.iter().flat_map(|guest| {
            let ports = guest.ports(layout);
            [claim(ports.api, guest.name), claim(ports.ops, guest.name)]
        });
        let providers = self.providers.iter();
        guests
            .chain(providers.map(|provider| claim(provider.port(layout), provider.name)))
            .collect()
    }
}

impl Guest {
    fn ports(&self, layout: &Layout) -> ServicePorts {
        ServicePorts {
            api: self.port + layout.port_offset,
            ops: self.port + 1000 + layout.port_offset,
        }
    }

    async fn program(&self, layout: &Layout, providers: &[Provider]) -> anyhow::Result<Program> {
        let name = format!("ticketrail_{}", self.name);
        let database = databases::create_database(&layout.endpoints().postgres, &name).await?;
        let program = services::program_at(layout, self.name, self.ports(layout), &database);
        let at = |name: &str| {
            let provider = providers.iter().find(|provider| provider.name == name);
            provider
                .map(|provider| provider.url(layout))
                .unwrap_or_default()
        };
        let settings = (self.settings)(&at).into_iter();
        Ok(settings.fold(program, |program, (name, value)| program.env(name, value)))
    }
}

impl Provider {
    fn port(&self, layout: &Layout) -> u16 {
        self.port + layout.port_offset
    }

    pub fn url(&self, layout: &Layout) -> String {
        format!("http://127.0.0.1:{}", self.port(layout))
    }

    fn program(&self, layout: &Layout) -> Program {
        let (name, url) = (self.name, self.url(layout));
        Program::new(name, Kind::Part, &layout.ticketrail, layout.log(name))
            .args(["provider", "--addr", url.trim_start_matches("http://")])
            .healthy(Health::Http(format!("{url}/health")), HEALTHY_WITHIN)
            .address(url)
    }
}

/// Its topics, schemas and tables: `run NAME init`, as any deployment would do it.
async fn prepare(program: &Program) -> anyhow::Result<()> {
    let prepared = tokio::process::Command::new(&program.program)
        .args(&program.args)
        .arg("init")
        .envs(&program.env)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot start {}", program.program.display()))?;
    anyhow::ensure!(
        prepared.status.success(),
        "{}: {}",
        program.name,
        String::from_utf8_lossy(&prepared.stderr).trim()
    );
    Ok(())
}
