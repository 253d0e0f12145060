//! Finds pictures by their words.

pub(crate) mod event_handler;
pub(crate) mod http;
mod index;
mod store;
