//! Takes pictures in, and tells of each once.

mod body;
pub(crate) mod http;
mod store;
