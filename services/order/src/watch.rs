//! Wakes requests that wait for news of an order.
//!
//! It is a shortcut and no promise: news is told before its transaction commits, and other
//! instances tell nothing. So whoever waits looks again by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

/// After news, the transaction that made it is about to commit.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(5);
/// Without news: what another instance did is seen this late.
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(500);

/// Who waits for which order. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<HashMap<Uuid, watch::Sender<()>>>>);

impl Watch {
    /// There may be news of these orders.
    pub(crate) fn changed(&self, orders: impl Iterator<Item = Uuid>) {
        let watched = self.watched();
        if watched.is_empty() {
            return;
        }
        for order_id in orders {
            if let Some(news) = watched.get(&order_id) {
                news.send_replace(());
            }
        }
    }

    /// Register before reading, or what happens between the two waits for the next look.
    pub(crate) fn follow(&self, order_id: Uuid) -> Following {
        let news = self
            .watched()
            .entry(order_id)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        Following {
            watch: self.clone(),
            order_id,
            news,
            look_again: LOOK_AGAIN_MIN,
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that waits for news of one order.
pub(crate) struct Following {
    watch: Watch,
    order_id: Uuid,
    news: watch::Receiver<()>,
    look_again: Duration,
}

impl Following {
    /// Returns when it is worth to look again: at once after news, then soon; without, rarely.
    pub(crate) async fn worth_looking(&mut self) {
        self.look_again = match tokio::time::timeout(self.look_again, self.news.changed()).await {
            Ok(_) => LOOK_AGAIN_MIN,
            Err(_) => (self.look_again * 2).min(LOOK_AGAIN_MAX),
        };
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut watched = self.watch.watched();
        if watched
            .get(&self.order_id)
            .is_some_and(|news| news.receiver_count() == 1)
        {
            watched.remove(&self.order_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use uuid::Uuid;

    use super::{LOOK_AGAIN_MAX, Watch};

    #[tokio::test]
    async fn news_wakes_those_who_follow_and_nothing_is_kept_of_those_who_left() {
        let watch = Watch::default();
        let order = Uuid::from_u128(1);
        let mut following = watch.follow(order);
        let other = watch.follow(order);
        following.look_again = LOOK_AGAIN_MAX;

        watch.changed([Uuid::from_u128(2), order].into_iter());
        let before = Instant::now();
        following.worth_looking().await;

        assert!(
            before.elapsed() < Duration::from_millis(200),
            "news that came before the wait"
        );
        drop(other);
        assert_eq!(watch.watched().len(), 1);
        drop(following);
        assert_eq!(watch.watched().len(), 0);
    }
}
