//! The development issuer's key pair, made at first use. Nobody else should trust it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use shared::http::auth::Claims;

/// The fixed head of an Ed25519 public key in X.509 form (RFC 8410).
const SPKI_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0,
];
pub const ISSUER: &str = shared::http::auth::DEVELOPMENT_ISSUER;
pub const AUDIENCE: &str = "ticketrail";

pub fn public_key_file(dir: &Path) -> PathBuf {
    dir.join("dev-issuer.pub.pem")
}

fn private_key_file(dir: &Path) -> PathBuf {
    dir.join("dev-issuer.key.pem")
}

/// Makes the pair where there is none.
pub fn ensure(dir: &Path) -> anyhow::Result<()> {
    if public_key_file(dir).exists() && private_key_file(dir).exists() {
        return Ok(());
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| anyhow::anyhow!("the operating system gave no randomness"))?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
        .map_err(|error| anyhow::anyhow!("the new key is not usable: {error}"))?;
    let public = [&SPKI_HEAD[..], pair.public_key().as_ref()].concat();
    write(&private_key_file(dir), "PRIVATE KEY", pkcs8.as_ref(), 0o600)?;
    write(&public_key_file(dir), "PUBLIC KEY", &public, 0o644)
}

fn write(file: &Path, label: &str, der: &[u8], mode: u32) -> anyhow::Result<()> {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    let pem = format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    );
    fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(file)
        .and_then(|mut file| file.write_all(pem.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// A token for a customer or a member of staff.
pub fn token(dir: &Path, subject: &str, scope: &str, valid_s: i64) -> anyhow::Result<String> {
    let file = private_key_file(dir);
    let pem = fs::read(&file).with_context(|| {
        format!(
            "cannot read {}; `ticketrail up` or `ticketrail init` makes it",
            file.display()
        )
    })?;
    let now = shared::clock::process_now().timestamp();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: subject.to_owned(),
        exp: now + valid_s,
        nbf: now,
        scope: scope.to_owned(),
    };
    Ok(jsonwebtoken::encode(
        &Header::new(Algorithm::EdDSA),
        &claims,
        &EncodingKey::from_ed_pem(&pem)?,
    )?)
}
