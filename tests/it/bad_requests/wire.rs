//! Requests that no client library sends, byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::orders::GOOD as BODY;

/// An answer comes at once, or the server waits for more, which is no answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Each begins with a request that must not succeed, and may hide one behind it that would.
pub(super) fn cases(token: &str) -> Vec<(String, Vec<u8>)> {
    let length = BODY.len();
    let authorized = format!("Authorization: Bearer {token}\r\n");
    let post = |headers: &str, body: &str| {
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\n{authorized}Idempotency-Key: raw\r\n\
             Content-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    let get = |line: &str, headers: &str| format!("{line}\r\n{headers}{authorized}\r\n");
    let hidden = get("GET /v1/orders HTTP/1.1", "Host: x\r\n");
    let mut cases = Vec::new();
    let mut say = |what: &str, bytes: String| cases.push((what.to_owned(), bytes.into_bytes()));

    say(
        "two lengths that differ",
        post(
            &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            BODY,
        ),
    );
    say("a negative length", post("Content-Length: -1\r\n", BODY));
    say(
        "a length with a plus",
        post(&format!("Content-Length: +{length}\r\n"), BODY),
    );
    say(
        "a length in hexadecimal",
        post("Content-Length: 0x10\r\n", BODY),
    );
    say(
        "a list of lengths",
        post(&format!("Content-Length: {length}, {length}\r\n"), BODY),
    );
    say(
        "a length beyond 64 bits",
        post("Content-Length: 99999999999999999999\r\n", BODY),
    );
    say("an empty length", post("Content-Length: \r\n", BODY));
    say(
        "chunks that are not last",
        post("Transfer-Encoding: chunked, gzip\r\n", &chunked(BODY)),
    );
    say(
        "a coding that is not chunked",
        post("Transfer-Encoding: xchunked\r\n", &chunked(BODY)),
    );
    say("identity", post("Transfer-Encoding: identity\r\n", BODY));
    say(
        "a vertical tab before chunked",
        post("Transfer-Encoding: \x0bchunked\r\n", &chunked(BODY)),
    );
    say(
        "a space before the colon",
        post("Transfer-Encoding : chunked\r\n", &chunked(BODY)),
    );
    say(
        "a folded header",
        post(
            &format!("Content-Length: {length}\r\nX-A: a\r\n b\r\n"),
            BODY,
        ),
    );
    say(
        "a header without a colon",
        post(&format!("Content-Length: {length}\r\nX-A\r\n"), BODY),
    );
    say(
        "a header without a name",
        post(&format!("Content-Length: {length}\r\n: a\r\n"), BODY),
    );
    say(
        "a zero in a header",
        post(&format!("Content-Length: {length}\r\nX-A: a\0b\r\n"), BODY),
    );
    say(
        "a zero in a header's name",
        post(&format!("Content-Length: {length}\r\nX\0A: a\r\n"), BODY),
    );
    say(
        "a return in a header",
        post(&format!("Content-Length: {length}\r\nX-A: a\rb\r\n"), BODY),
    );
    say(
        "a chunk of no size",
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("\r\n{BODY}\r\n0\r\n\r\n"),
        ),
    );
    say(
        "a chunk of negative size",
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("-1\r\n{BODY}\r\n0\r\n\r\n"),
        ),
    );
    say(
        "a chunk beyond 64 bits",
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("fffffffffffffffff\r\n{BODY}"),
        ),
    );
    say(
        "a chunk that is longer than it says",
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("1\r\n{BODY}\r\n0\r\n\r\n"),
        ),
    );
    say(
        "chunks under HTTP/1.0",
        post("Transfer-Encoding: chunked\r\n", &chunked(BODY)).replace("HTTP/1.1", "HTTP/1.0"),
    );
    say("no host", get("GET /v1/orders HTTP/1.1", ""));
    say(
        "two hosts",
        get("GET /v1/orders HTTP/1.1", "Host: x\r\nHost: y\r\n"),
    );
    say("HTTP/0.9", "GET /v1/orders\r\n".to_owned());
    say("HTTP/1.2", get("GET /v1/orders HTTP/1.2", "Host: x\r\n"));
    say("HTTP/9.9", get("GET /v1/orders HTTP/9.9", "Host: x\r\n"));
    say("two spaces", get("GET  /v1/orders HTTP/1.1", "Host: x\r\n"));
    say(
        "a path with a space",
        get("GET /v1/ orders HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a path with a zero",
        get("GET /v1/\0 HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a path that is not ASCII",
        get("GET /v1/\u{e9} HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a path that goes up",
        get("GET /docs/../v1/orders HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a path without a slash",
        get("GET v1/orders HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a proxy's request",
        get("CONNECT example.org:443 HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a method in lower case",
        get("get /v1/orders HTTP/1.1", "Host: x\r\n"),
    );
    say(
        "a line of 70,000 bytes",
        get(
            &format!("GET /{} HTTP/1.1", "x".repeat(70_000)),
            "Host: x\r\n",
        ),
    );
    say(
        "150 headers",
        get(
            "GET /v1/orders HTTP/1.1",
            &format!("Host: x\r\n{}", "X-A: a\r\n".repeat(150)),
        ),
    );
    say(
        "a megabyte of headers",
        get(
            "GET /v1/orders HTTP/1.1",
            &format!("Host: x\r\nX-A: {}\r\n", "x".repeat(1 << 20)),
        ),
    );
    say(
        "TLS",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
    );
    say("half a request", "GET /v1/or".to_owned());
    say(
        "headers without an end",
        "GET /v1/orders HTTP/1.1\r\nHost: x\r\n".to_owned(),
    );
    say(
        "a body that does not come",
        post(&format!("Content-Length: {}\r\n", length * 2), BODY),
    );
    // With both, the chunks count and the connection ends: what is hidden is never answered.
    let both = format!(
        "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
        hidden.len() + 5
    );
    say(
        "a request hidden behind chunks",
        post(&both, &format!("0\r\n\r\n{hidden}")),
    );
    let swapped = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    say(
        "a request hidden behind a length",
        post(swapped, &format!("0\r\n\r\n{hidden}")),
    );
    cases
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Every answer is a refusal of the sender's, or there is none.
pub(super) async fn wrong(url: &str, what: &str, bytes: &[u8]) -> Option<String> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the service listens");
    // It may be refused before all of it was taken.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.")
        .filter_map(|(at, _)| answer[at..].split(' ').nth(1))
        .collect();
    let refused = statuses.len() <= 1 && statuses.iter().all(|status| status.starts_with('4'));
    (!refused).then(|| format!("{what}: answered {statuses:?}: {answer}"))
}
