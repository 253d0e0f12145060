//! A connection on which one customer after another places an order.
//!
//! It speaks just enough HTTP/1.1 for this one request, because on two cores every microsecond of
//! the client is taken from the service.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use shared::event::new_id;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

const BODY: &str = concat!(
    r#"{"lines":[{"sku":"KETTLE","quantity":2},{"sku":"MUG","quantity":1}],"channel":"web","#,
    r#""ship_to":{"name":"Alice Example","street":"Am Markt 1","postal_code":"10115","#,
    r#""city":"Berlin","country":"DE"}}"#,
);
/// An answer is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Longer than any part is away.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
const ASKS_AGAIN: Duration = Duration::from_millis(50);

pub(in crate::bench) struct Counter {
    address: String,
    connection: TcpStream,
    /// All of the request before the customer's token.
    head: String,
    buffer: Vec<u8>,
}

#[derive(Deserialize)]
struct Accepted {
    order_id: Uuid,
}

impl Counter {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let length = BODY.len();
        Ok(Self {
            address: address.to_owned(),
            connection: connect(address).await?,
            head: format!(
                "POST /v1/orders HTTP/1.1\r\nhost: {address}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\
                 authorization: Bearer "
            ),
            buffer: Vec::with_capacity(ANSWER_BYTES_MAX),
        })
    }

    /// The new order's id, once it is durable.
    pub(in crate::bench) async fn place(&mut self, token: &str) -> anyhow::Result<Uuid> {
        self.place_under(new_id(), token).await
    }

    /// Asks again, as whoever has no answer does, until the order is taken.
    pub(in crate::bench) async fn place_at_last(&mut self, token: &str) -> anyhow::Result<Uuid> {
        let (key, begun) = (new_id(), Instant::now());
        loop {
            match self.place_under(key, token).await {
                Err(error) if begun.elapsed() > TAKEN_WITHIN => return Err(error),
                Err(_) => {
                    tokio::time::sleep(ASKS_AGAIN).await;
                    if let Ok(connection) = connect(&self.address).await {
                        self.connection = connection;
                    }
                }
                taken => return taken,
            }
        }
    }

    async fn place_under(&mut self, key: Uuid, token: &str) -> anyhow::Result<Uuid> {
        let head = &self.head;
        let request = format!("{head}{token}\r\nidempotency-key: {key}\r\n\r\n{BODY}");
        self.connection.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.connection.read_buf(&mut self.buffer).await? == 0 {
                bail!("the order service closed a connection");
            }
            if let Some(body) = body(&self.buffer)? {
                return Ok(serde_json::from_slice::<Accepted>(body)?.order_id);
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                bail!("the order service sent an endless answer");
            }
        }
    }
}

async fn connect(address: &str) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// The body of an answer, once all of it is there. Anything but a 202 is an error.
fn body(answer: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (std::str::from_utf8(&answer[..end])?, &answer[end + 4..]);
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.parse().ok())
        .context("an answer says how long it is")?;
    if body.len() < length {
        return Ok(None);
    }
    if head.split(' ').nth(1) != Some("202") {
        bail!("an order was refused: {}", String::from_utf8_lossy(body));
    }
    Ok(Some(&body[..length]))
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for end in 0..answer.len() {
            assert!(matches!(body(&answer[..end]), Ok(None)), "{end}");
        }

        assert_eq!(body(answer).expect("it is right"), Some(b"{}".as_slice()));
    }

    #[test]
    fn a_refusal_is_an_error_with_its_reason() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

        let error = body(answer).expect_err("it was refused");

        assert!(error.to_string().contains("busy"));
    }
}
