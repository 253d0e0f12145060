//! Tokens as somebody might make them, good and bad.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use ticketrail::dev_keys::{AUDIENCE, ISSUER};

pub(crate) struct Forge {
    own: EncodingKey,
    /// The issuer's public key as its file has it, which everybody knows.
    public: Vec<u8>,
    /// Of another issuer.
    other: EncodingKey,
}

impl Forge {
    pub(crate) fn new(dir: &Path, other: &Path) -> Self {
        ticketrail::dev_keys::ensure(other).expect("the folder is writable");
        let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).expect("a key");
        let key = |folder| {
            let pem = read(folder, "dev-issuer.key.pem");
            EncodingKey::from_ed_pem(&pem).expect("a key")
        };
        Self {
            own: key(dir),
            public: read(dir, "dev-issuer.pub.pem"),
            other: key(other),
        }
    }

    /// What a good token says.
    pub(crate) fn claims(subject: &str, scope: &str) -> Value {
        let now = shared::clock::process_now().timestamp();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scope,
            "nbf": now - 1, "exp": now + 600,
        })
    }

    pub(crate) fn good(&self, subject: &str, scope: &str) -> String {
        self.sign(
            &json!({"alg": "EdDSA", "typ": "JWT"}),
            &Self::claims(subject, scope),
        )
    }

    /// Signed by the right key, whatever it says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, &self.own, Algorithm::EdDSA)
    }

    pub(crate) fn sign_as_other(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, &self.other, Algorithm::EdDSA)
    }

    /// What checks a good token, as an issuer publishes it.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let pem = std::str::from_utf8(&self.public).expect("text");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).expect("base64");
        // The key itself is the last 32 bytes of its envelope.
        let x = URL_SAFE_NO_PAD.encode(&der[der.len() - 32..]);
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x})
    }

    /// With the public key taken for a secret.
    pub(crate) fn mix(&self, header: &Value, claims: &Value) -> String {
        let secret = EncodingKey::from_secret(&self.public);
        signed(header, claims, &secret, Algorithm::HS256)
    }
}

/// Header and claims with this in place of a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", encoded(header), encoded(claims))
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let said = format!("{}.{}", encoded(header), encoded(claims));
    let signature = crypto::sign(said.as_bytes(), key, algorithm).expect("a signature");
    format!("{said}.{signature}")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
