//! What befalls what the services stand on.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use shared::clock::process_now;
use tokio::net::TcpStream;

use super::Seen;
use crate::chaos::arena::Arena;
use crate::chaos::history::Kill;

const STARTED_WITHIN: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(500);
const GONE_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn outage(arena: &Arena, part: &str, seconds: u64) -> anyhow::Result<Seen> {
    let address = address(arena, part)?;
    arena.stack.kill(part).await?;
    arena.kills.lock().expect("no holder panics").push(Kill {
        service: part.to_owned(),
        at: process_now(),
    });
    let refused = refused(&address).await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // It is to be there again, whatever was seen.
    start_again(arena, part).await?;
    match refused {
        None => bail!("{part} was killed, and {address} still answers"),
        Some(error) => Ok(Seen::by(format!("{address}: {error}; healthy again"))),
    }
}

/// As a supervisor does: what it stands on may be away itself.
async fn start_again(arena: &Arena, part: &str) -> anyhow::Result<()> {
    let until = Instant::now() + STARTED_WITHIN;
    loop {
        match arena.stack.restart(part).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// A process of many threads is gone only some time after its first one is.
async fn refused(address: &str) -> Option<std::io::Error> {
    let until = Instant::now() + GONE_WITHIN;
    while Instant::now() < until {
        if let Err(error) = TcpStream::connect(address).await {
            return Some(error);
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

fn address(arena: &Arena, part: &str) -> anyhow::Result<String> {
    let ports = arena.layout.ports();
    let port = match part {
        "kafka" => ports.kafka,
        "postgres" => ports.postgres,
        "registry" => ports.registry,
        "jaeger" => ports.otlp_grpc,
        "mail" => ports.smtp,
        _ => return None.with_context(|| format!("{part} is no part")),
    };
    Ok(format!("127.0.0.1:{port}"))
}
