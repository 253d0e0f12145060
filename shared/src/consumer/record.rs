//! A polled record, copied out of the client's buffers.

use chrono::{DateTime, Utc};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::decode::Decoded;
use crate::batch::Reject;
use crate::kafka::headers::Packed;

/// One record of a topic the service reads.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Without the namespace.
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Packed,
    /// When the relay handed it to Kafka.
    pub(crate) published_at: DateTime<Utc>,
    pub(crate) received_at: DateTime<Utc>,
}

/// A record, and what it says: decoded where it is polled, while the batch before it is in its
/// transaction.
pub(crate) struct Arrived<I> {
    pub(crate) record: Record,
    /// Taken by the first attempt; a later one decodes again. Nothing where the schema has still to
    /// be learned.
    pub(crate) decoded: Option<Result<Decoded<I>, Reject>>,
    /// The inbox knows it already, so it is not decoded: it may be what ended a process.
    pub(crate) known: bool,
}

impl<I> From<Record> for Arrived<I> {
    fn from(record: Record) -> Self {
        Self {
            record,
            decoded: None,
            known: false,
        }
    }
}

impl Record {
    pub(crate) fn copy(
        message: &BorrowedMessage<'_>,
        topic: &'static str,
        headers: Packed,
        received_at: DateTime<Utc>,
    ) -> Self {
        let published_at = message
            .timestamp()
            .to_millis()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or(received_at);
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
            published_at,
            received_at,
        }
    }

    /// An id for a record that carries none: its position, which no other record shares.
    pub(crate) fn position_id(&self) -> Uuid {
        let position = format!("{}/{}/{}", self.topic, self.partition, self.offset);
        let digest = Sha256::digest(position);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}
