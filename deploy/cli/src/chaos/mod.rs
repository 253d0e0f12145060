//! Breaks everything while orders come in, and asks afterwards whether anything was lost, doubled
//! or left hanging.
//!
//! In the order of a run ([`run`]): make the [`plan`], build the [`arena`] with its [`crew`] and
//! the [`proxy`] before each database, let the [`load`] begin and [`fire`] the [`faults`],
//! [`heal`], ask the laws, see whether the run has seen enough ([`vacuity`]), tell ([`evidence`]).
//!
//! - **A seed and a commit give the same plan**: nothing of it is drawn while it is carried out.
//! - **A fault that was not seen to strike makes the run invalid**, as do too few of anything.
//! - **Clients remember what they were told**, in a [`history`] that is flushed before they go on.

mod arena;
mod crew;
mod dice;
mod evidence;
mod faults;
mod fire;
mod heal;
mod history;
mod kafka;
mod load;
mod one;
mod plan;
mod poisoner;
mod profile;
pub(crate) mod proxy;
mod republisher;
mod run;
mod staff;
mod tally;
mod vacuity;
mod versions;
mod wish;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::profile::Profile;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Chaos {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[arg(long, value_enum, default_value = "smoke")]
    profile: Profile,
    /// The same seed of the same commit gives the same plan
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Another time under fire than the profile's, with more or less of everything in proportion
    #[arg(long)]
    minutes: Option<u64>,
    #[arg(long)]
    json: bool,
    /// Write a summary of the run into this folder
    #[arg(long)]
    evidence: Option<PathBuf>,
    /// An older program of the same, which takes part in rolling restarts
    #[arg(long)]
    previous_binary: Option<PathBuf>,
    /// Where the stack's state lies; a new folder, unless told. It stays there.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring a single fault about in a running stack, and say what is expected and what is seen
    One(one::One),
}

impl Chaos {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Some(Verb::One(one)) => one.run().await,
            None => run::run(&self).await,
        }
    }
}
