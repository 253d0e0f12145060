//! Bad input gets a clear error, and nothing is lost.

use serde_json::{Value, json};

use crate::harness::world::{World, order_id, order_of};

fn spoiled(spoil: impl FnOnce(&mut Value)) -> Value {
    let mut order = order_of(&[("KETTLE", 1)]);
    spoil(&mut order);
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_order_is_refused_with_the_reason_and_the_field() {
    let world = World::start().await;
    let many: Vec<_> = (0..101)
        .map(|n| json!({ "sku": format!("SKU{n}"), "quantity": 1 }))
        .collect();
    let cases = [
        ("unknown field", spoiled(|order| order["price"] = json!(1))),
        (
            "unknown field inside",
            spoiled(|order| order["lines"][0]["price"] = json!(1)),
        ),
        (
            "customer in the body",
            spoiled(|order| order["customer_id"] = json!("mallory")),
        ),
        ("no lines", spoiled(|order| order["lines"] = json!([]))),
        (
            "lines of another type",
            spoiled(|order| order["lines"] = json!("KETTLE")),
        ),
        ("101 lines", spoiled(|order| order["lines"] = json!(many))),
        (
            "zero",
            spoiled(|order| order["lines"][0]["quantity"] = json!(0)),
        ),
        (
            "negative",
            spoiled(|order| order["lines"][0]["quantity"] = json!(-1)),
        ),
        (
            "half",
            spoiled(|order| order["lines"][0]["quantity"] = json!(1.5)),
        ),
        (
            "huge",
            spoiled(|order| order["lines"][0]["quantity"] = json!(1_000_001)),
        ),
        (
            "beyond 64 bits",
            spoiled(|order| order["lines"][0]["quantity"] = json!(1e30)),
        ),
        (
            "text",
            spoiled(|order| order["lines"][0]["quantity"] = json!("2")),
        ),
        (
            "unknown SKU",
            spoiled(|order| order["lines"][0]["sku"] = json!("UNICORN")),
        ),
        (
            "empty SKU",
            spoiled(|order| order["lines"][0]["sku"] = json!("")),
        ),
        (
            "no destination",
            spoiled(|order| order["ship_to"] = json!(null)),
        ),
        (
            "no such country",
            spoiled(|order| order["ship_to"]["country"] = json!("Germany")),
        ),
        (
            "line break",
            spoiled(|order| order["ship_to"]["name"] = json!("A\r\nBcc: b@example.org")),
        ),
        (
            "endless name",
            spoiled(|order| order["ship_to"]["name"] = json!("x".repeat(5000))),
        ),
        (
            "channel",
            spoiled(|order| order["channel"] = json!("Fax Machine!")),
        ),
        ("an array", json!([1, 2, 3])),
        ("nothing", json!(null)),
    ];
    for (name, order) in cases {
        let key = shared::event::new_id().to_string();
        let answer = world.place_with_key("alice", &key, order).await;
        assert!(
            (400..500).contains(&answer.status.as_u16()),
            "{name}: {} {}",
            answer.status,
            answer.body
        );
        assert!(
            answer.body["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/problems/"))
        );
        assert!(
            answer.body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty()),
            "{name}"
        );
    }
    let placed: i64 = sqlx::query_scalar("SELECT count(*) FROM orders")
        .fetch_one(world.pool("order"))
        .await
        .expect("orders");
    assert_eq!(placed, 0, "none of them became an order");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_refused_without_a_key_without_a_token_and_when_it_is_too_large() {
    let world = World::start().await;
    let url = world.url("order", "/v1/orders");
    let http = reqwest::Client::new();
    let dir = &world.parts.layout.dir;
    let good = ticketrail::dev_keys::token(dir, "alice", "", 60).expect("a token");
    let expired = ticketrail::dev_keys::token(dir, "alice", "", -3600).expect("a token");
    let order = order_of(&[("KETTLE", 1)]);

    let status = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.expect("an answer");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{}",
            answer.status()
        );
        answer.status().as_u16()
    };
    assert_eq!(
        status(http.post(&url).bearer_auth(&good).json(&order)).await,
        400,
        "no key"
    );
    let keyed = || http.post(&url).header("idempotency-key", "k1").json(&order);
    assert_eq!(status(keyed()).await, 401, "no token");
    assert_eq!(
        status(keyed().bearer_auth("nonsense")).await,
        401,
        "no token at all"
    );
    assert_eq!(
        status(keyed().bearer_auth(expired)).await,
        401,
        "an old token"
    );
    let forged = format!("{}x", &good[..good.len() - 1]);
    assert_eq!(
        status(keyed().bearer_auth(forged)).await,
        401,
        "another signature"
    );
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    assert_eq!(status(keyed().bearer_auth(none)).await, 401, "no signature");
    let large = http
        .post(&url)
        .bearer_auth(&good)
        .header("idempotency-key", "k2")
        .header("content-type", "application/json")
        .body(vec![b' '; 65 * 1024]);
    assert_eq!(status(large).await, 413, "over 64 KiB");
    let broken = http
        .post(&url)
        .bearer_auth(&good)
        .header("idempotency-key", "k3")
        .header("content-type", "application/json")
        .body("{\"lines\": [");
    assert_eq!(status(broken).await, 400, "half a body");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customers_order_does_not_exist() {
    let world = World::start().await;
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    let bob = world.client("bob");
    for path in ["", "/timeline", "/stream"] {
        let url = world.url("order", &format!("/v1/orders/{order}{path}"));
        assert_eq!(
            bob.get(&url).await.expect("an answer").status,
            404,
            "{path}"
        );
    }
    let cancel = world.url("order", &format!("/v1/orders/{order}/cancel"));
    assert_eq!(
        bob.post(&cancel, &json!({}))
            .await
            .expect("an answer")
            .status,
        404
    );
    let list = bob
        .get(&world.url("order", "/v1/orders"))
        .await
        .expect("an answer");
    assert!(
        !list
            .ok()
            .expect("a list")
            .to_string()
            .contains(&order.to_string())
    );
    world.until_status("alice", order, "confirmed").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_request_does_not_fail_its_neighbours_in_the_same_flush() {
    let world = World::start().await;
    let place = |reference: &'static str, key: &'static str| {
        let mut order = order_of(&[("MUG", 1)]);
        order["channel"] = json!("amazon");
        order["external_ref"] = json!(reference);
        world.place_with_key("alice", key, order)
    };
    let answers = futures::future::join_all([
        place("A-1", "k1"),
        place("A-2", "k2"),
        place("A-1", "k3"),
        place("A-3", "k4"),
        place("A-1", "k5"),
    ])
    .await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((accepted, refused), (3, 2), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status == 202) {
        world
            .until_status("alice", order_id(&answer.body), "confirmed")
            .await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_paged_and_its_document_is_served() {
    let world = World::start().await;
    for _ in 0..5 {
        let order = world.place("alice", order_of(&[("MUG", 1)])).await;
        world.until_status("alice", order, "confirmed").await;
    }
    let alice = world.client("alice");
    let mut seen = Vec::new();
    let mut url = world.url("order", "/v1/orders?limit=2");
    loop {
        let page = alice
            .get(&url)
            .await
            .expect("an answer")
            .ok()
            .expect("a page");
        let items = page["items"]
            .as_array()
            .or_else(|| page["orders"].as_array());
        seen.extend(items.expect("items").iter().map(order_id));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        url = world.url("order", &format!("/v1/orders?limit=2&cursor={cursor}"));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first: {seen:?}");

    for service in ticketrail::services::NAMES {
        let answer = reqwest::get(world.url(service, "/openapi.json"))
            .await
            .expect("an answer");
        let document: Value = answer.json().await.expect("JSON");
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
    }
    world.close().await;
}
