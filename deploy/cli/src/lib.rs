//! `ticketrail`: runs, fills, watches and checks the suite. One verb, one file.
//!
//! Exit codes: 0 as asked · 1 a promise was found broken · 2 wrong usage · 3 the surroundings are
//! missing something.

#![expect(
    clippy::print_stdout,
    reason = "a command line tool answers on standard output"
)]

pub mod beside;
pub mod dev_keys;
pub mod init;
pub mod local;
pub mod poison;
pub mod services;
pub mod verify;

mod basket;
mod bench;
mod chaos;
pub mod client;
mod dead_letters;
mod demo;
mod down;
mod mail_sink;
mod operations;
mod order;
mod replay;
mod run;
#[cfg(test)]
mod sample_env;
mod status;
mod token;
pub mod trace;
pub mod up;

use std::path::PathBuf;
use std::process::ExitCode;

pub use chaos::proxy::Proxy;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "ticketrail", version, about = "The Ticketrail order suite")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// Which stack is meant.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// Where the stack's state lies.
    #[arg(
        long,
        env = "TICKETRAIL_DIR",
        default_value = ".ticketrail",
        global = true
    )]
    pub dir: PathBuf,
    /// Moves every port, so that two stacks can run side by side.
    #[arg(long, env = "TICKETRAIL_PORT_OFFSET", default_value_t = 0)]
    pub port_offset: u16,
}

#[derive(Subcommand)]
enum Verb {
    /// Start Kafka, Postgres, registry, Jaeger, a mail sink and the five services
    Up(up::Up),
    /// Stop what `up` started
    Down(down::Down),
    /// Show each part: address, process, memory, healthy or why not
    Status(status::Status),
    /// Run one service in the foreground; its settings come from the environment
    Run(run::Run),
    /// Make topics, schemas and tables; may be run again at any time
    Init(init::Init),
    /// Print a token of the development issuer
    Token(token::Token),
    /// Place, show, wait for or cancel an order
    Order(order::Order),
    /// Print an order's trace as a tree
    Trace(trace::Trace),
    /// Drive every fate of an order on a fresh stack, and compare what is seen to what is expected
    Demo(demo::Demo),
    /// Check every law over all databases and topics
    Verify(verify::Verify),
    /// Show, replay or discard what services could not process
    DeadLetters(dead_letters::DeadLetters),
    /// Give a service a part of a topic once more; what it processed has no effect again
    Replay(replay::Replay),
    /// Compare what was published, what is on the topics and what each consumer processed
    Reconcile(verify::Reconcile),
    /// Measure what the suite does a second, beside what the same machine allows
    Bench(bench::Bench),
    /// Break everything while orders come in, and show that nothing was lost, doubled or left
    Chaos(chaos::Chaos),
    /// Receive mails as files
    #[command(hide = true)]
    MailSink(mail_sink::MailSink),
    /// Be what a benchmark compares with
    #[command(hide = true, subcommand)]
    Peer(Peer),
    /// Be a provider outside
    #[command(hide = true)]
    Provider(provider::Provider),
}

#[derive(Subcommand)]
enum Peer {
    /// A shop in one process
    Monolith(monolith::Monolith),
    /// Inventory with one transaction per message
    Textbook(textbook::Textbook),
}

/// A promise was found broken: exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// The command line asks for something that does not exist: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

pub fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    match verb {
        // A service brings its own runtime and its own telemetry.
        Verb::Run(run) => run.run(),
        Verb::Peer(Peer::Monolith(monolith)) => monolith::main(monolith),
        Verb::Peer(Peer::Textbook(textbook)) => textbook::main(textbook),
        Verb::Provider(provider) => provider::main(provider),
        verb => block_on(verb.run()),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the operating system gives a process its threads");
    match runtime.block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ticketrail: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

impl Verb {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Up(up) => up.run().await,
            Self::Down(down) => down.run().await,
            Self::Status(status) => status.run().await,
            Self::Init(init) => init.run().await,
            Self::Token(token) => token.run(),
            Self::Order(order) => order.run().await,
            Self::Trace(trace) => trace.run().await,
            Self::Demo(demo) => demo.run().await,
            Self::Verify(verify) => verify.run().await,
            Self::DeadLetters(letters) => letters.run().await,
            Self::Replay(replay) => replay.run().await,
            Self::Reconcile(reconcile) => reconcile.run().await,
            Self::Bench(bench) => bench.run().await,
            Self::Chaos(chaos) => chaos.run().await,
            Self::MailSink(sink) => sink.run(),
            Self::Run(_) | Self::Peer(_) | Self::Provider(_) => {
                unreachable!("they bring their own runtime")
            }
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Broken>().is_some() {
        return 1;
    }
    if error.downcast_ref::<Usage>().is_some() {
        return 2;
    }
    error
        .downcast_ref::<local::Error>()
        .map_or(3, local::Error::exit_code)
}
