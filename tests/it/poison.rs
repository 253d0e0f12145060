//! Every kind of bad record, on every topic, while orders go on.

use std::collections::{BTreeMap, HashMap};

use shared::avro::registry::Registry;
use shared::contract::topic::TOPICS;
use shared::event::new_id;
use ticketrail::poison::{self, Draw, Poison, SchemaIds};

use crate::harness::probe::{self, Seen};
use crate::harness::world::{World, order_of};
use crate::harness::{tell, until, wire};

/// Of each kind and event type.
const COPIES: usize = 3;
const ORDERS: usize = 20;

/// A record by where it lies: topic, partition, offset.
type Position = (String, i32, i64);

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_poison_is_put_aside_by_whom_it_concerns_and_no_order_waits() {
    let mut world = World::start().await;
    let kafka = world.parts.endpoints.kafka.clone();
    let registry = Registry::new(&world.parts.endpoints.registry).expect("an address");
    let ids = SchemaIds::load(&registry)
        .await
        .expect("registered schemas");
    let drawn = draw_all(&ids);

    let mut orders = Vec::new();
    let mut sent: HashMap<Position, &Poison> = HashMap::new();
    for part in drawn.chunks(drawn.len().div_ceil(ORDERS)) {
        orders.push(world.place("alice", order_of(&[("MUG", 1)])).await);
        let records = part.iter().map(|poison| &poison.record);
        let positions = probe::publish_all(&kafka, &world.namespace, records).await;
        for (poison, (partition, offset)) in part.iter().zip(positions) {
            let topic = poison.record.topic.0.to_owned();
            sent.insert((topic, partition, offset), poison);
        }
    }

    for order in &orders {
        world.until_status("alice", *order, "confirmed").await;
    }
    world.until_quiet().await;
    let letters = dead_letters(&world, &sent).await;
    let mut codes = BTreeMap::new();
    let mut wrong = Vec::new();
    for (position, poison) in &sent {
        for (consumer, code) in &poison.dead_letters {
            let letters = letters.get(&(*consumer, position)).map_or(&[][..], |l| l);
            if let Err(what) = check(letters, code, poison) {
                wrong.push(format!(
                    "{} at {position:?}, {consumer}: {what}",
                    poison.kind
                ));
            }
            *codes.entry(*code).or_insert(0) += 1;
        }
    }
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let expected: usize = sent.values().map(|poison| poison.dead_letters.len()).sum();
    let found: usize = letters.values().map(Vec::len).sum();
    assert_eq!(
        found, expected,
        "nobody else put one aside, and nothing healthy is there"
    );
    tell(&format!(
        "{} bad records of {} kinds: {found} dead letters, {} records without harm, {} orders \
         confirmed; {codes:?}",
        sent.len(),
        poison::all().count(),
        sent.values()
            .filter(|poison| poison.dead_letters.is_empty())
            .count(),
        orders.len(),
    ));
    // Each instance that was started in the beginning still lives, and ends well.
    world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_whose_name_is_no_text_ends_no_consumer() {
    let mut world = World::start().await;
    let kafka = world.parts.endpoints.kafka.clone();
    let registry = Registry::new(&world.parts.endpoints.registry).expect("an address");
    let ids = SchemaIds::load(&registry)
        .await
        .expect("registered schemas");
    let no_frame = poison::all()
        .find(|kind| kind.name == "no frame")
        .expect("it is one");
    let poison = no_frame.draw("OrderPlaced", &draw(&ids));

    wire::publish(&kafka, &world.namespace, &poison.record, &[0xff, 0xfe]).await;

    let topic = format!("{}order.events.inventory.dlt", world.namespace);
    let letter = until("a dead letter", async || {
        let mut letters = probe::read_all(&kafka, &topic).await;
        letters.pop().ok_or("none")
    })
    .await;
    assert_eq!(letter.value, poison.record.value);
    assert!(letter.headers.starts_with(&poison.record.headers));
    let order = world.place("alice", order_of(&[("MUG", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.close_with_dead_letters().await;
}

/// One letter, for the right reason, with everything the record had.
fn check(letters: &[Seen], code: &str, poison: &Poison) -> Result<(), String> {
    let [letter] = letters else {
        return Err(format!("{} dead letters", letters.len()));
    };
    if letter.header("dlt_code") != Some(code) {
        let said = (letter.header("dlt_code"), letter.header("dlt_detail"));
        return Err(format!("{said:?} instead of {code}"));
    }
    let record = &poison.record;
    let same = letter.key == record.key
        && letter.value == record.value
        && letter.headers.starts_with(&record.headers);
    if same {
        Ok(())
    } else {
        Err("its bytes are not the record's".to_owned())
    }
}

fn draw_all(ids: &SchemaIds) -> Vec<Poison> {
    let mut drawn = Vec::new();
    for _ in 0..COPIES {
        for kind in poison::all() {
            for event_type in kind.events {
                drawn.push(kind.draw(event_type, &draw(ids)));
            }
        }
    }
    drawn
}

fn draw(ids: &SchemaIds) -> Draw<'_> {
    Draw {
        ids,
        subject: new_id(),
        event_id: new_id(),
        now: shared::clock::process_now(),
    }
}

/// What lies on the dead-letter topics, by consumer and where the original lies.
async fn dead_letters<'s>(
    world: &World,
    sent: &'s HashMap<Position, &Poison>,
) -> HashMap<(&'static str, &'s Position), Vec<Seen>> {
    let mut letters: HashMap<_, Vec<Seen>> = HashMap::new();
    for (topic, groups) in TOPICS {
        for group in *groups {
            let letters_topic = format!("{}{}.{group}.dlt", world.namespace, topic.0);
            let expected: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM outbox WHERE version IS NULL AND topic = $1",
            )
            .bind(format!("{}.{group}.dlt", topic.0))
            .fetch_one(world.pool(group))
            .await
            .expect("the outbox");
            let of_group = until(
                &format!("{expected} records on {letters_topic}"),
                async || {
                    let seen = probe::read_all(&world.parts.endpoints.kafka, &letters_topic).await;
                    if i64::try_from(seen.len()) == Ok(expected) {
                        Ok(seen)
                    } else {
                        Err(format!("{} are there", seen.len()))
                    }
                },
            )
            .await;
            for letter in of_group {
                let number = |name| {
                    letter
                        .header(name)
                        .and_then(|text| text.parse::<i64>().ok())
                };
                let partition = number("dlt_partition").expect("a partition");
                let position = (
                    letter.header("dlt_topic").expect("a topic").to_owned(),
                    i32::try_from(partition).expect("a partition"),
                    number("dlt_offset").expect("an offset"),
                );
                let (position, _) = sent
                    .get_key_value(&position)
                    .unwrap_or_else(|| panic!("{group} put aside what nobody spoiled: {letter:?}"));
                letters.entry((*group, position)).or_default().push(letter);
            }
        }
    }
    letters
}
