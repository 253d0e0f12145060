//! The suite's HTTP APIs, as a customer or a member of staff uses them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::dev_keys;

/// A caller with a token of the development issuer.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    token: String,
}

/// What an API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a success, or the problem as an error.
    pub fn ok(self) -> anyhow::Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let detail = self.body["detail"].as_str().map(str::to_owned);
        bail!(
            "{}: {}",
            self.status,
            detail.unwrap_or_else(|| self.body.to_string())
        )
    }
}

impl Client {
    pub fn new(keys: &Path, subject: &str, scope: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            // A proxy of the surroundings has no business on the loopback interface.
            .no_proxy()
            .timeout(std::time::Duration::from_secs(45))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            http,
            token: dev_keys::token(keys, subject, scope, 3600)?,
        })
    }

    pub async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, url, None, None).await
    }

    pub async fn post(&self, url: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, url, Some(body), None).await
    }

    pub async fn put(&self, url: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, url, Some(body), None).await
    }

    /// A write that may safely be sent again under the same key.
    pub async fn post_once(&self, url: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, url, Some(body), Some(key)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("no answer from {url}: is it up?"))?;
        let status = answer.status();
        let body = answer.json().await.unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }
}

/// Where the parts of a running stack are.
pub(crate) fn layout(stack: &crate::Stack) -> anyhow::Result<crate::local::Layout> {
    let attached = crate::local::Stack::attach(&stack.dir);
    Ok(match attached {
        Ok(attached) => attached.layout().clone(),
        // A stack of containers writes nothing down, and has the same ports.
        Err(_) => crate::local::Layout::new(PathBuf::from(&stack.dir), stack.port_offset)?,
    })
}
