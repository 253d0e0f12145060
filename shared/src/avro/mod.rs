//! Avro in Confluent wire format: a zero byte, the schema id, the datum.
//!
//! - A running service looks ids up and **never registers**; what it has learned lies in its
//!   `schema_ids`, so it starts and runs while the registry is down.
//! - Decoding always ends in the reader's schema, checks the record's name, and wants every byte
//!   consumed.

mod codec;
mod frame;
mod recursion;
pub mod registry;

pub use codec::{Codec, DecodeError, Learned, remember};
pub use frame::{frame, unframe};

use apache_avro::Schema;

/// What a corrupt length may ask for at most; the library's own default is 512 MiB.
const ALLOCATION_BYTES_MAX: usize = 1024 * 1024;

/// Both settings are process-wide and the first use wins, so the codec insists on having been it.
/// Whoever decodes without a codec calls this first.
///
/// # Panics
///
/// When somebody used the library before.
pub fn configure_library() {
    assert_eq!(
        apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX),
        ALLOCATION_BYTES_MAX,
        "somebody decoded Avro before the codec was made"
    );
    assert!(
        apache_avro::util::set_serde_human_readable(true),
        "somebody used Avro's serde before the codec was made; UUIDs would not encode"
    );
}

/// `ticketrail.order.OrderPlaced`.
pub fn full_name(schema: &Schema) -> Option<String> {
    match schema {
        Schema::Record(record) => Some(record.name.fullname(None)),
        _ => None,
    }
}
