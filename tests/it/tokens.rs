//! Tokens as time goes by.

use jsonwebtoken::Algorithm;
use serde_json::json;
use shared::http::auth::{AuthConfig, Verifier};
use ticketrail::dev_keys;

use crate::harness::forge::Forge;
use crate::harness::until;

#[tokio::test]
async fn a_token_that_was_accepted_before_still_ends() {
    let (own, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (own, other) = (own.expect("a folder"), other.expect("a folder"));
    dev_keys::ensure(own.path()).expect("the folder is writable");
    let forge = Forge::new(own.path(), other.path());
    let verifier = Verifier::new(&AuthConfig {
        jwt_issuer: dev_keys::ISSUER.to_owned(),
        jwt_audience: dev_keys::AUDIENCE.to_owned(),
        jwt_public_key_file: Some(dev_keys::public_key_file(own.path())),
        jwt_jwks_url: None,
        jwt_algorithm: Algorithm::EdDSA,
    })
    .expect("a key");
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
