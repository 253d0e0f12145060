//! Checks every law of the suite, from what its databases and topics say.
//!
//! In the order of a run: wait for rest ([`settle`]), make a check database ([`database`]), copy
//! the services' tables ([`copy`]) and the clients' [`history`], read the topics
//! ([`topics`], [`records`], [`avro`]), ask the laws ([`laws`], [`traces`]), tell ([`report`]).
//!
//! - **It shares no code with what it checks**: its SQL, its reader of Avro and its reader of Kafka
//!   are its own, and the list of who listens to what stands in `schema.sql`.
//! - **It changes nothing**: it joins no consumer group, and only reads from the services.
//! - **Its memory does not grow** with what it checks: rows stream from database to database.

mod avro;
mod copy;
mod database;
mod history;
mod laws;
pub mod live;
mod reconcile;
mod records;
mod report;
mod rows;
mod settle;
mod source;
mod topics;
mod traces;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use sqlx::{Connection, PgConnection};

pub use history::History;
pub(crate) use reconcile::Reconcile;
pub use report::{LawResult, Report};
pub use source::Source;

use crate::local::Progress;
use crate::{Broken, Stack, client};
use database::CheckDatabase;
use topics::{Partition, Topics};

#[derive(Args)]
pub(crate) struct Verify {
    #[arg(long)]
    json: bool,
    /// Wait at most so many seconds for consumers and outboxes to come to rest
    #[arg(long, default_value_t = Source::SETTLE.as_secs())]
    settle: u64,
    /// What clients were promised: JSON lines with `order_id`, `customer_id` and `key`
    #[arg(long)]
    acks: Option<PathBuf>,
    /// A folder with all that clients and chaos wrote down: `acks.jsonl`, `observations.jsonl`,
    /// `poison.jsonl`, `kills.jsonl`
    #[arg(long, conflicts_with = "acks")]
    history: Option<PathBuf>,
    /// Watch for so many seconds what holds at every moment, instead of judging what is at rest
    #[arg(long, value_name = "SECONDS")]
    watch: Option<u64>,
    #[arg(long, env = "KAFKA_NAMESPACE", default_value = "")]
    kafka_namespace: String,
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    kafka_bootstrap_servers: Option<String>,
    #[arg(long, env = "SCHEMA_REGISTRY_URL")]
    schema_registry_url: Option<String>,
    #[arg(long, env = "ORDER_DATABASE_URL", hide_env_values = true)]
    order_database_url: Option<String>,
    #[arg(long, env = "INVENTORY_DATABASE_URL", hide_env_values = true)]
    inventory_database_url: Option<String>,
    #[arg(long, env = "SHIPMENT_DATABASE_URL", hide_env_values = true)]
    shipment_database_url: Option<String>,
    #[arg(long, env = "NOTIFICATION_DATABASE_URL", hide_env_values = true)]
    notification_database_url: Option<String>,
    #[arg(long, env = "FRAUD_DATABASE_URL", hide_env_values = true)]
    fraud_database_url: Option<String>,
    /// A server on which a check database may be made, as who may make one
    #[arg(long, env = "VERIFY_DATABASE_URL", hide_env_values = true)]
    verify_database_url: Option<String>,
    #[arg(long, env = "JAEGER_UI_URL")]
    jaeger_url: Option<String>,
    #[command(flatten)]
    stack: Stack,
}

impl Verify {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (json, watch) = (self.json, self.watch);
        let (source, progress) = (self.source()?, Progress::to_stderr());
        let report = match watch {
            None => verify(&source, &progress).await?,
            Some(seconds) => {
                let watch = live::Watch::start(&source, &progress).await?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                watch.stop().await?
            }
        };
        if json {
            report.print_json()?;
        } else {
            report.print();
        }
        if report.ok() {
            return Ok(());
        }
        Err(Broken(format!("broken: {}", report.broken().join(", "))).into())
    }

    /// The stack of this machine, except for what is said otherwise.
    fn source(self) -> anyhow::Result<Source> {
        let mut source = Source::of(&client::layout(&self.stack)?);
        source.settle = Duration::from_secs(self.settle);
        source.namespace = self.kafka_namespace;
        source.history = match (self.history, self.acks) {
            (Some(folder), _) => Some(History::Folder(folder)),
            (None, acks) => acks.map(History::Acks),
        };
        source.jaeger = self.jaeger_url.or(source.jaeger);
        source.kafka = self.kafka_bootstrap_servers.unwrap_or(source.kafka);
        source.registry = self.schema_registry_url.unwrap_or(source.registry);
        source.admin = self.verify_database_url.unwrap_or(source.admin);
        for (service, url) in [
            ("order", self.order_database_url),
            ("inventory", self.inventory_database_url),
            ("shipment", self.shipment_database_url),
            ("notification", self.notification_database_url),
            ("fraud", self.fraud_database_url),
        ] {
            if let Some(url) = url {
                source.databases.insert(service.to_owned(), url);
            }
        }
        Ok(source)
    }
}

