//! What stands around an order: keys, headers, paths, methods and queries.

use reqwest::Method;

use super::orders::GOOD;
use super::{Case, There};

/// Keys, content types and encodings, and headers without end, around a good order.
pub(super) fn headers(token: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let post = |what: &str, expected| {
        Case::new("order", Method::POST, "/v1/orders", what, expected).token(token)
    };
    cases.push(post("no key", 400).json(GOOD));
    let endless = "k".repeat(129);
    for (what, key) in [
        ("an empty key", &b""[..]),
        ("a key of spaces", b"   "),
        ("a key with a space", b"a b"),
        ("a key with a tab", b"a\tb"),
        ("a key of 129", endless.as_bytes()),
        ("a key with one quote", b"\"abc"),
        ("a key of quotes", b"\"\""),
        ("a key with a quote inside", b"\"a\"b\""),
        ("a key with a backslash", b"\"a\\b\""),
        ("a key that is not ASCII", "schlüssel".as_bytes()),
        ("a key that is not UTF-8", b"\xff\xfe"),
    ] {
        cases.push(post(what, 400).header("idempotency-key", key).json(GOOD));
    }
    let keyed = |what: &str, expected| {
        post(what, expected).header("idempotency-key", shared::event::new_id().to_string())
    };
    cases.push(
        keyed("two keys", 400)
            .header("idempotency-key", "another")
            .json(GOOD),
    );
    for kind in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonp",
        "json",
        "",
    ] {
        let mut case = keyed(&format!("content type {kind:?}"), 415).header("content-type", kind);
        case.body = Some(GOOD.into());
        cases.push(case);
    }
    let mut untyped = keyed("no content type", 415);
    untyped.body = Some(GOOD.into());
    cases.push(untyped);
    for coding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "identity, gzip",
        "x-unknown",
    ] {
        cases.push(
            keyed(&format!("content encoding {coding}"), 415)
                .header("content-encoding", coding)
                .json(GOOD),
        );
    }
    // A bomb that says what it is: 64 KiB of zeros and more in some bytes.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xff; 200]].concat();
    cases.push(
        keyed("a compressed bomb", 415)
            .header("content-encoding", "gzip")
            .json(bomb),
    );
    cases.push(
        keyed("a header of 17 KiB", 431)
            .header("x-padding", "x".repeat(17 * 1024))
            .json(GOOD),
    );
    let mut many = keyed("80 headers of 300 bytes", 431).json(GOOD);
    for _ in 0..80 {
        many = many.header("x-padding", "x".repeat(300));
    }
    cases.push(many);
    cases.push(
        keyed("a cookie of 20 KiB", 431)
            .header("cookie", "a=b; ".repeat(4096))
            .json(GOOD),
    );
    cases
}

/// Paths, methods and queries.
pub(super) fn paths(token: &str, there: &There) -> Vec<Case> {
    let There { order, .. } = there;
    let mut cases = Vec::new();
    let mut say = |method: Method, path: String, expected| {
        let what = format!("{method} {path}");
        cases.push(Case::new("order", method, path, what, expected).token(token));
    };
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/orders/",
        "/v2/orders",
        "/V1/ORDERS",
        "//v1/orders",
        "/v1//orders",
        "/v1/orders;a=b",
        "/v1/orders%2f",
        "/v1%2forders",
        "/v1/orders.json",
        "/metrics",
        "/health/ready",
        "/admin",
        "/.env",
        "/.git/config",
        "/docs/%2e%2e/%2e%2e/etc",
        "/v1/orders/not-a-uuid",
        "/v1/orders/1",
        "/v1/orders/-1",
        "/v1/orders/%00",
        "/v1/orders/%ff",
        "/v1/orders/%",
        "/v1/orders/%zz",
        "/v1/orders/%e2%80%ae",
        "/v1/orders/00000000-0000-0000-0000-000000000000",
        "/v1/orders/ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        say(Method::GET, path.to_owned(), 404);
    }
    say(Method::GET, format!("/v1/orders/{order}/"), 404);
    say(Method::GET, format!("/v1/orders/{order}%00"), 404);
    say(Method::GET, format!("/v1/orders/{order}/refund"), 404);
    say(Method::GET, format!("/v1/orders/{}", "x".repeat(8000)), 404);
    say(Method::POST, "/v1/orders/not-a-uuid/cancel".to_owned(), 404);
    for method in [
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        say(method.clone(), "/v1/orders".to_owned(), 405);
        say(method, format!("/v1/orders/{order}"), 405);
    }
    let dreamt = Method::from_bytes(b"DREAM").expect("a method may be any word");
    say(dreamt, "/v1/orders".to_owned(), 405);
    say(Method::POST, format!("/v1/orders/{order}"), 405);
    say(Method::GET, format!("/v1/orders/{order}/cancel"), 405);
    say(Method::POST, "/v1/products".to_owned(), 405);
    for query in [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=256",
        "limit=1e1",
        "limit=1.0",
        "limit=",
        "limit",
        "limit=ten",
        "limit=%00",
        "limit=1&limit=2",
        "limit[]=1",
        "limit=99999999999999999999",
        "status=lost",
        "status=PENDING",
        "status=",
        "status=pending&status=completed",
        "cursor=",
        "cursor=AAAA",
        "cursor=%00",
        "cursor=%ff",
        "cursor=' OR 1=1",
        "cursor=../..",
        "customer_id=bob",
        "owner=bob",
        "page=2",
        "sort=total",
    ] {
        say(Method::GET, format!("/v1/orders?{query}"), 422);
    }
    say(
        Method::GET,
        format!("/v1/orders?cursor={}", "A".repeat(4000)),
        422,
    );
    for query in [
        "wait=31s",
        "wait=-1s",
        "wait=1h",
        "wait=1e3",
        "wait=10%C3%A9",
        "wait=",
        "wait=forever",
        "wait=99999999999999999999s",
        "wait=1s&wait=2s",
        "timeout=1s",
    ] {
        say(Method::GET, format!("/v1/orders/{order}?{query}"), 422);
    }
    cases
}
