//! Who is calling: a JWT, checked against the configured issuer, audience and key.

mod keys;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, bail};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::{header, request::Parts};
use clap::Args;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp,
};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use keys::PublishedKeys;

use super::error::ApiError;
use super::limits;

/// Clocks of issuer and service may differ by this much.
const LEEWAY_S: u64 = 60;
/// Checking a signature is a quarter of what a request costs order, and a caller comes with the
/// same token again. For so long, and never beyond its end, it is not checked anew.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// Whose private key lies in every developer's folder.
pub const DEVELOPMENT_ISSUER: &str = "ticketrail-dev";

#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// Who issues the tokens that are accepted.
    #[arg(long, env = "JWT_ISSUER", default_value = DEVELOPMENT_ISSUER)]
    pub jwt_issuer: String,
    /// The audience a token must name.
    #[arg(long, env = "JWT_AUDIENCE", default_value = "ticketrail")]
    pub jwt_audience: String,
    /// The issuer's public key, as PEM.
    #[arg(long, env = "JWT_PUBLIC_KEY_FILE")]
    pub jwt_public_key_file: Option<PathBuf>,
    /// Where the issuer publishes its keys, instead of a key file. One that is withdrawn there is
    /// accepted for five minutes more, and a minute with a token that was seen before.
    #[arg(long, env = "JWT_JWKS_URL", conflicts_with = "jwt_public_key_file")]
    pub jwt_jwks_url: Option<String>,
    /// The one accepted signature algorithm, so that a token cannot choose.
    #[arg(long, env = "JWT_ALGORITHM", default_value = "EdDSA")]
    pub jwt_algorithm: Algorithm,
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub exp: i64,
    pub nbf: i64,
    /// Space-separated rights.
    #[serde(default)]
    pub scope: String,
}

/// The caller of an endpoint. Taking it as an argument makes the endpoint refuse strangers.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The customer's reference, or the staff member's.
    pub subject: String,
    scopes: Vec<String>,
}

impl Caller {
    pub fn new(subject: impl Into<String>, scopes: &[&str]) -> Self {
        Self {
            subject: subject.into(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }
    }

    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// Rights of staff are scopes: `stock`, `warehouse`, `review`, `operations`.
    pub fn require(&self, scope: &str) -> Result<(), ApiError> {
        if self.has(scope) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!(
            "this needs a token with the scope `{scope}`"
        )))
    }
}

/// Checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    validation: Validation,
    algorithm: Algorithm,
    keys: Keys,
    remembered: Mutex<LruCache<String, Remembered>>,
}

/// What a token was found to say.
struct Remembered {
    caller: Caller,
    exp: i64,
    checked_at: Instant,
}

impl Remembered {
    fn holds(&self) -> bool {
        self.checked_at.elapsed() < REMEMBERED_FOR
            && get_current_timestamp().cast_signed() <= self.exp.saturating_add_unsigned(LEEWAY_S)
    }
}

enum Keys {
    Fixed(DecodingKey),
    Published(PublishedKeys),
}

impl Verifier {
    pub fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        let keys = match (&config.jwt_public_key_file, &config.jwt_jwks_url) {
            (Some(file), _) => {
                let pem = std::fs::read(file).with_context(|| {
                    format!("cannot read JWT_PUBLIC_KEY_FILE {}", file.display())
                })?;
                Keys::Fixed(decoding_key(config.jwt_algorithm, &pem)?)
            }
            (None, Some(url)) => Keys::Published(PublishedKeys::new(url)?),
            (None, None) => bail!("set JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL"),
        };
        let mut validation = Validation::new(config.jwt_algorithm);
        validation.set_issuer(&[&config.jwt_issuer]);
        validation.set_audience(&[&config.jwt_audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Ok(Self(Arc::new(Inner {
            validation,
            algorithm: config.jwt_algorithm,
            keys,
            remembered: Mutex::new(LruCache::new(REMEMBERED_MAX)),
        })))
    }

    pub async fn verify(&self, token: &str) -> Result<Caller, ApiError> {
        if let Some(caller) = self.recall(token) {
            return Ok(caller);
        }
        let claims = self.check(token).await?;
        let remembered = Remembered {
            caller: Caller {
                subject: claims.sub,
                scopes: claims
                    .scope
                    .split_ascii_whitespace()
                    .map(str::to_owned)
                    .collect(),
            },
            exp: claims.exp,
            checked_at: Instant::now(),
        };
        let caller = remembered.caller.clone();
        self.remembered().put(token.to_owned(), remembered);
        Ok(caller)
    }

    fn recall(&self, token: &str) -> Option<Caller> {
        let mut all = self.remembered();
        let known = all.get(token)?;
        known.holds().then(|| known.caller.clone())
    }

    fn remembered(&self) -> MutexGuard<'_, LruCache<String, Remembered>> {
        self.0.remembered.lock().expect("no holder panics")
    }

    async fn check(&self, token: &str) -> Result<Claims, ApiError> {
        let header = decode_header(token).map_err(refused)?;
        if header.alg != self.0.algorithm {
            return Err(ApiError::unauthorized(format!(
                "tokens must be signed with {:?}",
                self.0.algorithm
            )));
        }
        let claims = match &self.0.keys {
            Keys::Fixed(key) => decode::<Claims>(token, key, &self.0.validation),
            Keys::Published(keys) => {
                let kid = header.kid.ok_or_else(|| {
                    ApiError::unauthorized("the token names no key: `kid` is missing")
                })?;
                let key = keys.find(&kid).await?;
                decode::<Claims>(token, &key, &self.0.validation)
            }
        }
        .map_err(refused)?
        .claims;

        if claims.sub.is_empty() || claims.sub.len() > 128 || claims.sub.contains(char::is_control)
        {
            return Err(ApiError::unauthorized("the token's `sub` is not usable"));
        }
        Ok(claims)
    }
}

fn decoding_key(algorithm: Algorithm, pem: &[u8]) -> anyhow::Result<DecodingKey> {
    Ok(match algorithm {
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem)?,
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem)?,
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => DecodingKey::from_rsa_pem(pem)?,
        other => bail!("JWT_ALGORITHM {other:?} is not a public-key algorithm"),
    })
}

fn refused(error: jsonwebtoken::errors::Error) -> ApiError {
    ApiError::unauthorized(format!("the token was refused: {error}"))
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Of two, who stands in between may have looked at the other.
        if limits::count(&parts.headers, header::AUTHORIZATION) > 1 {
            return Err(ApiError::unauthorized(
                "`Authorization` was sent more than once",
            ));
        }
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| {
                ApiError::unauthorized("send `Authorization: Bearer …`, see `ticketrail token`")
            })?;
        Verifier::from_ref(state).verify(token).await
    }
}