/// Checks every law once the system has come to rest, or has had its time to.
pub async fn verify(source: &Source, progress: &Progress) -> anyhow::Result<Report> {
    let database = CheckDatabase::create(&source.admin, source.check_database()).await?;
    let report = inspect(source, &database, progress).await;
    let dropped = database.drop().await;
    let report = report?;
    dropped.context("cannot remove the check database")?;
    Ok(report)
}

async fn inspect(
    source: &Source,
    database: &CheckDatabase,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let mut check = database.connect().await?;
    gather(source, &mut check, progress).await?;
    if let Some(history) = &source.history {
        history::load(&mut check, history)
            .await
            .context("the history of this run")?;
    }

    progress.say("verify", "asks the laws");
    laws::prepare(&mut check).await?;
    let mut laws = laws::check(&mut check).await?;
    for law in laws.iter_mut().filter(|law| law.law == traces::LAW) {
        traces::check(&mut check, source.jaeger.as_deref(), law, progress).await?;
    }
    let (orders, events) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ord.orders), (SELECT count(*) FROM topic.events)",
    )
    .fetch_one(&mut check)
    .await?;
    check.close().await?;
    Ok(Report {
        laws,
        orders,
        events,
    })
}

/// Fills the check database, once the system has come to rest or has had its time to.
async fn gather(
    source: &Source,
    check: &mut PgConnection,
    progress: &Progress,
) -> anyhow::Result<()> {
    let topics = Topics::of(source);
    let subscribed: Vec<Subscription> =
        sqlx::query_as("SELECT topic, type, service FROM chk.subscriptions")
            .fetch_all(&mut *check)
            .await?;
    settle::wait(source, &subscribed, progress).await?;
    let readers: BTreeSet<Reader> = subscribed
        .into_iter()
        .map(|(topic, _, service)| (topic, service))
        .collect();

    // In this order: an offset in Kafka may not be past the database that is read after it, and an
    // event that a database calls published must be on the topics that are read after that.
    look_up_committed(&topics, &readers, check).await?;
    copy::all(source, check, progress).await?;
    read_topics(source, topics, &readers, check, progress).await
}

/// Topic, event type and the service that listens to it.
type Subscription = (String, String, String);
/// A topic and a service that reads it.
type Reader = (String, String);

/// Each once.
fn event_topics(readers: &BTreeSet<Reader>) -> Vec<String> {
    let topics: BTreeSet<_> = readers.iter().map(|(topic, _)| topic.clone()).collect();
    topics.into_iter().collect()
}

async fn look_up_committed(
    topics: &Topics,
    readers: &BTreeSet<Reader>,
    check: &mut PgConnection,
) -> anyhow::Result<()> {
    let topics = topics.clone();
    let readers = readers.clone();
    rows::fill(check, "chk.committed", move |feed| {
        let ends = topics.ends(&event_topics(&readers))?;
        for (service, _) in copy::SERVICES {
            let reads = |end: &&Partition| {
                readers
                    .iter()
                    .any(|(topic, reader)| *topic == end.topic && reader == service)
            };
            let read: Vec<_> = ends.iter().filter(reads).cloned().collect();
            for committed in topics.committed(service, &read)? {
                feed.row(4)?;
                feed.text(Some(&committed.service));
                feed.text(Some(&committed.topic));
                feed.int4(Some(committed.partition));
                feed.int8(Some(committed.next_offset));
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn read_topics(
    source: &Source,
    topics: Topics,
    readers: &BTreeSet<Reader>,
    check: &mut PgConnection,
    progress: &Progress,
) -> anyhow::Result<()> {
    let events = event_topics(readers);
    let letters: Vec<_> = readers
        .iter()
        .map(|(topic, service)| format!("{topic}.{service}.dlt"))
        .collect();
    let (looking, names) = (topics.clone(), [events.clone(), letters.clone()].concat());
    let ends = tokio::task::spawn_blocking(move || looking.ends(&names)).await??;

    let told = ends.clone();
    rows::fill(check, "topic.partitions", move |feed| {
        for end in told {
            feed.row(4)?;
            feed.text(Some(&end.topic));
            feed.int4(Some(end.partition));
            feed.int8(Some(end.low));
            feed.int8(Some(end.high));
        }
        Ok(())
    })
    .await?;

    let mut sink = records::Events {
        schemas: records::Schemas::of(&source.registry)?,
    };
    let (reading, of_events, said) = (topics.clone(), ends.clone(), progress.clone());
    rows::fill(check, "topic.records", move |feed| {
        for topic in events {
            let before = feed.rows();
            reading.read(&topic, &of_events, &mut sink, feed)?;
            said.say(
                "verify",
                format!("{} records of {topic}", feed.rows() - before),
            );
        }
        Ok(())
    })
    .await?;
    let dead = rows::fill(check, "topic.letters", move |feed| {
        for topic in letters {
            topics.read(&topic, &ends, &mut records::Letters, feed)?;
        }
        Ok(())
    })
    .await?;
    progress.say("verify", format!("{dead} dead letters"));
    Ok(())
}
