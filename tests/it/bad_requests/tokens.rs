//! Tokens that are none.

use reqwest::Method;
use serde_json::{Value, json};

use super::Case;
use crate::harness::forge::{Forge, unsigned};

/// Of a good token one claim replaced, or taken away by null.
fn claims(subject: &str, name: &str, value: Value) -> Value {
    let mut claims = Forge::claims(subject, "operations");
    let fields = claims.as_object_mut().expect("claims");
    fields.remove(name);
    if !value.is_null() {
        fields.insert(name.to_owned(), value);
    }
    claims
}

pub(super) fn cases(forge: &Forge, subject: &str) -> Vec<Case> {
    let now = shared::clock::process_now().timestamp();
    let header = |name: &str, value: Value| {
        let mut header = json!({"alg": "EdDSA", "typ": "JWT"});
        header[name] = value;
        header
    };
    let plain = json!({"alg": "EdDSA", "typ": "JWT"});
    let good = Forge::claims(subject, "operations");
    let token = forge.sign(&plain, &good);
    let parts: Vec<_> = token.split('.').collect();
    let as_bob = Forge::claims("bob", "operations");

    let mut tokens: Vec<(String, String)> = Vec::new();
    for (name, value) in [
        ("iss", json!("somebody-else")),
        ("iss", json!(null)),
        ("iss", json!("ticketrail-dev ")),
        ("aud", json!("another-service")),
        ("aud", json!(null)),
        ("aud", json!("TICKETRAIL")),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(129))),
        ("sub", json!(1)),
        ("sub", json!(["alice"])),
        ("exp", json!(now - 3600)),
        ("exp", json!(null)),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("nbf", json!(now + 3600)),
        ("nbf", json!(null)),
        ("scope", json!(["operations"])),
    ] {
        let claims = claims(subject, name, value.clone());
        tokens.push((format!("{name} is {value}"), forge.sign(&plain, &claims)));
    }
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "EdDSA2",
    ] {
        let header = header("alg", json!(algorithm));
        tokens.push((
            format!("unsigned, {algorithm:?}"),
            unsigned(&header, &good, ""),
        ));
        tokens.push((format!("signed, {algorithm:?}"), forge.sign(&header, &good)));
    }
    let public = header("alg", json!("HS256"));
    tokens.push((
        "the public key as a secret".to_owned(),
        forge.mix(&public, &good),
    ));
    tokens.push((
        "the public key as a secret, and EdDSA".to_owned(),
        forge.mix(&plain, &good),
    ));
    tokens.push((
        "another issuer's key".to_owned(),
        forge.sign_as_other(&plain, &good),
    ));
    for (name, value) in [
        ("jku", json!("https://example.org/keys.json")),
        (
            "jwk",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43)}),
        ),
        ("x5u", json!("https://example.org/cert.pem")),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' OR '1'='1")),
    ] {
        let header = header(name, value);
        tokens.push((
            format!("another key by {name}"),
            forge.sign_as_other(&header, &good),
        ));
    }
    for (what, token) in [
        (
            "another customer's claims",
            format!(
                "{}.{}.{}",
                parts[0],
                unsigned(&plain, &as_bob, "")
                    .split('.')
                    .nth(1)
                    .expect("claims"),
                parts[2]
            ),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("no third part", format!("{}.{}", parts[0], parts[1])),
        ("a fourth part", format!("{token}.{}", parts[2])),
        ("only a header", parts[0].to_owned()),
        ("only points", "..".to_owned()),
        ("nothing", String::new()),
        ("text", "let me in".to_owned()),
        ("half a signature", token[..token.len() - 40].to_owned()),
        (
            "another first letter of the signature",
            format!(
                "{}.{}.{}{}",
                parts[0],
                parts[1],
                if parts[2].starts_with('A') { 'B' } else { 'A' },
                &parts[2][1..]
            ),
        ),
        ("padding", format!("{token}==")),
        ("a second token behind it", format!("{token}, {token}")),
        ("12 KiB", "x".repeat(12 * 1024)),
    ] {
        tokens.push((what.to_owned(), token));
    }

    let mut cases = Vec::new();
    for (what, token) in tokens {
        for (service, path) in [
            ("order", "/v1/orders"),
            ("notification", "/v1/notifications"),
        ] {
            let what = format!("token: {what}");
            cases.push(Case::new(service, Method::GET, path, what, 401).token(&token));
        }
    }
    for (what, value) in [
        ("Basic", "Basic YWxpY2U6YWxpY2U=".to_owned()),
        ("a bare token", token.clone()),
        ("another scheme", format!("Token {token}")),
        ("a scheme alone", "Bearer".to_owned()),
        ("no space", format!("Bearer{token}")),
        ("two spaces", format!("Bearer  {token}")),
    ] {
        let case = Case::new(
            "order",
            Method::GET,
            "/v1/orders",
            format!("authorization: {what}"),
            401,
        );
        cases.push(case.header("authorization", value));
    }
    for (what, query) in [("access_token", "access_token"), ("token", "token")] {
        let path = format!("/v1/orders?{query}={token}");
        cases.push(Case::new(
            "order",
            Method::GET,
            path,
            format!("{what} in the query"),
            401,
        ));
    }
    cases.push(Case::new(
        "order",
        Method::GET,
        "/v1/orders",
        "no authorization",
        401,
    ));
    cases.push(
        Case::new(
            "order",
            Method::GET,
            "/v1/orders",
            "two authorizations",
            401,
        )
        .token(&token)
        .token("another"),
    );
    cases
}
