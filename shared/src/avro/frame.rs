//! The five bytes before each datum.

/// Puts the schema's id before what `encode` writes.
pub fn frame<E>(
    schema_id: u32,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    // Most events are smaller; a larger one grows once or twice.
    let mut bytes = Vec::with_capacity(256);
    bytes.push(0);
    bytes.extend_from_slice(&schema_id.to_be_bytes());
    encode(&mut bytes)?;
    Ok(bytes)
}

/// The schema's id and the datum, or nothing for bytes that are not framed.
pub fn unframe(value: &[u8]) -> Option<(u32, &[u8])> {
    let (magic, rest) = value.split_first()?;
    let (id, datum) = rest.split_first_chunk::<4>()?;
    (*magic == 0).then(|| (u32::from_be_bytes(*id), datum))
}
