//! Bad requests by hand, to every service: each is refused with a reason, and changes nothing.

mod orders;
mod requests;
mod staff;
mod tokens;
mod wire;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::harness::driver::effects;
use crate::harness::forge::Forge;
use crate::harness::world::{World, order_of};
use crate::harness::{tell, until};

/// One bad request and how it has to be refused.
struct Case {
    what: String,
    service: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Option<Vec<u8>>,
    expected: u16,
}

/// What a bad request may name that is really there.
struct There {
    order: Uuid,
    transaction: Uuid,
    list: Uuid,
    notification: Uuid,
}

impl Case {
    fn new(
        service: &'static str,
        method: Method,
        path: impl Into<String>,
        what: impl Into<String>,
        expected: u16,
    ) -> Self {
        Self {
            what: what.into(),
            service,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            expected,
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    fn json(self, body: impl Into<Vec<u8>>) -> Self {
        let mut case = self.header("content-type", "application/json");
        case.body = Some(body.into());
        case
    }

    /// Nothing where the answer is as it should be.
    async fn wrong(&self, world: &World, http: &reqwest::Client) -> Option<String> {
        let url = world.url(self.service, &self.path);
        let mut request = http.request(self.method.clone(), url);
        for (name, value) in &self.headers {
            request = request.header(*name, value.as_slice());
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Some(format!("{}: no answer: {error}", self.what)),
        };
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").cloned();
        let body: Value = answer.json().await.unwrap_or_default();
        let problem = kind.is_some_and(|kind| kind == "application/problem+json")
            && body["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/problems/"))
            && body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
            && body["status"] == status;
        let right = status == self.expected && problem;
        (!right).then(|| {
            let Self {
                what,
                service,
                method,
                path,
                expected,
                ..
            } = self;
            format!("{what}: {method} {path} of {service}: {status}, not {expected}: {body}")
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_refused_with_a_reason_and_changes_nothing() {
    let world = World::start().await;
    let there = there(&world).await;
    let before = everything(&world).await;
    let other = tempfile::tempdir().expect("a folder");
    let forge = Forge::new(&world.parts.layout.dir, other.path());
    let customer = forge.good(&world.customer("alice"), "");

    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    // A connection that a refusal closed must not be taken for the next request.
    let http = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .expect("a client");
    for (group, cases) in [
        ("orders", orders::bodies(&customer)),
        ("headers", requests::headers(&customer)),
        ("paths and queries", requests::paths(&customer, &there)),
        ("staff", staff::cases(&forge, &there)),
        ("tokens", tokens::cases(&forge, &world.customer("alice"))),
    ] {
        groups.insert(group, cases.len());
        for case in cases {
            wrong.extend(case.wrong(&world, &http).await);
        }
    }
    let order = world.url("order", "");
    let raw = wire::cases(&customer);
    groups.insert("raw", raw.len());
    for (what, bytes) in &raw {
        wrong.extend(wire::wrong(&order, what, bytes).await);
    }

    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(
        everything(&world).await,
        before,
        "nothing was changed by any of them"
    );
    let count: usize = groups.values().sum();
    assert!(count >= 120);
    tell(&format!(
        "{count} bad requests refused, 0 server errors: {groups:?}"
    ));
    world.close().await;
}

/// An order that is confirmed and told of, and what belongs to it.
async fn there(world: &World) -> There {
    let order = world.place("alice", order_of(&[("KETTLE", 1)])).await;
    world.until_status("alice", order, "confirmed").await;
    let list = world.picking_lists(order, "released").await[0];
    let transaction = sqlx::query_scalar("SELECT id FROM transactions WHERE order_id = $1")
        .bind(order)
        .fetch_one(world.pool("fraud"))
        .await
        .expect("fraud's tables");
    let notification = until("both mails to be sent", async || {
        let sent: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM notifications WHERE subject_id = $1 AND state = 'sent'",
        )
        .bind(order.to_string())
        .fetch_all(world.pool("notification"))
        .await
        .map_err(|error| error.to_string())?;
        if let [first, _] = sent[..] {
            Ok(first)
        } else {
            Err(format!("{} are", sent.len()))
        }
    })
    .await;
    // The feed of levels speaks once a second.
    until("the feed to have told of the order", async || {
        let untold: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM skus
             JOIN (SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved
                   FROM stock
                   GROUP BY sku) AS levels USING (sku)
             WHERE (published_on_hand, published_reserved) IS DISTINCT FROM (on_hand, reserved)",
        )
        .fetch_one(world.pool("inventory"))
        .await
        .map_err(|error| error.to_string())?;
        if untold == 0 {
            Ok(())
        } else {
            Err(format!("{untold} levels are untold"))
        }
    })
    .await;
    world.until_quiet().await;
    There {
        order,
        transaction,
        list,
        notification,
    }
}

/// Every row of every service.
async fn everything(world: &World) -> Vec<String> {
    let mut rows = Vec::new();
    for service in ticketrail::services::NAMES {
        rows.extend(effects(world.pool(service)).await);
    }
    rows
}
