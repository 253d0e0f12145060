//! The rail: what a service needs to take part, in the order an event travels.
//!
//! - **A handler never sees an offset**, and cannot commit, acknowledge or publish: it borrows a
//!   transaction and returns what follows.
//! - **Nothing is published that was not committed**: events leave through the outbox only.
//! - **Only `contract` knows the business**, and the machinery never imports it.
//! - **Time comes from the database, ids from `event::new_id`**; both are passed in.

#![recursion_limit = "256"]

/// Gives back what a burst has left, which the system's own keeps in pieces: records are allocated
/// by the thread that polls and freed by the one that works.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod config;
pub mod rail;
/// The boot path of every binary.
pub mod service;

/// The HTTP door.
pub mod http;

pub mod avro;
/// The Kafka door.
pub mod consumer;
pub mod dead_letters;
pub mod kafka;

/// What both doors share.
pub mod batch;
pub mod clock;
pub mod db;
pub mod event;

/// The way out: to other services, and to whoever is outside.
pub mod breaker;
pub mod delivery;
pub mod outbox;

/// What services promise each other.
pub mod contract;

pub mod telemetry;

/// Where tests make a process die.
pub mod crash;

#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
#[cfg(feature = "testing")]
pub mod testing;
