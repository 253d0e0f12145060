//! Tells users how complete their profiles are.

mod domain;
pub(crate) mod event_handler;
pub(crate) mod http;
mod store;
