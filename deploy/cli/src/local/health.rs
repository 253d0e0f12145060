//! How a process is asked whether it does its work.

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::error::{Error, Result};
use super::process::ProcessId;
use super::tools;

const POLL: Duration = Duration::from_millis(100);
const ONE_CHECK_MAX: Duration = Duration::from_secs(3);

/// What is asked, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// A status of 2xx.
    Http(String),
    /// A greeting from a mail server.
    Smtp(String),
    /// A broker that names itself in the cluster's metadata, so topics can be created on it.
    Kafka(String),
    /// A connection and an answer.
    Postgres(String),
}

impl Health {
    /// `Err` says why not.
    pub async fn check(&self) -> std::result::Result<(), String> {
        let answer = tokio::time::timeout(ONE_CHECK_MAX, async {
            match self {
                Self::Http(url) => http(url).await,
                Self::Smtp(address) => smtp(address).await,
                Self::Kafka(address) => kafka(address).await,
                Self::Postgres(url) => postgres(url).await,
            }
        });
        answer
            .await
            .unwrap_or_else(|_| Err("gives no answer".to_owned()))
    }
}

/// Waits until it is healthy; an early end of the process ends the wait as well.
pub(crate) async fn wait(
    name: &str,
    process: ProcessId,
    health: &Health,
    bound: Duration,
    log: &Path,
) -> Result<()> {
    let since = Instant::now();
    let unhealthy = |why: String| Error::Unhealthy {
        part: name.to_owned(),
        why,
        log: log.to_owned(),
        tail: tools::tail(log, 15),
    };
    loop {
        let alive = process.is_alive();
        match health.check().await {
            Ok(()) if alive => return Ok(()),
            _ if !alive => return Err(unhealthy("ended while it started".to_owned())),
            Err(why) if since.elapsed() > bound => {
                let seconds = bound.as_secs();
                return Err(unhealthy(format!(
                    "was not healthy within {seconds} s: {why}"
                )));
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

async fn http(url: &str) -> std::result::Result<(), String> {
    // A proxy of the surroundings has no business on the loopback interface.
    let client = reqwest::Client::builder().no_proxy().build().map_err(say)?;
    let status = client.get(url).send().await.map_err(say)?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("answers {status}"))
    }
}

async fn smtp(address: &str) -> std::result::Result<(), String> {
    let mut stream = TcpStream::connect(address).await.map_err(say)?;
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.map_err(say)?;
    if &greeting == b"220 " {
        Ok(())
    } else {
        Err("does not greet as a mail server".to_owned())
    }
}

async fn kafka(address: &str) -> std::result::Result<(), String> {
    // The client would wait out its whole timeout for a closed port, a plain connection says it.
    TcpStream::connect(address).await.map_err(say)?;
    let address = address.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .create()
            .map_err(say)?;
        let metadata = consumer
            .fetch_metadata(None, ONE_CHECK_MAX / 2)
            .map_err(say)?;
        if metadata.brokers().is_empty() {
            Err("knows no broker".to_owned())
        } else {
            Ok(())
        }
    });
    asked.await.map_err(say)?
}

async fn postgres(url: &str) -> std::result::Result<(), String> {
    let mut connection = PgConnection::connect(url).await.map_err(say)?;
    sqlx::query("SELECT 1")
        .execute(&mut connection)
        .await
        .map_err(say)?;
    connection.close().await.map_err(say)
}

fn say(error: impl std::error::Error) -> String {
    // The outer sentence of an HTTP error names the address alone; the cause is at the end.
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
