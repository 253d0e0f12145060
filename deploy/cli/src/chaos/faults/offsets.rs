//! Offsets that go back: what was processed is delivered again.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::Seen;
use crate::chaos::arena::Arena;
use crate::chaos::kafka;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A member that did not say goodbye keeps its group busy until the session is over.
const GROUP_EMPTY_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn rewind(arena: &Arena, service: &str, records: u64) -> anyhow::Result<Seen> {
    let member = arena.member(service)?;
    member.hold();
    let stopped = member.terminate().await;
    let (client, group) = (arena.kafka(), service.to_owned());
    let rewound = tokio::task::spawn_blocking(move || set_back(&client, &group, records)).await?;
    member.release();
    stopped?;
    member.until_ready().await?;
    let again = rewound?;
    Ok(Seen {
        delivered_again: again,
        ..Seen::by(format!("{again} records are delivered again"))
    })
}

/// By so many records over all partitions; how many there were.
pub(in crate::chaos) fn set_back(
    client: &rdkafka::ClientConfig,
    group: &str,
    records: u64,
) -> anyhow::Result<u64> {
    let consumer = kafka::consumer(client, group)?;
    let asked = kafka::partitions(&consumer, |readers| readers.contains(&group))?;
    let committed = consumer.committed_offsets(asked, ANSWERS_WITHIN)?;
    let share = i64::try_from(records)? / i64::try_from(committed.count().max(1))? + 1;
    let mut again = 0;
    let mut wanted = TopicPartitionList::new();
    for element in committed.elements() {
        let Offset::Offset(offset) = element.offset() else {
            continue;
        };
        let (topic, partition) = (element.topic(), element.partition());
        let (low, _) = consumer.fetch_watermarks(topic, partition, ANSWERS_WITHIN)?;
        let back = (offset - share).max(low).min(offset);
        again += offset - back;
        wanted.add_partition_offset(topic, partition, Offset::Offset(back))?;
    }
    let until = Instant::now() + GROUP_EMPTY_WITHIN;
    loop {
        match consumer.commit(&wanted, CommitMode::Sync) {
            Ok(()) => return Ok(u64::try_from(again)?),
            Err(error) if Instant::now() > until => {
                return Err(error).context("the group's offsets cannot be set");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}
