//! Looks at the parts from outside.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use shared::kafka::admin::DEAD_LETTER_BYTES_MAX;
use sqlx::PgPool;
use ticketrail::poison::Record;

const TIMEOUT: Duration = Duration::from_secs(10);

fn consumer(kafka: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "it-probe")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer")
}

/// Partition and end offset.
pub(crate) async fn ends(kafka: &str, topic: &str) -> Result<Vec<(i32, i64)>, String> {
    let (kafka, topic) = (kafka.to_owned(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let consumer = consumer(&kafka);
        let metadata = consumer.fetch_metadata(Some(&topic), TIMEOUT)?;
        let mut ends = Vec::new();
        for partition in metadata.topics()[0].partitions() {
            let (_, high) = consumer.fetch_watermarks(&topic, partition.id(), TIMEOUT)?;
            ends.push((partition.id(), high));
        }
        Ok::<_, rdkafka::error::KafkaError>(ends)
    });
    read.await
        .expect("it does not panic")
        .map_err(|error| error.to_string())
}

/// A record as it lies on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Seen {
    /// Gives a header that it has another value.
    pub(crate) fn set(&mut self, header: &str, value: &str) {
        for (name, old) in &mut self.headers {
            if name == header {
                *old = Some(value.as_bytes().to_vec());
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    }
}

/// Everything on a topic.
pub(crate) async fn read_all(kafka: &str, topic: &str) -> Vec<Seen> {
    let ends = ends(kafka, topic).await.expect("the topic exists");
    let (kafka, topic) = (kafka.to_owned(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let consumer = consumer(&kafka);
        let mut list = TopicPartitionList::new();
        let mut wanted = 0;
        for (partition, end) in ends {
            list.add_partition_offset(&topic, partition, Offset::Beginning)
                .expect("an offset");
            wanted += end;
        }
        consumer.assign(&list).expect("an assignment");
        let mut seen = Vec::new();
        while i64::try_from(seen.len()).expect("few") < wanted {
            let message = consumer
                .poll(TIMEOUT)
                .expect("a record in time")
                .expect("a record");
            seen.push(Seen {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: message
                    .headers()
                    .into_iter()
                    .flat_map(|headers| headers.iter())
                    .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            });
        }
        seen
    });
    read.await.expect("it does not panic")
}

/// Puts a record on a topic as somebody else would.
pub(crate) async fn publish(
    kafka: &str,
    topic: &str,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(String, Option<Vec<u8>>)],
) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("message.max.bytes", DEAD_LETTER_BYTES_MAX)
        .create()
        .expect("a producer");
    let mut owned = OwnedHeaders::new();
    for (name, value) in headers {
        owned = owned.insert(rdkafka::message::Header {
            key: name.as_str(),
            value: value.as_deref(),
        });
    }
    let mut record = FutureRecord::<[u8], [u8]>::to(topic).headers(owned);
    if let Some(key) = key {
        record = record.key(key);
    }
    if let Some(value) = value {
        record = record.payload(value);
    }
    producer
        .send(record, TIMEOUT)
        .await
        .expect("Kafka takes the record");
}

/// Puts many records on their topics, in order, and says where each lies.
pub(crate) async fn publish_all(
    kafka: &str,
    namespace: &str,
    records: impl IntoIterator<Item = &Record>,
) -> Vec<(i32, i64)> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("message.max.bytes", DEAD_LETTER_BYTES_MAX)
        .create()
        .expect("a producer");
    let mut sent = Vec::new();
    for record in records {
        let topic = format!("{namespace}{}", record.topic.0);
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.headers {
            headers = headers.insert(rdkafka::message::Header {
                key: name.as_str(),
                value: value.as_deref(),
            });
        }
        let mut produced = FutureRecord::<[u8], [u8]>::to(&topic).headers(headers);
        produced.key = record.key.as_deref();
        produced.payload = record.value.as_deref();
        sent.push(producer.send_result(produced).expect("it fits the queue"));
    }
    let mut positions = Vec::new();
    for delivery in sent {
        let delivered = delivery.await.expect("the producer lives");
        let delivered = delivered.expect("Kafka takes the record");
        positions.push((delivered.partition, delivered.offset));
    }
    positions
}

/// Received = free + reserved + shipped, and the ledger explains every unit.
pub(crate) async fn assert_books_balance(inventory: &PgPool) {
    let negative: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM stock WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand",
    )
    .fetch_one(inventory)
    .await
    .expect("stock");
    assert_eq!(negative, 0, "stock is oversold");

    let drift: Vec<(String, String)> = sqlx::query_as(
        "SELECT sku, warehouse
         FROM stock
         FULL JOIN (SELECT sku, warehouse, sum(d_on_hand) AS on_hand, sum(d_reserved) AS reserved
                    FROM stock_ledger_lines
                    GROUP BY sku, warehouse) AS ledger USING (sku, warehouse)
         WHERE (stock.on_hand, stock.reserved)
               IS DISTINCT FROM (coalesce(ledger.on_hand, 0), coalesce(ledger.reserved, 0))",
    )
    .fetch_all(inventory)
    .await
    .expect("stock and ledger");
    assert!(drift.is_empty(), "the ledger does not explain {drift:?}");

    let unexplained: Vec<(String, String)> = sqlx::query_as(
        "SELECT sku, warehouse
         FROM stock
         LEFT JOIN (SELECT sku, warehouse, sum(quantity) AS quantity
                    FROM reservation_lines
                    WHERE state IN ('held', 'releasing')
                    GROUP BY sku, warehouse) AS held USING (sku, warehouse)
         WHERE reserved <> coalesce(held.quantity, 0)",
    )
    .fetch_all(inventory)
    .await
    .expect("stock and reservations");
    assert!(
        unexplained.is_empty(),
        "reserved units without a reservation: {unexplained:?}"
    );
}

/// Sends a stopped group back to the beginning of a topic.
pub(crate) async fn rewind(kafka: &str, group: &str, topic: &str) {
    let ends = ends(kafka, topic).await.expect("the topic exists");
    let (kafka, group, topic) = (kafka.to_owned(), group.to_owned(), topic.to_owned());
    let rewound = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &kafka)
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .create()?;
        let mut list = TopicPartitionList::new();
        for (partition, _) in ends {
            list.add_partition_offset(&topic, partition, Offset::Offset(0))?;
        }
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync)
    });
    rewound
        .await
        .expect("it does not panic")
        .expect("the group is empty, so offsets may be set");
}
