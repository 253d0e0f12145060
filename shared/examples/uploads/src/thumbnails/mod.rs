//! Makes every picture small.

mod domain;
pub(crate) mod event_handler;
pub(crate) mod http;
mod store;
