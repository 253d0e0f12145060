//! Client options, each with its reason. The defaults of six of them would break a promise.

use rdkafka::ClientConfig;

use crate::config::{CommonConfig, GroupProtocol};
use crate::kafka::admin::DEAD_LETTER_BYTES_MAX;

/// An event is a few hundred bytes; what is far larger is refused before it is decoded.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

pub fn consumer(config: &CommonConfig, group: &str, client_id: &str) -> ClientConfig {
    let mut client = common(config, client_id);
    client
        .set("group.id", group)
        // Offsets are stored only after the transaction has committed.
        .set("enable.auto.offset.store", "false")
        // They are committed by us, after they are stored, and before partitions are given back.
        .set("enable.auto.commit", "false")
        // The default skips a backlog; the inbox absorbs what comes again.
        .set("auto.offset.reset", "earliest")
        // A bit that flipped on the way must not become an event.
        .set("check.crcs", "true")
        .set("isolation.level", "read_committed")
        // A lone event must not wait for company.
        .set("fetch.min.bytes", "1")
        // How long the broker holds a request that it has nothing for; what arrives is sent at
        // once. At 10 ms five idle services cost a third of a core.
        .set("fetch.wait.max.ms", "100")
        // The default buffers 64 MB per consumer; a batch is a few hundred kB. What a fetch brings
        // comes on top, four times as large once it is unpacked.
        .set("queued.max.messages.kbytes", "8192")
        .set("max.partition.fetch.bytes", "262144")
        .set("fetch.max.bytes", "1048576")
        .set("fetch.queue.backoff.ms", "2")
        // Where lag and progress are read from.
        .set("statistics.interval.ms", "5000")
        .set("enable.partition.eof", "false");
    match config.kafka_group_protocol {
        // Joins in a quarter second; the broker sets heartbeat and session.
        GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
        GroupProtocol::Classic => client
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500"),
    };
    client
}

pub fn producer(config: &CommonConfig, client_id: &str) -> ClientConfig {
    let mut client = common(config, client_id);
    client
        // No duplicates and no reordering from the client's own retries.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("max.in.flight.requests.per.connection", "5")
        // Never gives up: giving up would leave a gap in a key's events.
        .set("message.timeout.ms", "0")
        // The relay hands over whole batches; waiting for more only adds latency.
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        // The default buffers 1 GB.
        .set("queue.buffering.max.kbytes", "8192")
        .set("queue.buffering.max.messages", "10000")
        // Dead letters carry more headers than their originals.
        .set("message.max.bytes", DEAD_LETTER_BYTES_MAX);
    client
}

pub fn common(config: &CommonConfig, client_id: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.kafka_bootstrap_servers)
        .set("client.id", client_id)
        .set("socket.nagle.disable", "true")
        // A broker that comes back is found within a second.
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000");
    client
}

/// The options that keep promises, for the boot check.
const OF_CONSUMERS: [(&str, &str); 4] = [
    ("enable.auto.offset.store", "false"),
    ("enable.auto.commit", "false"),
    ("auto.offset.reset", "earliest"),
    ("check.crcs", "true"),
];

const OF_PRODUCERS: [(&str, &str); 3] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("message.timeout.ms", "0"),
];
const IN_FLIGHT_MAX: u32 = 5;

/// Refuses to run with an option that would lose or skip events.
pub fn check_consumer(client: &ClientConfig) -> anyhow::Result<()> {
    check("consumer", client, &OF_CONSUMERS)
}

/// Refuses to run with an option that would lose, double or reorder events.
pub fn check_producer(client: &ClientConfig) -> anyhow::Result<()> {
    check("producer", client, &OF_PRODUCERS)?;
    let option = "max.in.flight.requests.per.connection";
    let in_flight = client.get(option).and_then(|value| value.parse().ok());
    anyhow::ensure!(
        in_flight.is_some_and(|value: u32| value <= IN_FLIGHT_MAX),
        "the producer runs with {option}={:?}; it must be at most {IN_FLIGHT_MAX}",
        client.get(option)
    );
    Ok(())
}

fn check(who: &str, client: &ClientConfig, required: &[(&str, &str)]) -> anyhow::Result<()> {
    for (option, value) in required {
        anyhow::ensure!(
            client.get(option) == Some(value),
            "the {who} runs with {option}={:?}; it must be {value}",
            client.get(option)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::{IN_FLIGHT_MAX, OF_CONSUMERS, OF_PRODUCERS, check_consumer, check_producer};

    #[track_caller]
    fn refuses(check: fn(&ClientConfig) -> anyhow::Result<()>, good: &ClientConfig, option: &str) {
        assert!(check(good).is_ok());
        let mut other = good.clone();
        other.set(option, "other");
        let mut none = good.clone();
        none.remove(option);
        for bad in [other, none] {
            let refusal = check(&bad).expect_err(option).to_string();
            assert!(refusal.contains(option), "{refusal}");
        }
    }

    #[test]
    fn a_client_option_that_would_lose_or_reorder_events_is_refused() {
        let mut consumer = ClientConfig::new();
        for (option, value) in OF_CONSUMERS {
            consumer.set(option, value);
        }
        for (option, _) in OF_CONSUMERS {
            refuses(check_consumer, &consumer, option);
        }

        let mut producer = ClientConfig::new();
        for (option, value) in OF_PRODUCERS {
            producer.set(option, value);
        }
        let in_flight = "max.in.flight.requests.per.connection";
        producer.set(in_flight, IN_FLIGHT_MAX.to_string());
        for (option, _) in OF_PRODUCERS {
            refuses(check_producer, &producer, option);
        }
        refuses(check_producer, &producer, in_flight);
        producer.set(in_flight, (IN_FLIGHT_MAX + 1).to_string());
        assert!(check_producer(&producer).is_err());
    }
}
