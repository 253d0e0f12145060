//! Takes messages, several at a time, those of one key one after the other.

use std::hash::{BuildHasher, RandomState};

use futures::TryStreamExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message};
use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::events::{Events, ORDERS};
use crate::store::{self, Routes};
use crate::{GROUP, Textbook};

/// Keys share these; two keys seldom meet.
const LOCKS: usize = 1024;

pub(crate) async fn run(textbook: &Textbook, pool: &PgPool) -> anyhow::Result<()> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &textbook.kafka_bootstrap_servers)
        .set("group.id", format!("{}{GROUP}", textbook.kafka_namespace))
        .set("group.protocol", "consumer")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("fetch.wait.max.ms", "10")
        .create()?;
    consumer.subscribe(&[&format!("{}{ORDERS}", textbook.kafka_namespace)])?;
    let worker = Worker {
        pool,
        events: Events::new(&textbook.schema_registry_url)?,
        routes: store::routes(pool).await?,
        namespace: &textbook.kafka_namespace,
        locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        hasher: RandomState::new(),
    };
    // The results come in the order of the messages, however they overtake each other.
    let mut done = consumer
        .stream()
        .map_err(anyhow::Error::from)
        .map_ok(|message| worker.work(message))
        .try_buffered(usize::from(textbook.in_flight));
    let ended = async {
        while let Some(message) = done.try_next().await? {
            consumer.store_offset_from_message(&message)?;
        }
        anyhow::Ok(())
    };
    ended.await?;
    Ok(consumer.commit_consumer_state(CommitMode::Sync)?)
}

struct Worker<'a> {
    pool: &'a PgPool,
    events: Events,
    routes: Routes,
    namespace: &'a str,
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Worker<'_> {
    async fn work<'m>(&self, message: BorrowedMessage<'m>) -> anyhow::Result<BorrowedMessage<'m>> {
        let lock = self.hasher.hash_one(message.key().unwrap_or_default()) as usize % LOCKS;
        // Whoever waits is served in the order of coming.
        let _turn = self.locks[lock].lock().await;
        match self.events.read(&message).await {
            Ok(Some(received)) => {
                let Self {
                    pool,
                    events,
                    routes,
                    namespace,
                    ..
                } = self;
                store::apply(pool, events, routes, namespace, &received).await?;
            }
            Ok(None) => {}
            Err(error) => {
                let position = (message.topic(), message.partition(), message.offset());
                store::keep(self.pool, position, message.payload(), &error).await?;
            }
        }
        Ok(message)
    }
}
