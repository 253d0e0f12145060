//! A producer that says what no client library lets us say: headers whose names are not text.

use ticketrail::poison::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PRODUCE: i16 = 0;
const VERSION: i16 = 3;

/// Puts a record on partition 0, with one more header of this name.
pub(crate) async fn publish(kafka: &str, namespace: &str, record: &Record, name: &[u8]) {
    let topic = format!("{namespace}{}", record.topic.0);
    let mut request = Vec::new();
    request.extend(PRODUCE.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    request.extend(text("wire"));
    // No transaction, every replica, ten seconds, one topic.
    request.extend((-1_i16).to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(10_000_i32.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    request.extend(text(&topic));
    request.extend(1_i32.to_be_bytes());
    request.extend(0_i32.to_be_bytes());
    request.extend(counted(&batch(record, name)));

    let mut stream = TcpStream::connect(kafka).await.expect("Kafka listens");
    stream
        .write_all(&counted(&request))
        .await
        .expect("it takes the request");
    let length = stream.read_i32().await.expect("it answers");
    let mut answer = vec![0; usize::try_from(length).expect("a length")];
    stream
        .read_exact(&mut answer)
        .await
        .expect("a whole answer");
    // Correlation id, one topic, its name, one partition, its number; then the error.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(answer[at..at + 2], [0, 0], "Kafka refuses the record");
}

fn batch(record: &Record, name: &[u8]) -> Vec<u8> {
    let now = shared::clock::process_now().timestamp_millis();
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes());
    checked.extend(0_i32.to_be_bytes());
    checked.extend(now.to_be_bytes());
    checked.extend(now.to_be_bytes());
    // No producer id, epoch or sequence; one record.
    checked.extend([0xff; 8 + 2 + 4]);
    checked.extend(1_i32.to_be_bytes());
    let body = body(record, name);
    checked.extend(varint(Some(body.len())));
    checked.extend(body);

    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes());
    let length = i32::try_from(checked.len() + 9).expect("a small batch");
    batch.extend(length.to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn body(record: &Record, name: &[u8]) -> Vec<u8> {
    // No attributes, no time or offset of its own.
    let mut body = vec![0, 0, 0];
    bytes(&mut body, record.key.as_deref());
    bytes(&mut body, record.value.as_deref());
    body.extend(varint(Some(record.headers.len() + 1)));
    for (name, value) in &record.headers {
        bytes(&mut body, Some(name.as_bytes()));
        bytes(&mut body, value.as_deref());
    }
    bytes(&mut body, Some(name));
    bytes(&mut body, Some(b"1"));
    body
}

fn bytes(into: &mut Vec<u8>, value: Option<&[u8]>) {
    into.extend(varint(value.map(<[u8]>::len)));
    into.extend(value.unwrap_or_default());
}

/// Zigzag; nothing is -1.
fn varint(value: Option<usize>) -> Vec<u8> {
    let mut rest = value.map_or(1, |value| value << 1);
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len()).expect("a small request");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
