//! The whole suite as real processes on a machine of its own, to be killed and stopped.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use ticketrail::client::Client;
use ticketrail::local::{self, Layout, Progress, ports};
use ticketrail::verify::{Source, verify};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::parts::{BINARY, parts};
use super::until;
use super::world::order_id;

/// A machine with two cores carries one of these at a time.
static ONE: Mutex<()> = Mutex::const_new(());
static STACKS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Deployed {
    pub(crate) layout: Layout,
    pub(crate) stack: local::Stack,
    /// The launcher stops everything when this closes.
    stdin: Option<ChildStdin>,
    launcher: Child,
    _one: MutexGuard<'static, ()>,
}

impl Deployed {
    pub(crate) async fn start() -> Self {
        let one = ONE.lock().await;
        // Ports are looked for where no other start is under way.
        parts().await;
        let number = STACKS.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("stack-{}-{number}", std::process::id()));
        let offset = ports::find_free_offset().expect("a range of free ports");
        let mut launcher = Command::new(BINARY)
            .args([
                "up",
                "--until-stdin-closes",
                "--port-offset",
                &offset.to_string(),
            ])
            .arg("--dir")
            .arg(&dir)
            .env("WAREHOUSE_STEP_MS", "50")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary under test starts");
        let stdin = launcher.stdin.take();
        let stdout = launcher.stdout.take().expect("it is piped");
        let ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let line = ready
            .await
            .expect("the reader does not panic")
            .expect("its output is text");
        assert_eq!(line.trim(), "ready", "the suite did not start");
        let stack = local::Stack::attach(&dir).expect("it was written down");
        let layout = stack.layout().clone();
        Self {
            layout,
            stack,
            stdin,
            launcher,
            _one: one,
        }
    }

    pub(crate) fn client(&self, subject: &str, scope: &str) -> Client {
        Client::new(&self.layout.dir, subject, scope).expect("a token")
    }

    /// Places an order as a stubborn client does: again under the same key until it is answered.
    pub(crate) async fn place(&self, customer: &str, order: &Value) -> Uuid {
        let client = self.client(customer, "");
        let url = format!("{}/v1/orders", self.layout.endpoints().order);
        let key = shared::event::new_id().to_string();
        until("an order to be acknowledged", async || {
            let answer = client
                .post_once(&url, &key, order)
                .await
                .map_err(|e| e.to_string())?;
            if answer.status == 202 {
                return Ok(order_id(&answer.body));
            }
            assert!(
                answer.status.as_u16() >= 500,
                "{} {}",
                answer.status,
                answer.body
            );
            Err(answer.body.to_string())
        })
        .await
    }

    /// Waits until every order has ended, and returns how each did.
    pub(crate) async fn until_ended(&self, orders: &[(String, Uuid)]) -> Vec<String> {
        let mut ends = Vec::new();
        for (customer, order) in orders {
            let client = self.client(customer, "");
            let url = format!("{}/v1/orders/{order}", self.layout.endpoints().order);
            let end = until(&format!("order {order} to end"), async || {
                let answer = client.get(&url).await.map_err(|error| error.to_string())?;
                match answer.body["status"].as_str() {
                    Some(status @ ("completed" | "cancelled")) => Ok(status.to_owned()),
                    _ => Err(answer.body.to_string()),
                }
            })
            .await;
            ends.push(end);
        }
        ends
    }

    /// The independent checker's word.
    pub(crate) async fn assert_every_law_holds(&self) {
        self.judge(Source::of(&self.layout)).await;
    }

    /// The same after a `kill -9`: spans that were not exported yet are gone with their process.
    pub(crate) async fn assert_every_law_but_traces_holds(&self) {
        let mut source = Source::of(&self.layout);
        source.jaeger = None;
        self.judge(source).await;
    }

    async fn judge(&self, mut source: Source) {
        // Mails that waited for their server are still on their way.
        source.settle = Duration::from_secs(60);
        let report = verify(&source, &Progress::quiet())
            .await
            .unwrap_or_else(|error| panic!("the checker cannot look: {error:#}"));
        assert!(report.ok(), "{report:#?}");
    }

    pub(crate) async fn close(mut self) {
        drop(self.stdin.take());
        let mut launcher = self.launcher;
        let ended = tokio::task::spawn_blocking(move || launcher.wait()).await;
        ended
            .expect("it does not panic")
            .expect("the launcher ends");
        self.layout.wipe().expect("the data may be deleted");
    }
}
