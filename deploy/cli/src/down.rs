use clap::Args;

use crate::Stack;
use crate::local::{Layout, state};

#[derive(Args)]
pub(crate) struct Down {
    /// Delete the data, too.
    #[arg(long)]
    wipe: bool,
    #[command(flatten)]
    stack: Stack,
}

impl Down {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let dir = std::path::absolute(&self.stack.dir)?;
        let stopped = {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || state::stop_all(&dir)).await??
        };
        match stopped.as_slice() {
            [] => eprintln!("nothing was running in {}", dir.display()),
            stopped => eprintln!("stopped {}", stopped.join(", ")),
        }
        if self.wipe {
            Layout::new(&dir, self.stack.port_offset)?.wipe()?;
            eprintln!("deleted the data");
        }
        Ok(())
    }
}
