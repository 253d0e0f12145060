//! What goes in and out of the HTTP door.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::contract::order::ShipTo;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain;
use crate::store::Listed;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Only this warehouse.
    pub(super) warehouse: Option<String>,
    /// Only this state. Without it, and without `order_id`: what there is work with, that is
    /// released, picked and packed.
    pub(super) state: Option<ListState>,
    /// Only this order, in any state.
    pub(super) order_id: Option<Uuid>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<Uuid>,
    /// 1 to 200, 50 without it.
    pub(super) limit: Option<u16>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListState {
    Draft,
    Released,
    Picked,
    Packed,
    Dispatched,
    Delivered,
    Void,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// Oldest first.
    pub(super) picking_lists: Vec<PickingListView>,
    /// Null on the last page.
    pub(super) next_cursor: Option<Uuid>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PickingListView {
    pub(super) picking_list_id: Uuid,
    pub(super) order_id: Uuid,
    pub(super) warehouse: String,
    /// draft, released, picked, packed, dispatched, delivered or void.
    pub(super) state: &'static str,
    pub(super) lines: Vec<LineView>,
    pub(super) ship_to: ShipToView,
    /// Why the carrier refused the parcel.
    pub(super) failure: Option<String>,
    /// Once it has left.
    pub(super) shipment: Option<ShipmentView>,
    pub(super) created_at: DateTime<Utc>,
    /// When it came into its state.
    pub(super) changed_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    pub(super) sku: String,
    quantity: i32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShipToView {
    pub(super) name: String,
    pub(super) street: String,
    pub(super) postal_code: String,
    pub(super) city: String,
    pub(super) country: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShipmentView {
    pub(super) shipment_id: Uuid,
    pub(super) carrier: String,
    pub(super) tracking_number: String,
    pub(super) dispatched_at: DateTime<Utc>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CarrierEvent {
    pub(super) tracking_number: String,
    pub(super) status: CarrierStatus,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub(super) enum CarrierStatus {
    Delivered,
}

/// From text alone: left to itself, a variant is read from an object of its name, too.
impl TryFrom<String> for CarrierStatus {
    type Error = String;

    fn try_from(status: String) -> Result<Self, String> {
        match status.as_str() {
            "delivered" => Ok(Self::Delivered),
            _ => Err(format!("there is no status `{status}`; send `delivered`")),
        }
    }
}

impl ListState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Released => "released",
            Self::Picked => "picked",
            Self::Packed => "packed",
            Self::Dispatched => "dispatched",
            Self::Delivered => "delivered",
            Self::Void => "void",
        }
    }
}

impl From<Listed> for PickingListView {
    fn from(listed: Listed) -> Self {
        let list = listed.list;
        let shipment = list.state.parcel().map(|parcel| ShipmentView {
            shipment_id: parcel.shipment_id,
            carrier: parcel.carrier.clone(),
            tracking_number: parcel.tracking_number.clone(),
            dispatched_at: parcel.dispatched_at,
            delivered_at: list.state.delivered_at(),
        });
        Self {
            picking_list_id: list.id,
            order_id: listed.order_id,
            state: list.state.name(),
            warehouse: list.warehouse,
            lines: list.lines.into_iter().map(LineView::from).collect(),
            ship_to: listed.ship_to.into(),
            failure: list.failure,
            shipment,
            created_at: list.created_at,
            changed_at: list.changed_at,
        }
    }
}

impl From<domain::Line> for LineView {
    fn from(line: domain::Line) -> Self {
        Self {
            sku: line.sku,
            quantity: line.quantity,
        }
    }
}

impl From<ShipTo> for ShipToView {
    fn from(ship_to: ShipTo) -> Self {
        Self {
            name: ship_to.name,
            street: ship_to.street,
            postal_code: ship_to.postal_code,
            city: ship_to.city,
            country: ship_to.country,
        }
    }
}
