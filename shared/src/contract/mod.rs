//! What the services promise each other: events, their topics and keys.
//!
//! The only room of `shared` that knows the business. **The machinery never imports it.**

pub mod fraud;
pub mod inventory;
pub mod notification;
pub mod order;
pub mod shipment;
pub mod topic;

mod catalogue;
#[cfg(test)]
mod fuzz;
mod generated;

pub use catalogue::CATALOGUE;
