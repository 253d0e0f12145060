//! What is said about an order.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::state::{Charge, Parcel, State, Stock, Verdict, reason_name};
use crate::store::orders::Found;

/// An exact amount.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Money {
    #[schema(example = 1999)]
    pub(super) amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub(super) currency: String,
}

/// An order and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderView {
    order_id: Uuid,
    status: State,
    /// Since when the status holds.
    since: DateTime<Utc>,
    lines: Vec<LineView>,
    total: Money,
    channel: String,
    external_ref: Option<String>,
    ship_to: ShipToView,
    stock: Stock,
    verdict: Verdict,
    charge: Charge,
    /// Parcels that inventory has set stock aside for, once that is known.
    parcels_expected: Option<i32>,
    parcels: Vec<Parcel>,
    /// Why it is cancelled, or was to be.
    cancellation: Option<CancellationView>,
    /// Fraud was found after dispatch.
    recalled: bool,
    /// Whose move it is.
    waiting_for: Vec<&'static str>,
    /// What happens by itself, and when, if nothing else does.
    deadline: Option<DeadlineView>,
    /// Participants take longer than they should to undo their part.
    compensation_overdue: bool,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    trace_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LineView {
    sku: String,
    quantity: i32,
    unit_price: Money,
}

#[derive(Debug, Serialize, ToSchema)]
struct ShipToView {
    name: String,
    street: String,
    postal_code: String,
    city: String,
    country: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct CancellationView {
    /// `CUSTOMER`, `OUT_OF_STOCK`, `FRAUD`, `CARRIER`, `DEADLINE`.
    #[schema(example = "OUT_OF_STOCK")]
    reason: &'static str,
    detail: String,
    was_confirmed: bool,
    /// The parcel had left already, so the order went on.
    refused: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadlineView {
    pub(super) at: DateTime<Utc>,
    /// `verdict`, `hold`, `stock`, `dispatch`, `acks`.
    #[serde(rename = "for")]
    pub(super) due: &'static str,
}

impl OrderView {
    pub(super) fn of(found: Found) -> Self {
        let Found {
            order,
            traceparent,
            saga,
        } = found;
        let waiting_for = saga.waits_for();
        let compensation_overdue = saga.compensation_overdue();
        let refused = matches!(saga.state, State::Shipped | State::Completed);
        let money = |amount_minor| Money {
            amount_minor,
            currency: order.currency.clone(),
        };
        Self {
            order_id: order.id,
            status: saga.state,
            since: saga.since,
            lines: order
                .lines
                .into_iter()
                .map(|line| LineView {
                    sku: line.sku,
                    quantity: line.quantity,
                    unit_price: money(line.unit_price_minor),
                })
                .collect(),
            total: money(order.total_minor),
            channel: order.channel,
            external_ref: order.external_ref,
            ship_to: ShipToView {
                name: order.ship_to.name,
                street: order.ship_to.street,
                postal_code: order.ship_to.postal_code,
                city: order.ship_to.city,
                country: order.ship_to.country,
            },
            stock: saga.stock,
            verdict: saga.verdict,
            charge: saga.charge,
            parcels_expected: saga.parcels_expected,
            parcels: saga.parcels,
            cancellation: saga.cancellation.map(|why| CancellationView {
                reason: reason_name(why.reason),
                detail: why.detail,
                was_confirmed: why.was_confirmed,
                refused,
            }),
            recalled: saga.recalled,
            waiting_for,
            deadline: saga.deadline.map(|deadline| DeadlineView {
                at: deadline.at,
                due: deadline.due.as_str(),
            }),
            compensation_overdue,
            placed_at: order.placed_at,
            updated_at: saga.updated_at,
            trace_id: trace_id(traceparent.as_deref()),
        }
    }
}

/// The trace of a `traceparent`.
pub(super) fn trace_id(traceparent: Option<&str>) -> Option<String> {
    traceparent?.split('-').nth(1).map(str::to_owned)
}
