//! The Kafka door: poll, then the frame around the service's one handler.
//!
//! ```text
//! poll ─► decode ─► BEGIN ─► fence, inbox ─► handler ─► outbox ─► COMMIT
//!                                                                  └─► store offsets, wake relay
//! ```
//!
//! - **A batch is decoded where it is polled**, while the one before it is in its transaction. What
//!   arrives meanwhile joins it.
//! - **Offsets are stored only after the transaction has committed.** Kafka's offsets say where to
//!   go on; the fence row says what has had its effect.
//! - **Nothing is skipped and nobody is stopped**: what time can mend is retried in order, what it
//!   cannot mend becomes a dead letter in the same transaction.

mod assignments;
mod decode;
pub(crate) mod frame;
mod mailbox;
mod poll;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod store;
mod worker;

use std::sync::Arc;

use futures::future::BoxFuture;
use rdkafka::ClientConfig;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::avro::Codec;
use crate::clock::Clock;
use crate::dead_letters::OutOfTurn;
use crate::event::{Schema, Topic};
use crate::http::health::Health;
use crate::kafka::Names;
use crate::outbox::Wake;

pub use registry::{Consumes, EventHandler};

/// What the boot path needs of a handler, whatever its events are.
pub(crate) trait Consumer: Send {
    fn topics(&self) -> Vec<Topic>;
    fn schemas(&self) -> Vec<Schema>;
    fn build(self: Box<Self>, context: ConsumerContext) -> Built;
}

/// A consumer that has not begun.
pub(crate) struct Built {
    pub(crate) run: BoxFuture<'static, anyhow::Result<()>>,
    pub(crate) out_of_turn: Arc<dyn OutOfTurn>,
}

pub(crate) struct ConsumerContext {
    /// Also the consumer group.
    pub(crate) service: &'static str,
    pub(crate) client: ClientConfig,
    pub(crate) names: Names,
    pub(crate) database: PgConnectOptions,
    pub(crate) batch_records_max: usize,
    pub(crate) dead_letters_surge: usize,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
    pub(crate) wake: Wake,
    pub(crate) health: Health,
    /// The name of what a correlation id identifies, for spans: `order.id`.
    pub(crate) conversation: &'static str,
    pub(crate) stopping: CancellationToken,
}

struct HandlerConsumer<H>(H);

pub(crate) fn of<H: EventHandler>(handler: H) -> Box<dyn Consumer> {
    Box::new(HandlerConsumer(handler))
}

impl<H: EventHandler> Consumer for HandlerConsumer<H> {
    fn topics(&self) -> Vec<Topic> {
        H::consumes().topics()
    }

    fn schemas(&self) -> Vec<Schema> {
        H::consumes().schemas().to_vec()
    }

    fn build(self: Box<Self>, context: ConsumerContext) -> Built {
        let consumes = Arc::new(H::consumes());
        let frame = Arc::new(frame::Frame::new(&context, self.0, Arc::clone(&consumes)));
        let out_of_turn = Arc::clone(&frame) as Arc<dyn OutOfTurn>;
        let run = Box::pin(async move {
            let (poller, batches) = poll::start(&context, consumes)?;
            let worked = worker::run(
                frame,
                batches,
                poller.handle(),
                context.health.clone(),
                context.stopping.clone(),
            )
            .await;
            poller.stop().await;
            worked
        });
        Built { run, out_of_turn }
    }
}
