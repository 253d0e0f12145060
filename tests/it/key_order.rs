//! A dead letter holds back what comes later for its order, until an operator settles it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use ticketrail::client::Client;
use uuid::Uuid;

use crate::harness::probe::{self, Seen};
use crate::harness::until;
use crate::harness::world::{World, order_of};

/// A record of this type, made to be about another aggregate, with an id of its own.
async fn copied(world: &World, topic: &str, event_type: &str, key: Uuid) -> Seen {
    let kafka = &world.parts.endpoints.kafka;
    let mut seen = probe::read_all(kafka, &format!("{}{topic}", world.namespace))
        .await
        .into_iter()
        .find(|seen| seen.header("ce_type") == Some(event_type))
        .unwrap_or_else(|| panic!("no {event_type} on {topic}"));
    let key = key.to_string();
    for header in ["ce_subject", "ce_partitionkey", "ce_correlationid"] {
        seen.set(header, &key);
    }
    seen.set("ce_id", &shared::event::new_id().to_string());
    let before = seen.key.replace(key.clone().into_bytes()).expect("a key");
    let value = seen.value.as_mut().expect("a value");
    for start in 0..value.len().saturating_sub(before.len()) {
        if value[start..].starts_with(&before) {
            value[start..start + before.len()].copy_from_slice(key.as_bytes());
        }
    }
    seen
}

async fn publish(world: &World, topic: &str, seen: &Seen) -> Uuid {
    probe::publish(
        &world.parts.endpoints.kafka,
        &format!("{}{topic}", world.namespace),
        seen.key.as_deref(),
        seen.value.as_deref(),
        &seen.headers,
    )
    .await;
    let id = seen.header("ce_id").expect("an id");
    id.parse().expect("it is a UUID")
}

async fn letters(operator: &Client, world: &World, service: &str, query: &str) -> Value {
    let url = world.operations_url(service, &format!("/dead-letters?{query}"));
    let answer = operator.get(&url).await.expect("an answer");
    answer.ok().expect("a list")
}

