//! Requests that arrive while a flush is in flight share the next transaction.
//!
//! No timer: a lone request never waits, and batches form from concurrency alone. Two lanes, so
//! that one fills while the other flushes. A flush outlives the requests that asked for it.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::error::ApiError;

/// Enough that the flush is shared by many; a flush of this size stays far under the statement
/// timeout.
const FLUSH_REQUESTS_MAX: usize = 500;
/// Waiting requests beyond this are refused at once instead of queueing for seconds.
const QUEUE_REQUESTS_MAX: usize = 4 * FLUSH_REQUESTS_MAX;
const LANES: usize = 2;

/// The front of the queue. Cheap to clone.
pub struct Intake<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q, A> Clone for Intake<Q, A> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

struct Waiting<Q, A> {
    request: Q,
    answer: oneshot::Sender<Result<A, ApiError>>,
}

impl<Q: Send + 'static, A: Send + 'static> Intake<Q, A> {
    /// `flush` answers every request it is given, in order. It decides itself what a failure of the
    /// whole means for each.
    pub fn start<F>(flush: F) -> Self
    where
        F: Fn(Vec<Q>) -> BoxFuture<'static, Vec<Result<A, ApiError>>> + Send + Sync + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let flush = Arc::new(flush);
        for _ in 0..LANES {
            tokio::spawn(run_lane(Arc::clone(&waiting), Arc::clone(&flush)));
        }
        Self { queue }
    }

    pub async fn submit(&self, request: Q) -> Result<A, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { request, answer })
            .map_err(|_| ApiError::unavailable("too many requests are waiting; try again"))?;
        answered.await.unwrap_or_else(|_| {
            Err(ApiError::unavailable(
                "the request was dropped in a shutdown; try again",
            ))
        })
    }
}

async fn run_lane<Q, A, F>(waiting: Arc<Mutex<mpsc::Receiver<Waiting<Q, A>>>>, flush: Arc<F>)
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> BoxFuture<'static, Vec<Result<A, ApiError>>> + Send + Sync + 'static,
{
    loop {
        let mut arrived = Vec::new();
        // Whoever holds the lock is the lane that fills.
        if waiting
            .lock()
            .await
            .recv_many(&mut arrived, FLUSH_REQUESTS_MAX)
            .await
            == 0
        {
            return;
        }
        let (requests, answers): (Vec<_>, Vec<_>) = arrived
            .into_iter()
            .map(|waiting| (waiting.request, waiting.answer))
            .unzip();
        for (answer, result) in answers.into_iter().zip(flush(requests).await) {
            // A client that went away does not need its answer.
            let _ = answer.send(result);
        }
    }
}
