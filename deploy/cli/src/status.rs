use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::Stack;
use crate::local::state::PartStatus;
use crate::local::{self, Endpoints};

#[derive(Args)]
pub(crate) struct Status {
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stack: Stack,
}

#[derive(Serialize)]
struct Document {
    parts: Vec<PartStatus>,
    endpoints: Endpoints,
    databases: BTreeMap<String, String>,
}

impl Status {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stack = local::Stack::attach(&self.stack.dir)?;
        let parts = stack.status().await?;
        let unhealthy: Vec<_> = parts
            .iter()
            .filter(|part| !part.healthy)
            .map(|part| part.name.clone())
            .collect();
        if self.json {
            let layout = stack.layout();
            let document = Document {
                parts,
                endpoints: layout.endpoints(),
                databases: layout.databases(),
            };
            println!("{}", serde_json::to_string(&document)?);
        } else {
            for part in &parts {
                let health = if part.healthy {
                    "healthy"
                } else {
                    part.detail.as_str()
                };
                println!(
                    "{:<13} {:<24} pid {:<8} {:>6.1} MB  {health}",
                    part.name,
                    part.address,
                    part.pid,
                    part.rss_bytes as f64 / 1e6
                );
            }
        }
        anyhow::ensure!(
            unhealthy.is_empty(),
            "not healthy: {}",
            unhealthy.join(", ")
        );
        Ok(())
    }
}