async fn until_letters(
    operator: &Client,
    world: &World,
    service: &str,
    query: &str,
    count: usize,
) -> Vec<Value> {
    until(&format!("{count} dead letters of {service}"), async || {
        let listed = letters(operator, world, service, query).await;
        let listed = listed["letters"].as_array().cloned().unwrap_or_default();
        if listed.len() == count {
            return Ok(listed);
        }
        Err(format!("{listed:?}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn later_events_wait_behind_a_dead_letter_and_follow_when_it_is_discarded() {
    let mut world = World::start().await;
    let operator = world.staff("operator-1", "operations");
    let finished = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", finished, "confirmed").await;
    world.deliver(finished).await;
    world.until_status("alice", finished, "completed").await;

    let order = world.place("bob", order_of(&[("KETTLE", 1)])).await;
    world.until_status("bob", order, "confirmed").await;
    let dispatched = "ticketrail.shipment.ShipmentDispatched";
    let mut broken = copied(&world, "shipment.events", dispatched, order).await;
    broken.value.as_mut().expect("a value").truncate(9);
    let bad = publish(&world, "shipment.events", &broken).await;
    let open = until_letters(&operator, &world, "order", "state=open", 1).await;
    assert_eq!(open[0]["event_id"], json!(bad));
    assert_eq!(open[0]["code"], "malformed");

    world.deliver(order).await;
    let parked = until_letters(&operator, &world, "order", "state=parked", 2).await;
    let parked: Vec<_> = parked.iter().map(|letter| &letter["type"]).collect();
    assert_eq!(parked, ["ShipmentDispatched", "ShipmentDelivered"]);
    assert_eq!(world.order("bob", order).await["status"], "confirmed");
    let other = world.place("carol", order_of(&[("KETTLE", 1)])).await;
    world.until_status("carol", other, "confirmed").await;
    world.deliver(other).await;
    world.until_status("carol", other, "completed").await;

    let discard = world.operations_url("order", "/dead-letters/discard");
    let mut wish = json!({ "event_id": bad, "reason": "a carrier's test", "dry_run": true });
    let tried = operator.post(&discard, &wish).await.expect("an answer");
    assert_eq!(tried.ok().expect("a report")["applied"], 2);
    assert_eq!(world.order("bob", order).await["status"], "confirmed");
    wish["dry_run"] = json!(false);
    let done = operator.post(&discard, &wish).await.expect("an answer");
    assert_eq!(done.ok().expect("a report")["applied"], 2);
    world.until_status("bob", order, "completed").await;
    let again = operator.post(&discard, &wish).await.expect("an answer");
    assert_eq!(again.status, 409, "settled once: {}", again.body);

    let audited: Vec<(String, String, String)> =
        sqlx::query_as("SELECT actor, action, reason FROM audit_log")
            .fetch_all(world.pool("order"))
            .await
            .expect("the audit log");
    let expected = ("operator-1", "discard", "a carrier's test");
    assert_eq!(audited.len(), 1, "a dry run changes nothing: {audited:?}");
    let (actor, action, reason) = &audited[0];
    assert_eq!((actor.as_str(), action.as_str(), reason.as_str()), expected);
    world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_with_a_mended_value_and_its_own_is_kept() {
    let mut world = World::start().await;
    let operator = world.staff("operator-1", "operations");
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.until_quiet().await;

    // Of an order that does not exist, so that nothing else happens to it.
    let nobody = shared::event::new_id();
    let good = copied(
        &world,
        "order.events",
        "ticketrail.order.OrderPlaced",
        nobody,
    )
    .await;
    let mut broken = good.clone();
    broken.value.as_mut().expect("a value").push(0);
    let bad = publish(&world, "order.events", &broken).await;
    until_letters(&operator, &world, "notification", "state=open", 1).await;

    let replay = world.operations_url("notification", "/dead-letters/replay");
    let wish = json!({ "event_id": bad, "reason": "try" });
    let tried = operator.post(&replay, &wish).await.expect("an answer");
    let tried = tried.ok().expect("a report");
    assert_eq!(tried["failed"][0]["code"], "trailing-bytes");
    let value = BASE64.encode(good.value.as_deref().expect("a value"));
    let wish = json!({ "event_id": bad, "reason": "cut the extra byte", "value": value });
    let mended = operator.post(&replay, &wish).await.expect("an answer");
    let mended = mended.ok().expect("a report");
    assert_eq!(
        (&mended["applied"], &mended["failed"]),
        (&json!(1), &json!([]))
    );

    let url = world.operations_url("notification", &format!("/dead-letters/{bad}"));
    let kept = operator
        .get(&url)
        .await
        .expect("an answer")
        .ok()
        .expect("it");
    assert_eq!(kept["state"], "replayed");
    assert_eq!(kept["attempts"], 2);
    let original = BASE64.encode(broken.value.as_deref().expect("a value"));
    assert_eq!(
        (&kept["value"], &kept["edited_value"]),
        (&json!(original), &json!(value))
    );
    let mails: i64 = sqlx::query_scalar("SELECT count(*) FROM notifications WHERE subject_id = $1")
        .bind(nobody.to_string())
        .fetch_one(world.pool("notification"))
        .await
        .expect("notifications");
    assert_eq!(mails, 1, "it had its effect");
    world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_many_begins_with_one_and_stops_when_more_fail() {
    let mut world = World::start().await;
    let operator = world.staff("operator-1", "operations");
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.until_quiet().await;
    for _ in 0..5 {
        let nobody = shared::event::new_id();
        let mut bad = copied(
            &world,
            "order.events",
            "ticketrail.order.OrderPlaced",
            nobody,
        )
        .await;
        bad.value = Some(b"no event".to_vec());
        publish(&world, "order.events", &bad).await;
    }
    until_letters(&operator, &world, "inventory", "state=open", 5).await;

    let replay = world.operations_url("inventory", "/dead-letters/replay");
    let wish = json!({ "code": "not-framed", "reason": "after the release" });
    let report = operator.post(&replay, &wish).await.expect("an answer");
    let report = report.ok().expect("a report");
    assert_eq!(report["steps"], json!([[1, 1]]));
    let stopped = report["stopped"].as_str().expect("it says why");
    assert!(stopped.contains("4 were not tried"), "{stopped}");

    for (body, status) in [
        (json!({ "code": "not-framed", "reason": " " }), 422),
        (json!({ "reason": "all of them" }), 422),
        (json!({ "event_id": Uuid::nil(), "reason": "this" }), 404),
    ] {
        let answer = operator.post(&replay, &body).await.expect("an answer");
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let customer = world.client("alice");
    let refused = customer.post(&replay, &wish).await.expect("an answer");
    assert_eq!(refused.status, 403, "{}", refused.body);
    let listed = letters(&operator, &world, "inventory", "code=not-framed").await;
    assert_eq!(listed["groups"][0]["letters"], 5);
    world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_replayed_beside_the_live_group_and_only_what_was_missed_has_an_effect() {
    let mut world = World::start().await;
    let operator = world.staff("operator-1", "operations");
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    world.mails("alice", 2).await;
    world.until_quiet().await;
    let placed: Uuid =
        sqlx::query_scalar("SELECT event_id FROM outbox WHERE type = 'OrderPlaced' AND key = $1")
            .bind(order.to_string())
            .fetch_one(world.pool("order"))
            .await
            .expect("its event");

    // As if a restored backup had forgotten one event and its effect.
    let database = world.pool("notification");
    for statement in [
        "DELETE FROM processed_events WHERE event_id = $1",
        "DELETE FROM notifications WHERE causation_id = $1",
    ] {
        let deleted = sqlx::query(statement).bind(placed).execute(database).await;
        assert_eq!(deleted.expect("deleted").rows_affected(), 1, "{statement}");
    }
    let fences = "SELECT sum(next_offset)::bigint FROM consumer_offsets";
    let before: i64 = sqlx::query_scalar(fences)
        .fetch_one(database)
        .await
        .expect("fences");

    let replay = world.operations_url("notification", "/replay");
    let mut wish = json!({
        "topic": "order.events", "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z",
        "reason": "after a restore", "dry_run": true,
    });
    for (dry_run, applied) in [(true, 1), (false, 1), (false, 0)] {
        wish["dry_run"] = json!(dry_run);
        let answer = operator.post(&replay, &wish).await.expect("an answer");
        let replayed = answer.ok().expect("a report");
        assert_eq!(replayed["applied"], applied, "{replayed}");
        assert_eq!(replayed["records"], 2, "placed and confirmed: {replayed}");
    }
    let after: i64 = sqlx::query_scalar(fences)
        .fetch_one(database)
        .await
        .expect("fences");
    assert_eq!(before, after, "the live group stays where it is");
    world.mails("alice", 3).await;

    wish["topic"] = json!("nobody.events");
    let refused = operator.post(&replay, &wish).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.body);
    world.close_with_dead_letters().await;
}
