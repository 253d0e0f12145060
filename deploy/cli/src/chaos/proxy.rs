//! What lies between a service and its database: everything passes here, and may be held up, cut
//! off, or lost at the worst moment.
//!
//! It reads as much of the protocol as it takes to know whether a transaction is open.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const CHUNK_BYTES: usize = 16 * 1024;
/// The answer to a COMMIT proves that it was carried out.
const COMMIT_WITHIN: Duration = Duration::from_secs(5);

/// Cheap to clone. It ends with the process.
#[derive(Clone)]
pub struct Proxy {
    addr: SocketAddr,
    link: Arc<Link>,
}

struct Link {
    behind: SocketAddr,
    delay_ms: AtomicU64,
    cuts_wanted: AtomicI64,
    cuts_done: AtomicU64,
    transactions: AtomicI64,
    /// Those of them that are a consumer's.
    batches: AtomicI64,
    passing: watch::Sender<Passing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passing {
    /// Nothing passes, and nobody is told.
    held: bool,
    /// Connections that were made before this number changed end.
    era: u64,
}

impl Proxy {
    pub async fn start(behind: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no port is left for a proxy")?;
        let addr = listener.local_addr()?;
        let link = Arc::new(Link {
            behind,
            delay_ms: AtomicU64::new(0),
            cuts_wanted: AtomicI64::new(0),
            cuts_done: AtomicU64::new(0),
            transactions: AtomicI64::new(0),
            batches: AtomicI64::new(0),
            passing: watch::Sender::new(Passing {
                held: false,
                era: 0,
            }),
        });
        let accepting = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let link = Arc::clone(&accepting);
                tokio::spawn(async move {
                    // Its two ends learn of its end from their sockets.
                    let _ = link.carry(client).await;
                });
            }
        });
        Ok(Self { addr, link })
    }

    /// The address of a database behind it, with it in between.
    pub fn url(&self, direct: &str) -> String {
        let Self { addr, link } = self;
        direct.replace(&format!("@{}/", link.behind), &format!("@{addr}/"))
    }

    /// Transactions that were begun and have not ended.
    pub(super) fn transactions(&self) -> i64 {
        self.link.transactions.load(Ordering::Relaxed)
    }

    /// Batches of the consumer in the middle of theirs.
    pub(super) fn batches(&self) -> i64 {
        self.link.batches.load(Ordering::Relaxed)
    }

    pub fn delay(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.link.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// The next COMMITs are sent, and their answers lost together with their connections.
    pub(super) fn cut_after_commit(&self, commits: u64) {
        let commits = i64::try_from(commits).unwrap_or(i64::MAX);
        self.link.cuts_wanted.store(commits, Ordering::Relaxed);
    }

    pub(super) fn cuts_done(&self) -> u64 {
        self.link.cuts_done.load(Ordering::Relaxed)
    }

    pub(super) fn hold(&self) {
        self.link.passing.send_modify(|passing| passing.held = true);
    }

    /// Connections that were held end; new ones pass.
    pub(super) fn release(&self) {
        self.link.passing.send_modify(|passing| {
            passing.held = false;
            passing.era += 1;
        });
    }
}

/// One connection, and whether it has a transaction open.
struct Open<'l> {
    link: &'l Link,
    open: bool,
    is_consumer: bool,
}

impl Open<'_> {
    fn set(&mut self, open: bool) {
        if open != self.open {
            self.open = open;
            let change = if open { 1 } else { -1 };
            self.link.transactions.fetch_add(change, Ordering::Relaxed);
            if self.is_consumer {
                self.link.batches.fetch_add(change, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl Link {
    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut passing = self.passing.subscribe();
        let era = passing.borrow_and_update().era;
        let mut server = TcpStream::connect(self.behind).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut open = Open {
            link: self,
            open: false,
            is_consumer: false,
        };
        let mut closing = false;
        let (mut up, mut down) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        loop {
            while passing.borrow_and_update().held {
                // The sender lives as long as this link.
                let _ = passing.changed().await;
            }
            if passing.borrow().era != era {
                return Ok(());
            }
            tokio::select! {
                _ = passing.changed() => {}
                read = client.read(&mut up) => {
                    let sent = &up[..read?];
                    if sent.is_empty() {
                        return Ok(());
                    }
                    self.wait().await;
                    server.write_all(sent).await?;
                    // The first thing it says is its name.
                    open.is_consumer |= contains(sent, b"/consumer\0");
                    if contains(sent, b"BEGIN") {
                        open.set(true);
                    }
                    closing = contains(sent, b"COMMIT\0") || contains(sent, b"ROLLBACK\0");
                    if contains(sent, b"COMMIT\0") && self.takes_a_cut() {
                        let answer = tokio::time::timeout(COMMIT_WITHIN, server.read(&mut down));
                        if matches!(answer.await, Ok(Ok(1..))) {
                            self.cuts_done.fetch_add(1, Ordering::Relaxed);
                        }
                        return Ok(());
                    }
                }
                read = server.read(&mut down) => {
                    let answered = &down[..read?];
                    if answered.is_empty() {
                        return Ok(());
                    }
                    if closing {
                        open.set(false);
                    }
                    self.wait().await;
                    client.write_all(answered).await?;
                }
            }
        }
    }

    async fn wait(&self) {
        let ms = self.delay_ms.load(Ordering::Relaxed);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    fn takes_a_cut(&self) -> bool {
        let taken = self
            .cuts_wanted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |wanted| {
                (wanted > 0).then(|| wanted - 1)
            });
        taken.is_ok()
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every chunk with what it got.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut chunk = [0; 100];
                    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                        stream.write_all(&chunk[..read]).await.unwrap();
                    }
                });
            }
        });
        addr
    }

    async fn ask(stream: &mut TcpStream, what: &[u8]) -> Vec<u8> {
        stream.write_all(what).await.unwrap();
        let mut answer = [0; 100];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        answer[..read].to_vec()
    }

    #[tokio::test]
    async fn a_commit_is_sent_and_its_answer_is_lost() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.addr).await.unwrap();

        assert_eq!(ask(&mut stream, b"QBEGIN\0").await, b"QBEGIN\0");
        assert_eq!(proxy.transactions(), 1);
        proxy.cut_after_commit(1);
        assert_eq!(ask(&mut stream, b"QCOMMIT\0").await, b"");

        assert_eq!(proxy.cuts_done(), 1);
        assert_eq!(proxy.transactions(), 0);
        let mut stream = TcpStream::connect(proxy.addr).await.unwrap();
        assert_eq!(ask(&mut stream, b"QCOMMIT\0").await, b"QCOMMIT\0");
    }

    #[tokio::test]
    async fn what_was_held_ends_and_what_is_new_passes() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut old = TcpStream::connect(proxy.addr).await.unwrap();
        assert_eq!(ask(&mut old, b"one").await, b"one");

        proxy.hold();
        let silent = tokio::time::timeout(Duration::from_millis(50), ask(&mut old, b"two"));
        assert!(silent.await.is_err());
        proxy.release();

        assert_eq!(old.read(&mut [0; 10]).await.unwrap_or(0), 0);
        let mut new = TcpStream::connect(proxy.addr).await.unwrap();
        assert_eq!(ask(&mut new, b"three").await, b"three");
    }
}
