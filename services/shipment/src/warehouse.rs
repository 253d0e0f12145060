//! The warehouse's steps as transactions, for the staff's door and for automatic mode alike.
//!
//! **The carrier is called outside of any transaction.** What it said is folded afterwards, under
//! the lock: the order may have been cancelled meanwhile, and then its label is given back. Should
//! the process die between the two, the next attempt gets the same label.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use shared::batch::{Cause, Events, Outgoing};
use shared::event::new_id;
use shared::http::auth::Verifier;
use shared::http::error::ApiError;
use shared::rail::Rail;
use shared::telemetry::{current_span_context, propagation};
use tracing::{Instrument, Span, info_span, warn};
use uuid::Uuid;

use crate::carrier::{Carrier, CarrierError};
use crate::domain::{self, Fulfilment, Label, NotReady, Step};
use crate::store::{self, Fulfilments, Listed};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Warehouse {
    pub(crate) rail: Rail,
    carrier: Arc<dyn Carrier>,
    pub(crate) carrier_timeout: Duration,
}

/// Something happened to a list.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) order_id: Uuid,
    pub(crate) list_id: Uuid,
    pub(crate) action: Action,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Pick,
    Pack,
    /// The carrier takes the parcel.
    Dispatch {
        label: Label,
        shipment_id: Uuid,
    },
    /// The carrier does not.
    Refuse {
        carrier: &'static str,
        detail: String,
    },
    /// The carrier did not say.
    PutOff {
        carrier: &'static str,
    },
    Deliver,
}

impl FromRef<Warehouse> for Verifier {
    fn from_ref(warehouse: &Warehouse) -> Self {
        Self::from_ref(&warehouse.rail)
    }
}

impl Warehouse {
    pub(crate) fn new(rail: Rail, carrier: Arc<dyn Carrier>, carrier_timeout: Duration) -> Self {
        Self {
            rail,
            carrier,
            carrier_timeout,
        }
    }

    pub(crate) async fn find(&self, list_id: Uuid) -> Result<Listed, ApiError> {
        let listed = store::find_list(&mut *self.rail.connection().await?, list_id).await?;
        listed.ok_or_else(|| {
            ApiError::not_found(
                "picking-list-not-found",
                format!("no picking list {list_id}"),
            )
        })
    }

    pub(crate) async fn pick(&self, list_id: Uuid) -> Result<Listed, ApiError> {
        let listed = self.find(list_id).await?;
        self.take_step(&listed, Action::Pick).await
    }

    pub(crate) async fn pack(&self, list_id: Uuid) -> Result<Listed, ApiError> {
        let listed = self.find(list_id).await?;
        self.take_step(&listed, Action::Pack).await
    }

    pub(crate) async fn dispatch(&self, list_id: Uuid) -> Result<Listed, ApiError> {
        let listed = self.find(list_id).await?;
        if !domain::ready_to_dispatch(&listed.list)? {
            return Ok(listed);
        }

        let action = self.book(&listed).await;
        let after = self.take_step(&listed, action.clone()).await?;

        match action {
            // Somebody else's booking may have come through meanwhile.
            _ if after.list.state.parcel().is_some() => Ok(after),
            Action::Refuse { carrier, detail } => Err(ApiError::conflict(
                "carrier-refused",
                format!("{carrier} refused the parcel of picking list {list_id}: {detail}"),
            )),
            Action::PutOff { carrier } => Err(ApiError::unavailable(format!(
                "{carrier} does not answer; dispatch picking list {list_id} again shortly"
            ))),
            Action::Pick | Action::Pack | Action::Dispatch { .. } | Action::Deliver => Ok(after),
        }
    }

    pub(crate) async fn deliver(&self, list_id: Uuid) -> Result<Listed, ApiError> {
        let listed = self.find(list_id).await?;
        self.take_step(&listed, Action::Deliver).await
    }

    /// A carrier tells that a parcel arrived. It may tell so again.
    pub(crate) async fn arrived(
        &self,
        carrier: &str,
        tracking_number: &str,
    ) -> Result<(), ApiError> {
        let listed = store::find_parcel(
            &mut *self.rail.connection().await?,
            carrier,
            tracking_number,
        )
        .await?;
        let listed = listed.ok_or_else(|| {
            ApiError::not_found(
                "shipment-not-found",
                format!("{carrier} carries no parcel {tracking_number} of ours"),
            )
        })?;
        self.take_step(&listed, Action::Deliver).await?;
        Ok(())
    }

    /// Asks the carrier. Never fails: what it said, or did not say, is what happened to the list.
    pub(crate) async fn book(&self, listed: &Listed) -> Action {
        let carrier = self.carrier.name();
        let (order_id, list_id) = (listed.order_id, listed.list.id);
        let span = continued("book", order_id, list_id, listed.traceparent.as_deref());
        let booking = self
            .carrier
            .book(list_id, &listed.ship_to, &listed.list.lines);
        let booked = tokio::time::timeout(self.carrier_timeout, booking)
            .instrument(span)
            .await;
        match booked {
            Ok(Ok(label)) => Action::Dispatch {
                label,
                shipment_id: new_id(),
            },
            Ok(Err(CarrierError::Refused(detail))) => {
                warn!(
                    order.id = %order_id, picking_list.id = %list_id,
                    "{carrier} refused the parcel of picking list {list_id}: {detail}"
                );
                Action::Refuse { carrier, detail }
            }
            Ok(Err(CarrierError::Unavailable)) | Err(_) => {
                warn!(
                    order.id = %order_id, picking_list.id = %list_id,
                    "{carrier} did not answer for picking list {list_id}"
                );
                Action::PutOff { carrier }
            }
        }
    }

