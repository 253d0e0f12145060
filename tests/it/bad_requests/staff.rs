//! What staff sends to the other services.

use reqwest::Method;

use super::{Case, There};
use crate::harness::forge::Forge;

const RECEIPT: &str = r#"{"warehouse":"BER","quantity":1,"reason":"delivery note"}"#;
const CORRECTION: &str = r#"{"warehouse":"BER","delta":1,"reason":"counted"}"#;
const THRESHOLD: &str = r#"{"warehouse":"BER","threshold":1}"#;
const CONTACT: &str = r#"{"name":"Alice","email":"alice@example.org"}"#;

/// Of each body one part of its text replaced.
const RECEIPTS: &[(&str, &str, u16)] = &[
    ("\"BER\"", "\"XXX\"", 422),
    ("\"BER\"", "\"BER\\u0000\"", 422),
    ("\"BER\"", "null", 422),
    (":1,", ":0,", 422),
    (":1,", ":-1,", 422),
    (":1,", ":1000001,", 422),
    (":1,", ":1.5,", 422),
    (":1,", ":4294967297,", 422),
    (":1,", ":\"1\",", 422),
    ("delivery note", " ", 422),
    ("delivery note", "a\\nb", 422),
    ("delivery note", "a\\u0000b", 422),
    ("}", ",\"on_hand\":1000}", 422),
    ("}", "", 400),
];
const CORRECTIONS: &[(&str, &str, u16)] = &[
    ("\"BER\"", "\"XXX\"", 422),
    ("\"BER\"", "\"\\u0000\"", 422),
    (":1,", ":0,", 422),
    (":1,", ":-1000001,", 422),
    (":1,", ":-2147483649,", 422),
    ("counted", "", 422),
    ("}", ",\"reserved\":0}", 422),
];
const THRESHOLDS: &[(&str, &str, u16)] = &[
    ("\"BER\"", "\"XXX\"", 422),
    ("\"BER\"", "\"\\u0000\"", 422),
    (":1}", ":-1}", 422),
    (":1}", ":1000000001}", 422),
    (":1}", ":9223372036854775808}", 422),
    (":1}", ":null}", 422),
];
const CONTACTS: &[(&str, &str, u16)] = &[
    ("Alice", "", 422),
    ("Alice", "A\\r\\nBcc: all@example.org", 422),
    ("Alice", "\\u0000", 422),
    ("alice@example.org", "", 422),
    ("alice@example.org", "alice", 422),
    (
        "alice@example.org",
        "alice@example.org, bob@example.org",
        422,
    ),
    (
        "alice@example.org",
        "alice@example.org\\r\\nBcc: bob@example.org",
        422,
    ),
    ("alice@example.org", "alice@exa\\u0000mple.org", 422),
    ("alice@example.org", "<alice@example.org>", 422),
    ("\"alice@example.org\"", "[\"alice@example.org\"]", 422),
    ("}", ",\"customer_id\":\"bob\"}", 422),
];

pub(super) fn cases(forge: &Forge, there: &There) -> Vec<Case> {
    let mut cases = inventory(forge);
    cases.extend(shipment(forge, there));
    cases.extend(fraud(forge, there));
    cases.extend(notification(forge, there));
    let operations = forge.good("staff", "operations");
    for query in [
        "state=lost",
        "older_than=-1s",
        "older_than=%00",
        "cursor=1",
        "limit=0",
        "a=b",
    ] {
        let path = format!("/v1/sagas?{query}");
        cases.push(Case::new("order", Method::GET, path, query, 422).token(&operations));
    }
    cases
}

