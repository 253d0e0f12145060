//! Who takes the parcels.

use futures::future::BoxFuture;
use shared::contract::order::ShipTo;
use uuid::Uuid;

use crate::domain::{Label, Line};

mod simpost;

pub(crate) use simpost::SimPost;

/// A carrier's interface, as small as it can be.
///
/// **A label belongs to a picking list**: booking one again answers with the same label, so that
/// whoever does not know how a booking ended may simply book again.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Also its name in paths and events.
    fn name(&self) -> &'static str;

    fn book<'a>(
        &'a self,
        picking_list_id: Uuid,
        ship_to: &'a ShipTo,
        parcel: &'a [Line],
    ) -> BoxFuture<'a, Result<Label, CarrierError>>;

    /// The parcel does not come. A label that is not known any more is a success.
    fn cancel<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<(), CarrierError>>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CarrierError {
    /// Asking again does not help.
    #[error("the carrier refused the parcel: {0}")]
    Refused(String),
    /// Asking again may help; whether a label was booked is not known.
    #[error("the carrier is not available")]
    Unavailable,
}
