//! The keys that an issuer publishes. New ones come, and one that is withdrawn must not be
//! accepted for good.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;

use super::ApiError;

/// So long a key that was withdrawn is accepted, and a minute more with a remembered token.
const HELD_FOR: Duration = Duration::from_secs(300);
/// Tokens with keys that nobody knows must not make us ask for each of them.
const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct PublishedKeys {
    url: String,
    http: reqwest::Client,
    held: Mutex<Held>,
    /// Who has it may ask the issuer.
    asked: tokio::sync::Mutex<Asked>,
}

struct Held {
    keys: HashMap<String, DecodingKey>,
    until: Instant,
}

struct Asked {
    answered: bool,
    again_from: Instant,
}

impl PublishedKeys {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            url: url.to_owned(),
            http: reqwest::Client::builder()
                .timeout(ANSWER_WITHIN)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            held: Mutex::new(Held {
                keys: HashMap::new(),
                until: now,
            }),
            asked: tokio::sync::Mutex::new(Asked {
                answered: false,
                again_from: now,
            }),
        })
    }

    pub(super) async fn find(&self, kid: &str) -> Result<DecodingKey, ApiError> {
        let (known, is_old) = {
            let held = self.held();
            let is_old = Instant::now() >= held.until;
            (held.keys.get(kid).cloned(), is_old)
        };
        let answered = match known {
            Some(key) if !is_old => return Ok(key),
            // While one asks, or the issuer is away, the others go on with what they know.
            Some(_) => match self.asked.try_lock() {
                Ok(asked) => self.ask(asked).await,
                Err(_) => true,
            },
            None => self.ask(self.asked.lock().await).await,
        };
        match self.held().keys.get(kid) {
            Some(key) => Ok(key.clone()),
            None if answered => Err(ApiError::unauthorized(format!(
                "the token's key `{kid}` is unknown"
            ))),
            None => Err(ApiError::unavailable(
                "the issuer's keys cannot be read; try again shortly",
            )),
        }
    }

    /// Whether the issuer answered, now or just before.
    async fn ask(&self, mut asked: tokio::sync::MutexGuard<'_, Asked>) -> bool {
        if Instant::now() < asked.again_from {
            return asked.answered;
        }
        let answer = self.read().await;
        asked.again_from = Instant::now() + ASKED_AT_MOST_EVERY;
        asked.answered = answer.is_ok();
        match answer {
            Ok(keys) => {
                let until = Instant::now() + HELD_FOR;
                *self.held() = Held { keys, until };
            }
            Err(error) => tracing::warn!(
                error = %error,
                "Cannot read the issuer's keys from {}: {error}",
                self.url
            ),
        }
        asked.answered
    }

    async fn read(&self) -> reqwest::Result<HashMap<String, DecodingKey>> {
        let answer = self.http.get(&self.url).send().await?;
        let published = answer.error_for_status()?.json::<JwkSet>().await?;
        // A set may hold keys that are for something else.
        let usable = published.keys.iter().filter_map(|key| {
            let kid = key.common.key_id.clone()?;
            Some((kid, DecodingKey::from_jwk(key).ok()?))
        });
        Ok(usable.collect())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::{Value, json};

    use super::{ApiError, PublishedKeys};

    /// Publishes these keys, or has no answer.
    struct Issuer {
        keys: Mutex<Option<Vec<&'static str>>>,
        asked: AtomicUsize,
    }

    impl Issuer {
        async fn start(keys: &[&'static str]) -> (Arc<Self>, PublishedKeys) {
            let issuer = Arc::new(Self {
                keys: Mutex::new(Some(keys.to_vec())),
                asked: AtomicUsize::new(0),
            });
            let asked = Arc::clone(&issuer);
            let app = Router::new().route("/keys", get(move || async move { asked.answer() }));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(async { axum::serve(listener, app).await });
            let keys = PublishedKeys::new(&format!("http://{address}/keys")).expect("a client");
            (issuer, keys)
        }

        fn answer(&self) -> Result<Json<Value>, StatusCode> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let keys = self.keys.lock().expect("keys").clone();
            let keys = keys.ok_or(StatusCode::BAD_GATEWAY)?;
            let jwk =
                |kid| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "A".repeat(43)});
            let keys: Vec<Value> = keys.into_iter().map(jwk).collect();
            Ok(Json(json!({"keys": keys})))
        }

        fn now_publishes(&self, keys: Option<&[&'static str]>) {
            *self.keys.lock().expect("keys") = keys.map(<[_]>::to_vec);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    /// As if minutes had gone by.
    async fn grow_old(keys: &PublishedKeys) {
        keys.held().until = Instant::now();
        keys.asked.lock().await.again_from = Instant::now();
    }

    async fn status(keys: &PublishedKeys, kid: &str) -> StatusCode {
        let found = keys.find(kid).await;
        found.map_or_else(|error: ApiError| error.status(), |_| StatusCode::OK)
    }

    #[tokio::test]
    async fn a_key_comes_and_goes() {
        let (issuer, keys) = Issuer::start(&["first"]).await;
        assert_eq!(status(&keys, "first").await, StatusCode::OK);
        issuer.now_publishes(Some(&["second"]));
        assert_eq!(status(&keys, "first").await, StatusCode::OK);
        assert_eq!(issuer.asked(), 1, "what is held is not asked for");

        grow_old(&keys).await;
        assert_eq!(status(&keys, "first").await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&keys, "second").await, StatusCode::OK);
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn an_issuer_that_is_away_takes_no_key_with_it() {
        let (issuer, keys) = Issuer::start(&["first"]).await;
        assert_eq!(status(&keys, "first").await, StatusCode::OK);
        issuer.now_publishes(None);
        grow_old(&keys).await;
        assert_eq!(status(&keys, "first").await, StatusCode::OK);
        let unknown = status(&keys, "second").await;
        assert_eq!(unknown, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn keys_that_nobody_knows_are_one_question() {
        for (published, expected) in [
            (Some(["first"].as_slice()), StatusCode::UNAUTHORIZED),
            (None, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let (issuer, keys) = Issuer::start(&[]).await;
            issuer.now_publishes(published);
            let strangers: Vec<String> = (0..50).map(|number| format!("key {number}")).collect();
            let answers = strangers.iter().map(|kid| status(&keys, kid));
            let answers = futures::future::join_all(answers).await;
            assert_eq!(answers, [expected; 50]);
            assert_eq!(issuer.asked(), 1);
        }
    }
}