fn inventory(forge: &Forge) -> Vec<Case> {
    let token = forge.good("staff", "stock");
    let mut cases = Vec::new();
    let mut say = |method: Method, path: &str, good: &str, spoiled: &[(&str, &str, u16)]| {
        for (part, by, expected) in spoiled {
            assert!(good.contains(part), "{part} of {good}");
            let what = format!("{part} becomes {by}");
            let case = Case::new("inventory", method.clone(), path, what, *expected)
                .token(&token)
                .header("idempotency-key", shared::event::new_id().to_string());
            cases.push(case.json(good.replacen(part, by, 1)));
        }
    };
    say(Method::POST, "/v1/stock/KETTLE/receipts", RECEIPT, RECEIPTS);
    say(
        Method::POST,
        "/v1/stock/KETTLE/corrections",
        CORRECTION,
        CORRECTIONS,
    );
    say(
        Method::PUT,
        "/v1/stock/KETTLE/threshold",
        THRESHOLD,
        THRESHOLDS,
    );
    say(
        Method::PUT,
        "/v1/channels/amazon/buffer",
        r#"{"buffer":1}"#,
        &[
            ("1", "-1", 422),
            ("1", "1000001", 422),
            ("1", "null", 422),
            ("{\"buffer\":1}", "[1]", 422),
        ],
    );
    say(
        Method::PUT,
        "/v1/channels/fax/buffer",
        r#"{"buffer":1}"#,
        &[("1", "2", 404)],
    );
    say(
        Method::PUT,
        "/v1/channels/%00/buffer",
        r#"{"buffer":1}"#,
        &[("1", "2", 404)],
    );
    for (sku, expected) in [("a%20b", 422), ("-x", 422), ("%00", 404), ("%ff", 404)] {
        say(
            Method::POST,
            &format!("/v1/stock/{sku}/receipts"),
            RECEIPT,
            &[("1", "2", expected)],
        );
    }
    let endless = "x".repeat(65);
    say(
        Method::POST,
        &format!("/v1/stock/{endless}/receipts"),
        RECEIPT,
        &[("1", "2", 422)],
    );
    for sku in ["UNICORN", "a%20b"] {
        let path = format!("/v1/stock/{sku}/corrections");
        say(Method::POST, &path, CORRECTION, &[("1", "2", 404)]);
        let path = format!("/v1/stock/{sku}/threshold");
        say(Method::PUT, &path, THRESHOLD, &[("1", "2", 404)]);
    }
    for (path, expected) in [
        ("/v1/stock?limit=0", 422),
        ("/v1/stock?limit=201", 422),
        ("/v1/stock?limit=-1", 422),
        ("/v1/stock?cursor=%00", 422),
        ("/v1/stock?offset=1", 422),
        ("/v1/stock/UNICORN", 404),
        ("/v1/stock/%00", 404),
        ("/v1/stock/UNICORN/ledger", 404),
        ("/v1/stock/KETTLE/ledger?cursor=1", 422),
        (
            "/v1/stock/KETTLE/ledger\
             ?cursor=-9000000000000000000_00000000-0000-0000-0000-000000000000_BER",
            422,
        ),
        (
            "/v1/stock/KETTLE/ledger\
             ?cursor=9223372036854775807_00000000-0000-0000-0000-000000000000_BER",
            422,
        ),
        (
            "/v1/stock/KETTLE/ledger?cursor=1_00000000-0000-0000-0000-000000000000_%00",
            422,
        ),
        ("/v1/stock/KETTLE/ledger?limit=201", 422),
    ] {
        cases.push(Case::new("inventory", Method::GET, path, path, expected).token(&token));
    }
    cases
}

