//! Every route with every kind of credentials: nobody reads or moves what is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::forge::{Forge, unsigned};
use crate::harness::world::{World, order_of};
use crate::harness::{tell, until};

/// A route, and what a valid token gets there. Bad credentials get 401 everywhere.
struct Route {
    service: &'static str,
    method: Method,
    path: &'static str,
    body: Option<Value>,
    /// The customer whose order it is.
    owner: &'static [u16],
    /// Another customer, or staff without the right scope.
    other: &'static [u16],
    /// The right that staff needs there.
    scope: &'static str,
    staff: &'static [u16],
}

const OK: &[u16] = &[200];
const NOT_FOUND: &[u16] = &[404];
const FORBIDDEN: &[u16] = &[403];

impl Route {
    /// For everybody with a token: nothing there is about anybody.
    fn open(service: &'static str, method: Method, path: &'static str) -> Self {
        Self {
            service,
            method,
            path,
            body: None,
            owner: OK,
            other: OK,
            scope: "operations",
            staff: OK,
        }
    }

    /// A customer's own; staff may read it.
    fn own(method: Method, path: &'static str) -> Self {
        Self {
            other: NOT_FOUND,
            ..Self::open("order", method, path)
        }
    }

    /// For staff alone.
    fn staff(
        service: &'static str,
        method: Method,
        path: &'static str,
        scope: &'static str,
    ) -> Self {
        Self {
            owner: FORBIDDEN,
            other: FORBIDDEN,
            scope,
            ..Self::open(service, method, path)
        }
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn told(mut self, staff: &'static [u16]) -> Self {
        self.staff = staff;
        self
    }
}

/// In an order in which staff can do its part.
fn routes() -> Vec<Route> {
    use Method as M;
    let adjust = |field: &str| json!({"warehouse": "BER", field: 1, "reason": "matrix"});
    let place = Route {
        // Not a good order, so that none is placed: who may place one is told what is wrong.
        owner: &[422],
        other: &[422],
        staff: &[422],
        ..Route::open("order", M::POST, "/v1/orders").body(json!({}))
    };
    let cancel = Route {
        owner: &[202],
        staff: NOT_FOUND,
        ..Route::own(M::POST, "/v1/orders/{order_id}/cancel")
    };
    let resend = Route {
        service: "notification",
        owner: &[202],
        staff: &[202],
        ..Route::own(M::POST, "/v1/notifications/{notification_id}/resend")
    };
    let contact = json!({"name": "Somebody", "email": "somebody@example.org"});
    vec![
        Route::open("order", M::GET, "/v1/products"),
        Route::open("order", M::GET, "/v1/orders"),
        place,
        Route::own(M::GET, "/v1/orders/{order_id}"),
        Route::own(M::GET, "/v1/orders/{order_id}/timeline"),
        Route::own(M::GET, "/v1/orders/{order_id}/stream"),
        cancel,
        Route::staff("order", M::GET, "/v1/sagas", "operations"),
        Route::open("inventory", M::GET, "/v1/stock"),
        Route::open("inventory", M::GET, "/v1/stock/{sku}"),
        Route::staff("inventory", M::GET, "/v1/stock/{sku}/ledger", "stock"),
        Route::staff("inventory", M::POST, "/v1/stock/{sku}/receipts", "stock")
            .body(adjust("quantity")),
        Route::staff("inventory", M::POST, "/v1/stock/{sku}/corrections", "stock")
            .body(adjust("delta")),
        Route::staff("inventory", M::PUT, "/v1/stock/{sku}/threshold", "stock")
            .body(json!({"warehouse": "BER", "threshold": 1})),
        Route::open("inventory", M::GET, "/v1/channels"),
        Route::staff(
            "inventory",
            M::PUT,
            "/v1/channels/{channel}/buffer",
            "stock",
        )
        .body(json!({"buffer": 1})),
        Route::staff("shipment", M::GET, "/v1/picking-lists", "warehouse"),
        Route::staff("shipment", M::GET, "/v1/picking-lists/{id}", "warehouse"),
        Route::staff(
            "shipment",
            M::POST,
            "/v1/picking-lists/{id}/pick",
            "warehouse",
        ),
        Route::staff(
            "shipment",
            M::POST,
            "/v1/picking-lists/{id}/pack",
            "warehouse",
        ),
        Route::staff(
            "shipment",
            M::POST,
            "/v1/picking-lists/{id}/dispatch",
            "warehouse",
        ),
        Route::staff(
            "shipment",
            M::POST,
            "/v1/picking-lists/{id}/deliver",
            "warehouse",
        ),
        // No parcel has this number.
        Route::staff(
            "shipment",
            M::POST,
            "/v1/carriers/{carrier}/events",
            "carrier",
        )
        .body(json!({"tracking_number": "NONE", "status": "delivered"}))
        .told(NOT_FOUND),
        Route::open("notification", M::GET, "/v1/notifications"),
        resend,
        Route::open("notification", M::PUT, "/v1/contacts/me").body(contact),
        Route::open("notification", M::GET, "/v1/contacts/me"),
        Route::staff("fraud", M::GET, "/v1/reviews", "review"),
        Route::staff("fraud", M::GET, "/v1/reviews/{transaction_id}", "review"),
        // It was approved by the model, so there is nothing to rule on.
        Route::staff(
            "fraud",
            M::POST,
            "/v1/reviews/{transaction_id}/approve",
            "review",
        )
        .body(json!({"note": "matrix"}))
        .told(&[200, 409]),
        Route::staff(
            "fraud",
            M::POST,
            "/v1/reviews/{transaction_id}/block",
            "review",
        )
        .body(json!({"note": "matrix"}))
        .told(&[409]),
        Route::staff("fraud", M::GET, "/v1/decisions/{order_id}", "review"),
    ]
}

/// A kind of credentials, and its token for a route.
type Kind = (&'static str, Box<dyn Fn(&Forge, &Route) -> Option<String>>);

/// Nobody who comes with these is let in anywhere.
fn strangers(owner: &str) -> Vec<Kind> {
    let plain = || json!({"alg": "EdDSA", "typ": "JWT"});
    let owner = owner.to_owned();
    let claims = {
        let owner = owner.clone();
        move || Forge::claims(&owner, "operations stock warehouse carrier review")
    };
    let with = {
        let claims = claims.clone();
        move |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            claims
        }
    };
    let now = shared::clock::process_now().timestamp();
    let (issuer, audience, expired, early) = (with.clone(), with.clone(), with.clone(), with);
    let (none, mix, other, tampered) = (claims.clone(), claims.clone(), claims.clone(), claims);
    vec![
        ("no token", Box::new(|_, _| None)),
        (
            "a malformed token",
            Box::new(|_, _| Some("abc.def.ghi".to_owned())),
        ),
        (
            "an expired token",
            Box::new(move |forge, _| {
                Some(forge.sign(&plain(), &expired("exp", json!(now - 3600))))
            }),
        ),
        (
            "a token of tomorrow",
            Box::new(move |forge, _| Some(forge.sign(&plain(), &early("nbf", json!(now + 3600))))),
        ),
        (
            "another issuer's name",
            Box::new(move |forge, _| {
                Some(forge.sign(&plain(), &issuer("iss", json!("somebody-else"))))
            }),
        ),
        (
            "another issuer's key",
            Box::new(move |forge, _| Some(forge.sign_as_other(&plain(), &other()))),
        ),
        (
            "another audience",
            Box::new(move |forge, _| {
                Some(forge.sign(&plain(), &audience("aud", json!("another-service"))))
            }),
        ),
        (
            "no algorithm",
            Box::new(move |_, _| Some(unsigned(&json!({"alg": "none"}), &none(), ""))),
        ),
        (
            "the public key as a secret",
            Box::new(move |forge, _| {
                Some(forge.mix(&json!({"alg": "HS256", "typ": "JWT"}), &mix()))
            }),
        ),
        (
            "another's token with the owner's name",
            Box::new(move |forge, _| {
                let bobs = forge.good("bob", "");
                let signature = bobs.rsplit_once('.').map(|(_, signature)| signature)?;
                Some(unsigned(&plain(), &tampered(), signature))
            }),
        ),
    ]
}

struct There {
    order: Uuid,
    /// To be cancelled.
    second: Uuid,
    transaction: Uuid,
    list: Uuid,
    notification: Uuid,
    /// What only the owner and the right staff may read.
    secrets: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_or_moves_what_is_somebody_elses() {
    let world = World::start().await;
    let there = there(&world).await;
    let other = tempfile::tempdir().expect("a folder");
    let forge = Forge::new(&world.parts.layout.dir, other.path());
    let routes = routes();
    every_route_is_listed(&world, &routes).await;

    let (alice, bob) = (world.customer("alice"), world.customer("bob"));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for route in &routes {
        for (kind, token) in strangers(&alice) {
            *seen.entry(kind).or_default() += 1;
            let asked = ask(&world, route, &there, token(&forge, route)).await;
            wrong.extend(asked.wrong(kind, route, &[401], &there.secrets));
        }
        for (kind, token, expected) in [
            ("another customer", forge.good(&bob, ""), route.other),
            (
                "staff without the right",
                forge.good("staff", "canteen"),
                route.other,
            ),
        ] {
            *seen.entry(kind).or_default() += 1;
            let asked = ask(&world, route, &there, Some(token)).await;
            wrong.extend(asked.wrong(kind, route, expected, &there.secrets));
        }
        for (kind, token, expected) in [
            ("the owner", forge.good(&alice, ""), route.owner),
            (
                "staff with the right",
                forge.good("staff", route.scope),
                route.staff,
            ),
        ] {
            *seen.entry(kind).or_default() += 1;
            let asked = ask(&world, route, &there, Some(token)).await;
            wrong.extend(asked.wrong(kind, route, expected, &[]));
        }
    }

    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let count: usize = seen.values().sum();
    tell(&format!(
        "{count} answers: {} routes by {} kinds of credentials, 0 leaks",
        routes.len(),
        seen.len()
    ));
    world.until_status("alice", there.second, "cancelled").await;
    world.close().await;
}

struct Asked {
    url: String,
    status: u16,
    body: String,
}

impl Asked {
    fn wrong(
        &self,
        kind: &str,
        route: &Route,
        expected: &[u16],
        secrets: &[String],
    ) -> Option<String> {
        let Self { url, status, body } = self;
        let at = format!("{kind} at {} {}", route.method, route.path);
        if !expected.contains(status) {
            return Some(format!("{at}: {status}, not {expected:?}: {body}"));
        }
        // What the caller sent may be said back.
        let leaked = secrets
            .iter()
            .find(|secret| body.contains(*secret) && !url.contains(*secret));
        leaked.map(|secret| format!("{at}: leaks {secret}: {body}"))
    }
}

async fn ask(world: &World, route: &Route, there: &There, token: Option<String>) -> Asked {
    let order = if route.path.ends_with("/cancel") {
        there.second
    } else {
        there.order
    };
    let path = route
        .path
        .replace("{order_id}", &order.to_string())
        .replace("{transaction_id}", &there.transaction.to_string())
        .replace("{notification_id}", &there.notification.to_string())
        .replace("{id}", &there.list.to_string())
        .replace("{sku}", "KETTLE")
        .replace("{channel}", "amazon")
        .replace("{carrier}", "simpost");
    let url = world.url(route.service, &path);
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let mut request = http
        .request(route.method.clone(), &url)
        .header("idempotency-key", shared::event::new_id().to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = &route.body {
        request = request.json(body);
    }
    let answer = request.send().await.expect("the service answers");
    let status = answer.status().as_u16();
    // A stream goes on until its order ends; that it began says enough.
    let endless = status == 200 && path.ends_with("/stream");
    let body = if endless {
        String::new()
    } else {
        answer.text().await.expect("a whole answer")
    };
    Asked { url, status, body }
}

/// A route that nobody thought of here fails, and so does one that is gone.
async fn every_route_is_listed(world: &World, routes: &[Route]) {
    let mut served = BTreeSet::new();
    for service in ticketrail::services::NAMES {
        let url = world.url(service, "/openapi.json");
        let answer = reqwest::get(url).await.expect("an answer");
        let document: Value = answer.json().await.expect("JSON");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("operations").keys() {
                served.insert(format!("{service} {} {path}", method.to_uppercase()));
            }
        }
    }
    let listed: BTreeSet<_> = routes
        .iter()
        .map(|route| format!("{} {} {}", route.service, route.method, route.path))
        .collect();
    assert_eq!(listed, served, "say above who may use each route");
}

async fn there(world: &World) -> There {
    let mut secret = order_of(&[("KETTLE", 7)]);
    secret["ship_to"]["name"] = json!("Alice Secretive");
    secret["ship_to"]["street"] = json!("Hidden Lane 7");
    let order = world.place("alice", secret.clone()).await;
    let second = world.place("alice", secret).await;
    // So that somebody else's lists are not empty.
    let bobs = world.place("bob", order_of(&[("MUG", 1)])).await;
    for (customer, order) in [("alice", order), ("alice", second), ("bob", bobs)] {
        world.until_status(customer, order, "confirmed").await;
    }
    let list = world.picking_lists(order, "released").await[0];
    let transaction: Uuid = sqlx::query_scalar("SELECT id FROM transactions WHERE order_id = $1")
        .bind(order)
        .fetch_one(world.pool("fraud"))
        .await
        .expect("fraud's tables");
    let notification: Uuid = until("a mail to be sent", async || {
        let sent: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM notifications WHERE subject_id = $1 AND state = 'sent' LIMIT 1",
        )
        .bind(order.to_string())
        .fetch_optional(world.pool("notification"))
        .await
        .map_err(|error| error.to_string())?;
        sent.ok_or_else(|| "none is".to_owned())
    })
    .await;
    let view = world.order("alice", order).await;
    let total = view["total"]["amount_minor"].as_i64().expect("a total");
    let mut secrets = vec![
        world.customer("alice"),
        "Alice Secretive".to_owned(),
        "Hidden Lane 7".to_owned(),
        format!("\"amount_minor\":{total}"),
    ];
    secrets.extend([order, second, transaction, list, notification].map(|id| id.to_string()));
    There {
        order,
        second,
        transaction,
        list,
        notification,
        secrets,
    }
}
