//! Every order of things that can happen, and thousands of long days, to the product's own
//! decisions.
//!
//! - [`exhaustive`] visits every state that saga, inventory, shipment and fraud can reach with each
//!   other: records that come late, again and in any order between topics, deadlines that pass at
//!   any moment, customers who cancel at any moment.
//! - [`simulation`] lives through thousands of days of all five services on their rail, each by a
//!   seed: parts die before and after they commit, relays and consumers repeat, topics overtake
//!   each other, records cannot be read for a while.
//!
//! **No decision is written twice**: what a service decides, its own code decides here. Around it
//! stand only the things that carry (log, inbox, outbox), in memory.

#![cfg(test)]

/// Every reachable state of a few orders.
mod exhaustive;
/// Long days by seed.
mod simulation;

/// What travels between the services.
mod facts;
/// Who reads which facts.
mod readers;
/// The orders, the goods and the settings that all of this is about.
mod scene;
