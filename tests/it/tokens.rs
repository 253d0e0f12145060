//! Tokens as time goes by, and as an issuer publishes the keys for them.

use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use shared::http::auth::{AuthConfig, Verifier};
use tempfile::TempDir;
use ticketrail::dev_keys;

use crate::harness::forge::Forge;
use crate::harness::until;

#[tokio::test]
async fn a_token_that_was_accepted_before_still_ends() {
    let (own, forge) = forge();
    let key = dev_keys::public_key_file(own.path());
    let verifier = verifier(|auth| auth.jwt_public_key_file = Some(key));
    let mut claims = Forge::claims("alice", "");
    // Over, but by less than clocks may differ; in five seconds by more.
    claims["exp"] = json!(shared::clock::process_now().timestamp() - 55);
    let token = forge.sign(&json!({"alg": "EdDSA", "typ": "JWT"}), &claims);
    let accepted = verifier.verify(&token).await.expect("it is not over yet");
    assert_eq!(accepted.subject, "alice");
    until("the token to be refused", async || {
        match verifier.verify(&token).await {
            Ok(caller) => Err(format!("{} is let in", caller.subject)),
            Err(_) => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_checked_with_the_published_key_that_it_names() {
    let (_own, forge) = forge();
    let other_use = json!({"kty": "RSA", "use": "enc", "kid": "other", "n": "AQAB", "e": "AQAB"});
    let url = publish(json!({"keys": [other_use, forge.jwk("2026")]})).await;
    let verifier = verifier(|auth| auth.jwt_jwks_url = Some(url));
    let names = |kid| json!({"alg": "EdDSA", "typ": "JWT", "kid": kid});
    let claims = Forge::claims("alice", "stock");

    let accepted = verifier.verify(&forge.sign(&names("2026"), &claims)).await;
    let caller = accepted.expect("a good token");
    assert!(caller.subject == "alice" && caller.has("stock"));
    for (what, token, says) in [
        (
            "no key's name",
            forge.good("alice", "stock"),
            "`kid` is missing",
        ),
        (
            "an unknown key's name",
            forge.sign(&names("2025"), &claims),
            "`2025` is unknown",
        ),
        (
            "the name of a key for something else",
            forge.sign(&names("other"), &claims),
            "refused",
        ),
        (
            "a signature by another key",
            forge.sign_as_other(&names("2026"), &claims),
            "refused",
        ),
    ] {
        let error = verifier.verify(&token).await.expect_err(what);
        assert_eq!(error.status().as_u16(), 401, "{what}");
        assert!(format!("{error:?}").contains(says), "{what}: {error:?}");
    }
}

/// Makes good tokens, as long as the folder is there.
fn forge() -> (TempDir, Forge) {
    let (own, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (own, other) = (own.expect("a folder"), other.expect("a folder"));
    dev_keys::ensure(own.path()).expect("the folder is writable");
    let forge = Forge::new(own.path(), other.path());
    (own, forge)
}

fn verifier(keys: impl FnOnce(&mut AuthConfig)) -> Verifier {
    let mut auth = AuthConfig {
        jwt_issuer: dev_keys::ISSUER.to_owned(),
        jwt_audience: dev_keys::AUDIENCE.to_owned(),
        jwt_public_key_file: None,
        jwt_jwks_url: None,
        jwt_algorithm: Algorithm::EdDSA,
    };
    keys(&mut auth);
    Verifier::new(&auth).expect("keys, or where they are")
}

/// As an issuer does, for as long as the test runs.
async fn publish(keys: Value) -> String {
    let app = Router::new().route("/keys", get(move || async move { Json(keys) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, app).await });
    format!("http://{address}/keys")
}
