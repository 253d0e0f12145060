//! The real parts that a stack needs, as plain processes of this machine (Linux).
//!
//! In the order of a start: what can be asked for ([`Part`], [`Layout`], [`ports`]), how it is
//! fetched (`cache`, `tools`, `maven`, `java`), how each part is run (`postgres`, `kafka`,
//! `registry`, `jaeger`, [`mail`]), and how the whole is held together ([`stack`], [`state`],
//! [`process`], [`health`]).
//!
//! - **No part listens on anything but 127.0.0.1.**
//! - **No process is started that is not written down**, and none is ended by its number alone.
//! - **Nothing is left running** after a failed or interrupted start: see [`Stack`].

mod cache;
pub mod databases;
pub mod error;
pub mod health;
mod jaeger;
mod java;
pub(crate) mod kafka;
mod layout;
pub mod mail;
mod maven;
mod part;
pub mod ports;
mod postgres;
pub mod process;
pub mod program;
mod progress;
mod registry;
pub mod stack;
pub mod state;
mod tools;

use tokio::sync::oneshot;

pub use self::error::{Error, Result};
pub use self::health::Health;
pub use self::layout::{Endpoints, Layout, Tuning};
pub use self::part::{Part, install};
pub use self::ports::Ports;
pub use self::program::{Kind, Program};
pub use self::progress::Progress;
pub use self::stack::{Stack, start};

/// Ends when standard input does, and so when the program that holds its other end is gone.
///
/// It reads on a thread of its own: a runtime waits for its blocking tasks when it ends, and this
/// one may have to wait for ever.
pub async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read is as good as a closed one, and nobody may wait any more.
        drop(std::io::copy(
            &mut std::io::stdin().lock(),
            &mut std::io::sink(),
        ));
        let _ = closed.send(());
    });
    // An error means that the thread is gone, and standard input with it.
    drop(wait.await);
}