fn shipment(forge: &Forge, there: &There) -> Vec<Case> {
    let token = forge.good("staff", "warehouse");
    let mut cases = Vec::new();
    for query in [
        "state=lost",
        "limit=0",
        "limit=201",
        "limit=65536",
        "cursor=1",
        "order_id=1",
        "warehouse=",
        "warehouse=a%20b",
        "warehouse=%00",
        "page=1",
    ] {
        let path = format!("/v1/picking-lists?{query}");
        cases.push(Case::new("shipment", Method::GET, path, query, 422).token(&token));
    }
    for (method, path, expected) in [
        (Method::GET, "not-a-uuid".to_owned(), 404),
        (Method::GET, "%00".to_owned(), 404),
        (Method::GET, there.order.to_string(), 404),
        (Method::POST, format!("{}/pick", there.order), 404),
        (Method::POST, format!("{}/pack", there.list), 409),
        (Method::POST, format!("{}/dispatch", there.list), 409),
        (Method::POST, format!("{}/deliver", there.list), 409),
        (Method::POST, format!("{}/void", there.list), 404),
        (Method::DELETE, there.list.to_string(), 405),
    ] {
        let path = format!("/v1/picking-lists/{path}");
        cases.push(Case::new("shipment", method, path.clone(), path, expected).token(&token));
    }
    for (what, body, expected) in [
        (
            "an unknown parcel",
            r#"{"tracking_number":"X1","status":"delivered"}"#,
            404,
        ),
        (
            "an unknown status",
            r#"{"tracking_number":"X1","status":"lost"}"#,
            422,
        ),
        ("no number", r#"{"status":"delivered"}"#, 422),
        (
            "an empty number",
            r#"{"tracking_number":"","status":"delivered"}"#,
            422,
        ),
        (
            "a number with a zero",
            r#"{"tracking_number":"\u0000","status":"delivered"}"#,
            422,
        ),
        ("an event as a list", r#"["X1","delivered"]"#, 422),
        (
            "a status as an object",
            r#"{"tracking_number":"X1","status":{"delivered":null}}"#,
            422,
        ),
    ] {
        let path = "/v1/carriers/simpost/events";
        cases.push(
            Case::new("shipment", Method::POST, path, what, expected)
                .token(&token)
                .json(body),
        );
    }
    cases
}

fn fraud(forge: &Forge, there: &There) -> Vec<Case> {
    let token = forge.good("staff", "review");
    let approve = format!("/v1/reviews/{}/approve", there.transaction);
    let mut cases = Vec::new();
    let endless = format!(r#"{{"note":"{}"}}"#, "x".repeat(1001));
    for (what, body, expected) in [
        ("an empty note", r#"{"note":""}"#, 422),
        ("a note of spaces", r#"{"note":"  "}"#, 422),
        ("a note of 1001", endless.as_str(), 422),
        ("a note with a zero", r#"{"note":"\u0000"}"#, 422),
        ("no note", "{}", 422),
        ("a note that is a number", r#"{"note":1}"#, 422),
        ("a ruling as a list", r#"["fine"]"#, 422),
        ("a score", r#"{"note":"fine","score":0}"#, 422),
        ("a ruling on what is approved", r#"{"note":"stolen"}"#, 409),
    ] {
        let path = if expected == 409 {
            approve.replace("approve", "block")
        } else {
            approve.clone()
        };
        cases.push(
            Case::new("fraud", Method::POST, path, what, expected)
                .token(&token)
                .json(body),
        );
    }
    for (path, expected) in [
        ("/v1/reviews?limit=0", 422),
        ("/v1/reviews?limit=201", 422),
        ("/v1/reviews?cursor=1", 422),
        ("/v1/reviews/not-a-uuid", 404),
        ("/v1/reviews/%00", 404),
        ("/v1/decisions/not-a-uuid", 404),
        ("/v1/decisions/00000000-0000-0000-0000-000000000000", 404),
    ] {
        cases.push(Case::new("fraud", Method::GET, path, path, expected).token(&token));
    }
    cases
}

fn notification(forge: &Forge, there: &There) -> Vec<Case> {
    let token = forge.good("staff", "operations");
    let mut cases = Vec::new();
    for (part, by, expected) in CONTACTS {
        assert!(CONTACT.contains(part), "{part}");
        let what = format!("{part} becomes {by}");
        let case = Case::new(
            "notification",
            Method::PUT,
            "/v1/contacts/me",
            what,
            *expected,
        );
        cases.push(case.token(&token).json(CONTACT.replacen(part, by, 1)));
    }
    for (method, path, expected) in [
        (Method::GET, "/v1/notifications?limit=0".to_owned(), 422),
        (Method::GET, "/v1/notifications?limit=201".to_owned(), 422),
        (Method::GET, "/v1/notifications?cursor=1".to_owned(), 422),
        (
            Method::GET,
            "/v1/notifications?subject_id=%00".to_owned(),
            422,
        ),
        (
            Method::GET,
            "/v1/notifications?customer_id=bob".to_owned(),
            422,
        ),
        (
            Method::POST,
            "/v1/notifications/not-a-uuid/resend".to_owned(),
            404,
        ),
        (
            Method::POST,
            format!("/v1/notifications/{}/resend", there.order),
            404,
        ),
        (
            Method::GET,
            format!("/v1/notifications/{}/resend", there.notification),
            405,
        ),
        (Method::GET, "/v1/contacts/alice".to_owned(), 404),
        (Method::DELETE, "/v1/contacts/me".to_owned(), 405),
    ] {
        cases.push(Case::new("notification", method, path.clone(), path, expected).token(&token));
    }
    cases
}
