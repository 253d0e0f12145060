//! A simulated provider as a real process, to be slowed down, killed and brought back.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::parts::BINARY;
use super::until;

pub(crate) struct Provider {
    address: String,
    child: Option<Child>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        // Somebody else could take the port before the process does; then it says so and ends.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let mut provider = Self {
            address,
            child: None,
        };
        provider.restart().await;
        provider
    }

    /// At the same address, with nothing remembered.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let child = Command::new(BINARY)
            .args(["provider", "--addr", &self.address])
            .stdin(Stdio::null())
            .spawn();
        self.child = Some(child.expect("the binary under test starts"));
        until("a provider to listen", async || {
            reqwest::get(self.url("/health")).await.map(drop)
        })
        .await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn suffer(&self, faults: Value) {
        let answer = reqwest::Client::new()
            .put(self.url("/faults"))
            .json(&faults)
            .send()
            .await
            .expect("the provider answers");
        assert!(
            answer.status().is_success(),
            "{faults}: {}",
            answer.status()
        );
    }

    /// What it was told, with how often.
    pub(crate) async fn items(&self, collection: &str) -> Result<Vec<Value>, String> {
        let answer = reqwest::get(self.url(&format!("/{collection}"))).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let mut body: Value = answer.json().await.map_err(|error| error.to_string())?;
        match body["items"].take() {
            Value::Array(items) => Ok(items),
            other => Err(format!("no items: {other}")),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.kill();
    }
}