    async fn take_step(&self, listed: &Listed, action: Action) -> Result<Listed, ApiError> {
        let work = Work {
            order_id: listed.order_id,
            list_id: listed.list.id,
            action,
        };
        let mut taken = self.take(vec![work]).await?;
        Ok(taken.pop().expect("each piece of work has an outcome")?)
    }

    /// Load, decide, save: one transaction for all. The outcomes are in the order of the work.
    pub(crate) async fn take(
        &self,
        work: Vec<Work>,
    ) -> Result<Vec<Result<Listed, NotReady>>, sqlx::Error> {
        let work: Arc<[Work]> = work.into();
        let folded = Arc::clone(&work);
        let outcomes: Vec<_> = self
            .rail
            .transact(move |tx, now| {
                let work = Arc::clone(&folded);
                async move {
                    let orders: BTreeSet<_> = work.iter().map(|work| work.order_id).collect();
                    let mut fulfilments = store::load_fulfilments(tx, orders).await?;

                    let decided = fold(&mut fulfilments, &work, now);

                    store::save_fulfilments(tx, &fulfilments).await?;

                    Ok::<_, sqlx::Error>(decided)
                }
                .boxed()
            })
            .await?;

        for (work, outcome) in work.iter().zip(&outcomes) {
            if let (Action::Dispatch { label, .. }, Err(_)) = (&work.action, outcome) {
                self.give_back(work, label).await;
            }
        }
        Ok(outcomes)
    }

    /// The list was voided while its label was being booked.
    async fn give_back(&self, work: &Work, label: &Label) {
        let cancelling = self.carrier.cancel(label);
        let cancelled = tokio::time::timeout(self.carrier_timeout, cancelling).await;
        if !matches!(cancelled, Ok(Ok(()))) {
            // A label that is never scanned costs nothing, so nothing hangs on it.
            warn!(
                order.id = %work.order_id, picking_list.id = %work.list_id,
                "Label {} of the voided picking list {} stays booked at {}",
                label.tracking_number, work.list_id, label.carrier
            );
        }
    }
}

/// Decides piece after piece, in order. Each continues its order's trace, whoever asked for it.
pub(crate) fn fold(
    fulfilments: &mut Fulfilments,
    work: &[Work],
    now: DateTime<Utc>,
) -> (Vec<Result<Listed, NotReady>>, Outgoing) {
    let mut outgoing = Outgoing::none();
    let outcomes = work
        .iter()
        .map(|work| {
            let fulfilment = fulfilments.of(work.order_id);
            let traceparent = fulfilment.traceparent.as_deref();
            let span = continued(work.action.name(), work.order_id, work.list_id, traceparent);
            let cause = cause(fulfilment, &span);
            let events = span.in_scope(|| work.action.decide(fulfilment, work.list_id, now))?;
            outgoing.add(&cause, events);
            Ok(Listed::of(fulfilment, work.list_id))
        })
        .collect();
    (outcomes, outgoing)
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Pick => "pick",
            Self::Pack => "pack",
            Self::Dispatch { .. } => "dispatch",
            Self::Refuse { .. } => "refuse",
            Self::PutOff { .. } => "put off",
            Self::Deliver => "deliver",
        }
    }

    fn decide(
        &self,
        fulfilment: &mut Fulfilment,
        list_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Events, NotReady> {
        match self {
            Self::Pick => domain::pick(fulfilment, list_id, now),
            Self::Pack => domain::pack(fulfilment, list_id, now),
            Self::Dispatch { label, shipment_id } => {
                domain::dispatch(fulfilment, list_id, label, *shipment_id, now)
            }
            Self::Refuse { carrier, detail } => {
                domain::refuse(fulfilment, list_id, carrier, detail, now)
            }
            Self::PutOff { .. } => domain::put_off(fulfilment, list_id, now),
            Self::Deliver => domain::deliver(fulfilment, list_id, now),
        }
    }
}

/// A span of the order's trace, whatever trace the caller is in.
fn continued(name: &str, order_id: Uuid, list_id: Uuid, traceparent: Option<&str>) -> Span {
    let span = info_span!(
        parent: None,
        "step",
        otel.name = name,
        order.id = %order_id,
        picking_list.id = %list_id,
    );
    propagation::continue_trace(&span, &propagation::from_traceparent(traceparent));
    span
}

/// What follows continues the step; without telemetry of our own, what the step continues.
fn cause(fulfilment: &Fulfilment, span: &Span) -> Cause {
    let order_id = fulfilment.order_id.to_string();
    let cause = Cause::stored(new_id(), order_id, fulfilment.traceparent.as_deref());
    let step = span.in_scope(current_span_context);
    if step.is_valid() {
        Cause {
            span: step,
            ..cause
        }
    } else {
        cause
    }
}

impl From<NotReady> for ApiError {
    fn from(error: NotReady) -> Self {
        let code = match error.step {
            Step::Pick => "picking-list-not-released",
            Step::Pack => "picking-list-not-picked",
            Step::Dispatch => "picking-list-not-packed",
            Step::Deliver => "picking-list-not-dispatched",
        };
        Self::conflict(code, error.to_string())
    }
}
