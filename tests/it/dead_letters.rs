//! A bad record never stops a partition and is never lost.

use crate::harness::probe::{self, Seen};
use crate::harness::until;
use crate::harness::world::{Settings, World, order_of};

/// A way to spoil a good record.
type Spoil = fn(&mut Seen);

const KINDS: &[(&str, Spoil, &str)] = &[
    (
        "garbage",
        |seen| seen.value = Some(b"not avro at all".to_vec()),
        "not-framed",
    ),
    ("nothing", |seen| seen.value = None, "null-value"),
    ("empty", |seen| seen.value = Some(Vec::new()), "not-framed"),
    (
        "only the frame",
        |seen| seen.value.as_mut().expect("a value").truncate(5),
        "malformed",
    ),
    (
        "half a frame",
        |seen| seen.value.as_mut().expect("a value").truncate(3),
        "not-framed",
    ),
    (
        "unknown schema",
        |seen| seen.value.as_mut().expect("a value")[1] = 0x7f,
        "unknown-schema",
    ),
    ("truncated", |seen| cut(seen, 1), "malformed"),
    (
        "trailing byte",
        |seen| seen.value.as_mut().expect("a value").push(0),
        "trailing-bytes",
    ),
    (
        "oversized",
        |seen| seen.value = Some(vec![0; 300 * 1024]),
        "oversized",
    ),
    (
        "another key",
        |seen| seen.key = Some(b"somebody else".to_vec()),
        "wrong-key",
    ),
    (
        "a key that is no text",
        |seen| seen.key = Some(vec![0xff, 0xfe]),
        "wrong-key",
    ),
    ("no key", |seen| seen.key = None, "wrong-key"),
    (
        "no id",
        |seen| seen.headers.retain(|(name, _)| name != "ce_id"),
        "missing-header",
    ),
    (
        "no type",
        |seen| seen.headers.retain(|(name, _)| name != "ce_type"),
        "missing-header",
    ),
    ("no headers", |seen| seen.headers.clear(), "missing-header"),
    (
        "no version",
        |seen| seen.headers.retain(|(n, _)| n != "ce_aggregateversion"),
        "missing-header",
    ),
    (
        "an id that is none",
        |seen| seen.set("ce_id", "not-a-uuid"),
        "missing-header",
    ),
    (
        "a time that is none",
        |seen| seen.set("ce_time", "yesterday"),
        "missing-header",
    ),
    (
        "another record's name",
        |seen| seen.set("ce_type", "ticketrail.order.OrderCancelled"),
        "wrong-record",
    ),
    (
        "an event of another topic",
        |seen| seen.set("ce_type", "ticketrail.shipment.ShipmentDispatched"),
        "wrong-topic",
    ),
];

/// Takes bytes from the end.
fn cut(seen: &mut Seen, bytes: usize) {
    let value = seen.value.as_mut().expect("a value");
    value.truncate(value.len() - bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_poison_becomes_one_dead_letter_and_stops_nobody() {
    let mut world = World::start().await;
    let kafka = world.parts.endpoints.kafka.clone();
    let topic = format!("{}order.events", world.namespace);
    let first = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", first, "confirmed").await;
    let good = probe::read_all(&kafka, &topic)
        .await
        .into_iter()
        .find(|seen| seen.header("ce_type") == Some("ticketrail.order.OrderPlaced"))
        .expect("the order's event");

    let mut spoiled = Vec::new();
    for (kind, spoil, code) in KINDS {
        let mut seen = good.clone();
        // An id of its own, or the inbox would rightly call it a duplicate.
        seen.set("ce_id", &shared::event::new_id().to_string());
        spoil(&mut seen);
        probe::publish(
            &kafka,
            &topic,
            seen.key.as_deref(),
            seen.value.as_deref(),
            &seen.headers,
        )
        .await;
        spoiled.push((*kind, *code, seen));
    }

    let after = world.place("bob", order_of(&[("KETTLE", 1)])).await;
    world.until_status("bob", after, "confirmed").await;
    let letters = until("one dead letter per spoiled record", async || {
        let letters = probe::read_all(&kafka, &format!("{topic}.inventory.dlt")).await;
        if letters.len() == spoiled.len() {
            Ok(letters)
        } else {
            Err(format!("{} of {}", letters.len(), spoiled.len()))
        }
    })
    .await;

    for (kind, code, seen) in &spoiled {
        let same: Vec<_> = letters
            .iter()
            .filter(|letter| letter.header("dlt_code") == Some(*code))
            .filter(|letter| letter.key == seen.key && letter.value == seen.value)
            .filter(|letter| letter.headers.starts_with(&seen.headers))
            .collect();
        assert!(
            !same.is_empty(),
            "{kind}: no letter with {code}, its bytes, key and headers"
        );
        for header in [
            "dlt_topic",
            "dlt_partition",
            "dlt_offset",
            "dlt_group",
            "dlt_detail",
        ] {
            assert!(same[0].header(header).is_some(), "{kind}: {header}");
        }
    }
    world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everything_is_suddenly_invalid_a_service_stops_and_says_so() {
    let mut world = World::empty().await;
    world.dead_letters_surge = 20;
    for name in ["order", "inventory"] {
        world.run(name, &Settings::default()).await;
    }
    let kafka = world.parts.endpoints.kafka.clone();
    let topic = format!("{}order.events", world.namespace);
    let headers = [("ce_id".to_owned(), None)];
    for _ in 0..60 {
        probe::publish(&kafka, &topic, None, Some(b"no event"), &headers).await;
    }

    let url = world.operations_url("inventory", "/health/ready");
    until(
        "inventory to be not ready because of dead letters",
        async || {
            let answer = reqwest::get(&url)
                .await
                .map_err(|error| error.to_string())?;
            let text = answer.text().await.unwrap_or_default();
            match text.contains("DEAD_LETTERS_SURGE") {
                true => Ok(()),
                false => Err(text),
            }
        },
    )
    .await;
    let kept = world.dead_letters("inventory").await;
    assert!(kept <= 20, "{kept} were put aside before it stopped");

    // What is mended, here the limit, goes on where it stopped.
    world.stop("inventory").await;
    world.dead_letters_surge = 1000;
    world.run("inventory", &Settings::default()).await;
    until("the rest to be put aside", async || {
        match world.dead_letters("inventory").await {
            60 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    world.close_with_dead_letters().await;
}
