//! A simulated carrier: slow and failing, as it is told to.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use shared::contract::order::ShipTo;
use uuid::Uuid;

use super::{Carrier, CarrierError};
use crate::config::Config;
use crate::domain::{Label, Line};

/// Nobody lives there.
const POSTAL_CODE_REFUSED: &str = "99999";

pub(crate) struct SimPost {
    delay: Duration,
    failure_rate: f64,
    /// Makes the attempts of one list differ, the same in each run.
    requests: AtomicU64,
}

impl SimPost {
    pub(crate) const NAME: &'static str = "simpost";

    pub(crate) fn new(config: &Config) -> Self {
        Self {
            delay: Duration::from_millis(config.carrier_delay_ms),
            failure_rate: config.carrier_failure_rate,
            requests: AtomicU64::new(0),
        }
    }

    async fn answer(&self, picking_list_id: Uuid, ship_to: &ShipTo) -> Result<Label, CarrierError> {
        tokio::time::sleep(self.delay).await;
        if self.is_down_for(picking_list_id) {
            return Err(CarrierError::Unavailable);
        }
        if ship_to.postal_code.trim() == POSTAL_CODE_REFUSED {
            return Err(CarrierError::Refused("address not served".to_owned()));
        }
        Ok(Label {
            carrier: Self::NAME,
            tracking_number: tracking_number(picking_list_id),
        })
    }

    fn is_down_for(&self, picking_list_id: Uuid) -> bool {
        let mut hasher = DefaultHasher::new();
        (
            picking_list_id,
            self.requests.fetch_add(1, Ordering::Relaxed),
        )
            .hash(&mut hasher);
        // 53 bits are what an f64 holds exactly.
        let drawn = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < self.failure_rate
    }
}

impl Carrier for SimPost {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn book<'a>(
        &'a self,
        picking_list_id: Uuid,
        ship_to: &'a ShipTo,
        _parcel: &'a [Line],
    ) -> BoxFuture<'a, Result<Label, CarrierError>> {
        self.answer(picking_list_id, ship_to).boxed()
    }

    fn cancel<'a>(&'a self, _label: &'a Label) -> BoxFuture<'a, Result<(), CarrierError>> {
        async move {
            tokio::time::sleep(self.delay).await;
            Ok(())
        }
        .boxed()
    }
}

/// The list's own id, so that it is unique, and the same however often it is asked for.
fn tracking_number(picking_list_id: Uuid) -> String {
    format!("SP{:032X}", picking_list_id.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simpost(carrier_failure_rate: f64) -> SimPost {
        SimPost::new(&Config {
            warehouse_automatic: false,
            warehouse_step_ms: 0,
            carrier_timeout_ms: 0,
            carrier_delay_ms: 0,
            carrier_failure_rate,
            carrier_repeats: false,
        })
    }

    fn address(postal_code: &str) -> ShipTo {
        ShipTo {
            name: "Ada".to_owned(),
            street: "Street 1".to_owned(),
            postal_code: postal_code.to_owned(),
            city: "Berlin".to_owned(),
            country: "DE".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_list_gets_the_same_label_each_time_and_no_other_list_gets_it() {
        let carrier = simpost(0.0);
        let ship_to = address("10115");
        let book = |list: u128| carrier.book(Uuid::from_u128(list), &ship_to, &[]);

        let first = book(1).await.expect("available");

        assert_eq!(book(1).await, Ok(first.clone()));
        assert_ne!(book(2).await, Ok(first));
    }

    #[tokio::test]
    async fn an_address_that_is_not_served_is_refused() {
        let refused = simpost(0.0).book(Uuid::max(), &address("99999"), &[]).await;
        assert_eq!(
            refused,
            Err(CarrierError::Refused("address not served".to_owned()))
        );
    }

    #[test]
    fn it_fails_about_as_often_as_it_is_told_to() {
        for (rate, expected) in [(0.0, 0..=0), (0.3, 250..=350), (1.0, 1000..=1000)] {
            let carrier = simpost(rate);
            let down = (0..1000)
                .filter(|_| carrier.is_down_for(Uuid::max()))
                .count();
            assert!(expected.contains(&down), "{down} of 1000 at {rate}");
        }
    }
}
