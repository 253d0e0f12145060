//! Starts a whole stack of plain processes.

use clap::Args;

use crate::init::Init;
use crate::local::{self, Layout, Part, Progress};
use crate::{Stack, dev_keys, services};

#[derive(Args)]
pub(crate) struct Up {
    /// Return when everything is ready, and leave it running until `ticketrail down`.
    #[arg(long)]
    detach: bool,
    /// Only Kafka, Postgres, registry, Jaeger and the mail sink.
    #[arg(long)]
    parts_only: bool,
    /// Stop everything when standard input ends, and so with whoever holds its other end.
    #[arg(long, conflicts_with = "detach")]
    until_stdin_closes: bool,
    /// The warehouse waits for staff to pick, pack and dispatch, instead of doing it by itself.
    #[arg(long)]
    manual_warehouse: bool,
    #[command(flatten)]
    stack: Stack,
}

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let layout = Layout::new(&self.stack.dir, self.stack.port_offset)?;
        let progress = Progress::to_stderr();
        let stack = tokio::select! {
            stack = self.start(&layout, &progress) => stack?,
            // Dropping the start ends what it has started.
            _ = interrupted() => anyhow::bail!("interrupted; nothing is left running"),
            () = self.input_closed() => anyhow::bail!("standard input has ended"),
        };
        println!("ready");
        if self.detach {
            eprintln!("`ticketrail status` shows it, `ticketrail down` stops it");
            stack.detach();
            return Ok(());
        }
        tokio::select! {
            _ = interrupted() => {}
            () = self.input_closed() => {}
            () = stack.stopped_elsewhere() => return Ok(()),
        }
        eprintln!("stopping");
        stack.shutdown().await?;
        Ok(())
    }

    async fn start(&self, layout: &Layout, progress: &Progress) -> anyhow::Result<local::Stack> {
        if self.parts_only {
            return Ok(local::start(layout, &Part::ALL, progress).await?);
        }
        let settings = Settings {
            automatic_warehouse: !self.manual_warehouse,
            ..Settings::default()
        };
        start(layout, &settings, progress).await
    }

    async fn input_closed(&self) {
        if self.until_stdin_closes {
            local::stdin_closed().await;
        } else {
            std::future::pending().await
        }
    }
}

/// What differs from the services' own defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// Parcels leave and arrive without anybody asking, instead of waiting for staff.
    pub automatic_warehouse: bool,
    /// Service, name and value of more of its environment.
    pub extra: &'a [(&'a str, &'a str, &'a str)],
}

/// Parts, topics, schemas, tables, and the five services.
pub async fn start(
    layout: &Layout,
    settings: &Settings<'_>,
    progress: &Progress,
) -> anyhow::Result<local::Stack> {
    if local::Stack::attach(&layout.dir).is_err() {
        local::ports::check_free(&services_claims(layout))?;
    }
    let stack = local::start(layout, &Part::ALL, progress).await?;
    dev_keys::ensure(&layout.dir)?;
    Init::of(layout).apply(progress).await?;
    let starting = services::NAMES.map(async |name| {
        let program = services::program(layout, name, settings.automatic_warehouse)?;
        let extra = settings
            .extra
            .iter()
            .filter(|(service, ..)| *service == name);
        let program = extra.fold(program, |program, (_, name, value)| {
            program.env(name, *value)
        });
        stack.spawn(program).await?;
        progress.say(name, "ready");
        anyhow::Ok(())
    });
    futures::future::try_join_all(starting).await?;
    Ok(stack)
}

/// The parts look after their own ports, and say so when this very stack is already running.
fn services_claims(layout: &Layout) -> Vec<local::ports::Claim> {
    services::NAMES
        .iter()
        .flat_map(|name| layout.ports().claims_of_service(name))
        .collect()
}

/// Ends when somebody wants this program to end.
pub(crate) async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}
