//! What inventory and shipment answer.

use chrono::{DateTime, Utc};
use shared::batch::Reject;
use shared::contract::inventory::{StockRejected, StockReleased, StockReserved};
use shared::contract::order::CancelReason;
use shared::contract::shipment::{
    PickingListCreated, PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};

use super::{Rules, unknown_parcel};
use crate::domain::progress::{Decided, Step};
use crate::domain::state::{Charge, Parcel, Participant, Saga, State, Stock, Verdict};

impl Saga {
    pub fn stock_reserved(
        &mut self,
        event: &StockReserved,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let parcels = i32::try_from(event.allocations.len()).unwrap_or(i32::MAX);
        if parcels == 0 {
            return Err(Reject::new(
                "reserved-nothing",
                format!(
                    "stock of order {} is reserved in no warehouse",
                    self.order_id
                ),
            ));
        }
        match self.state {
            State::Cancelling | State::Cancelled => {
                return Ok(Step::noted(
                    "stock was reserved too late; inventory releases it upon the cancellation",
                ));
            }
            State::Pending | State::Confirmed | State::Shipped | State::Completed => {}
        }
        if self.stock == Stock::Awaited {
            self.stock = Stock::Reserved;
        }
        // A parcel may be on its way before we know how many there are: the topics are two.
        self.parcels_expected.get_or_insert(parcels);
        let mut events = self.confirm_when_ready(now, rules);
        events.extend(self.complete_when_delivered(now));
        let warehouses: Vec<_> = event
            .allocations
            .iter()
            .map(|allocation| allocation.warehouse.as_str())
            .collect();
        Ok(Step::with(
            format!(
                "stock is reserved in {}: {}",
                warehouses.join(", "),
                event.placement
            ),
            events,
        ))
    }

    pub fn stock_rejected(
        &mut self,
        event: &StockRejected,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let shortfalls: Vec<_> = event
            .shortfalls
            .iter()
            .map(|short| {
                format!(
                    "{}: {} wanted, {} available",
                    short.sku, short.requested, short.available
                )
            })
            .collect();
        let what = format!("out of stock ({})", shortfalls.join("; "));
        match (self.state, self.stock) {
            (State::Pending, Stock::Awaited) => {
                self.stock = Stock::Rejected;
                let events = self.cancel(CancelReason::OutOfStock, what.clone(), now, rules);
                Ok(Step::with(what, events))
            }
            (State::Pending, Stock::Reserved | Stock::Rejected)
            | (
                State::Confirmed
                | State::Shipped
                | State::Completed
                | State::Cancelling
                | State::Cancelled,
                _,
            ) => Ok(Step::noted(format!(
                "{what}; the order had been decided already"
            ))),
        }
    }

    pub fn stock_released(
        &mut self,
        event: &StockReleased,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        match self.state {
            // Nobody asked for it: the reservation is gone, so the order cannot be kept. Inventory
            // releases an order once, so this is its acknowledgement as well.
            State::Pending | State::Confirmed if !event.released.is_empty() => {
                let detail = "the reserved stock was released before the order was dispatched";
                let events = self.cancel(CancelReason::OutOfStock, detail, now, rules);
                let acked = self.awaits.take(&Participant::Inventory);
                Ok(Step {
                    acked,
                    ..Step::with(detail, events)
                })
            }
            State::Pending
            | State::Confirmed
            | State::Shipped
            | State::Completed
            | State::Cancelling
            | State::Cancelled => Ok(self.acknowledged(Participant::Inventory, now)),
        }
    }

    pub fn picking_list_created(&self, event: &PickingListCreated) -> Decided {
        Ok(Step::noted(format!(
            "{} has a picking list",
            event.warehouse
        )))
    }

    pub fn picking_list_voided(
        &mut self,
        _event: &PickingListVoided,
        now: DateTime<Utc>,
    ) -> Decided {
        Ok(self.acknowledged(Participant::Shipment, now))
    }

    pub fn shipment_failed(
        &mut self,
        event: &ShipmentFailed,
        now: DateTime<Utc>,
        rules: &Rules,
    ) -> Decided {
        let what = format!("{} refused the parcel: {}", event.carrier, event.detail);
        match self.state {
            State::Pending | State::Confirmed => {
                let events = self.cancel(CancelReason::Carrier, what.clone(), now, rules);
                Ok(Step::with(what, events))
            }
            State::Shipped => Ok(Step::noted(format!(
                "{what}; another parcel has left, so it is tried again"
            ))),
            State::Completed | State::Cancelling | State::Cancelled => Ok(Step::noted(what)),
        }
    }

    /// The pivot. A parcel that has left is a fact, whatever we had in mind.
    pub fn shipment_dispatched(
        &mut self,
        event: &ShipmentDispatched,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Decided {
        let mut what = format!(
            "a parcel left {} with {}, tracking number {}",
            event.warehouse, event.carrier, event.tracking_number
        );
        if self.state == State::Cancelled {
            return Err(Reject::new(
                "dispatched-after-void",
                format!(
                    "parcel {} left although shipment had voided order {}",
                    event.shipment_id, self.order_id
                ),
            ));
        }
        if self
            .parcels
            .iter()
            .any(|parcel| parcel.shipment_id == event.shipment_id)
        {
            return Ok(Step::noted(what));
        }
        self.parcels.push(Parcel {
            shipment_id: event.shipment_id,
            warehouse: event.warehouse.clone(),
            carrier: event.carrier.clone(),
            tracking_number: event.tracking_number.clone(),
            dispatched_at: at,
            delivered_at: None,
        });
        match self.state {
            State::Shipped | State::Completed => return Ok(Step::noted(what)),
            State::Pending | State::Confirmed | State::Cancelled => {}
            State::Cancelling => {
                what.push_str("; the cancellation came too late and is refused");
                self.awaits.clear();
            }
        }
        self.enter(State::Shipped, None, now);
        self.charge = Charge::Captured;
        if self.verdict == Verdict::Blocked {
            let events = self.recall("fraud was found while the parcel was leaving");
            return Ok(Step::with(what, events));
        }
        Ok(Step::noted(what))
    }

    pub fn shipment_delivered(
        &mut self,
        event: &ShipmentDelivered,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Decided {
        let parcel = self
            .parcels
            .iter_mut()
            .find(|parcel| parcel.shipment_id == event.shipment_id)
            .ok_or_else(|| unknown_parcel(event.order_id, event.shipment_id))?;
        parcel.delivered_at.get_or_insert(at);
        let events = self.complete_when_delivered(now);
        Ok(Step::with(
            format!("the parcel from {} was delivered", event.warehouse),
            events,
        ))
    }
}
