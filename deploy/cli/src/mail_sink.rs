use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::local;

#[derive(Args)]
pub(crate) struct MailSink {
    #[arg(long)]
    addr: SocketAddr,
    /// Each mail becomes a file in here.
    #[arg(long)]
    dir: PathBuf,
}

impl MailSink {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match local::mail::serve(self.addr, &self.dir)? {}
    }
}
