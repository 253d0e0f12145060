//! Against a broker that can be told to refuse a batch, as a real one cannot.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::OwnedHeaders;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Delivery, Partitions, Publisher, Record, partition_of};

const TOPIC: &str = "records";

/// A broker that accepts any sequence number, as a real one does from a producer that it does
/// not know; and that can be told to refuse just the first batch, as a real one cannot.
struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    /// Slow enough that a second batch is on its way before the first is answered.
    fn start() -> Self {
        let broker = Self::with(1);
        broker
            .0
            .broker_round_trip_time(1, Duration::from_millis(200))
            .expect("a slow broker");
        broker
    }

    fn with(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).expect("a broker");
        cluster.create_topic(TOPIC, partitions, 1).expect("a topic");
        Self(cluster)
    }

    fn publisher(&self) -> Publisher {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("batch.num.messages", "1");
        Publisher::new(&client, CancellationToken::new()).expect("a publisher")
    }

    /// As by a leader that is just coming up.
    fn refuse_the_next_batch(&self) {
        self.0.request_errors(
            RDKafkaApiKey::Produce,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION],
        );
    }

    fn records(&self) -> Vec<String> {
        use rdkafka::consumer::{BaseConsumer, Consumer as _};
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "reader")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a consumer");
        let mut from = rdkafka::TopicPartitionList::new();
        from.add_partition_offset(TOPIC, 0, rdkafka::Offset::Beginning)
            .expect("an offset");
        consumer.assign(&from).expect("an assignment");
        let mut values = Vec::new();
        loop {
            match consumer.poll(Duration::from_secs(10)).expect("an answer") {
                Ok(record) => values.push(
                    String::from_utf8(record.payload().expect("a value").to_vec()).expect("text"),
                ),
                Err(_) => return values,
            }
        }
    }
}

fn record(value: &str) -> Record {
    Record {
        topic: TOPIC.to_owned(),
        key: Some(b"KNIFE".to_vec()),
        headers: OwnedHeaders::new(),
        payload: Some(value.as_bytes().to_vec()),
        spread_by: [0; 16],
        span: None,
    }
}

async fn send_both(publisher: &mut Publisher) -> Arc<Delivery> {
    let delivery = Delivery::new(&Arc::new(Notify::new()));
    for value in ["first", "second"] {
        publisher
            .send(record(value), &delivery)
            .await
            .expect("handed over");
    }
    delivery.all_handed_over();
    while delivery.is_outstanding() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    delivery
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_record_in_a_partition_is_not_passed_by_the_second() {
    let broker = Broker::start();
    let mut publisher = broker.publisher();
    broker.refuse_the_next_batch();
    let delivery = send_both(&mut publisher).await;
    assert!(!delivery.has_failed());
    assert_eq!(broker.records(), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_has_not_said_to_have_does_not_count_as_delivered() {
    let broker = Broker::start();
    let mut publisher = broker.publisher();
    // As if the broker had forgotten us early.
    let partitions = Partitions {
        counted_at: Instant::now(),
        sent_at: vec![Some(Instant::now())],
    };
    publisher.topics.insert(TOPIC.to_owned(), partitions);
    broker.refuse_the_next_batch();
    let delivery = send_both(&mut publisher).await;
    assert_eq!(broker.records(), ["second"]);
    assert!(delivery.has_failed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lies_where_librdkafka_would_put_it() {
    let broker = Broker::with(32);
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.0.bootstrap_servers())
        .create()
        .expect("a producer");
    for key in 0..100_u8 {
        let mut record = record("");
        record.key = Some(vec![b'k', key]);
        let sent = FutureRecord::to(TOPIC)
            .key(record.key.as_deref().expect("one"))
            .payload("");
        let delivered = producer
            .send(sent, Duration::from_secs(10))
            .await
            .expect("an answer");
        assert_eq!(
            usize::try_from(delivered.partition),
            Ok(partition_of(&record, 32))
        );
    }
}
