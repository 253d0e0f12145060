//! Client options, each with its reason. The defaults of six of them would break a promise.

use rdkafka::ClientConfig;

use crate::config::{CommonConfig, GroupProtocol};

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
        .set("fetch.wait.max.ms", "10")
        // The default buffers 64 MB per consumer; a batch is a few hundred kB.
        .set("queued.max.messages.kbytes", "8192")
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
        .set("queue.buffering.max.kbytes", "32768")
        .set("queue.buffering.max.messages", "50000")
        // Dead letters carry more headers than their originals.
        .set("message.max.bytes", "2097152");
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
const REQUIRED: [(&str, &str); 4] = [
    ("enable.auto.offset.store", "false"),
    ("enable.auto.commit", "false"),
    ("auto.offset.reset", "earliest"),
    ("check.crcs", "true"),
];

/// Refuses to run with an option that would lose or skip events.
pub fn check_consumer(client: &ClientConfig) -> anyhow::Result<()> {
    for (option, value) in REQUIRED {
        anyhow::ensure!(
            client.get(option) == Some(value),
            "the consumer runs with {option}={:?}; it must be {value}",
            client.get(option)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::{REQUIRED, check_consumer};

    #[test]
    fn a_consumer_option_that_would_lose_events_is_refused() {
        let mut good = ClientConfig::new();
        for (option, value) in REQUIRED {
            good.set(option, value);
        }
        assert!(check_consumer(&good).is_ok());

        for (option, _) in REQUIRED {
            let mut bad = good.clone();
            bad.set(option, "other");
            let refusal = check_consumer(&bad).expect_err(option).to_string();
            assert!(refusal.contains(option), "{refusal}");
        }
    }
}
