//! An order, as a customer asks for it.

use serde_json::{Value, json};

/// What the customer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basket {
    pub(crate) sku: &'static str,
    pub(crate) quantity: u64,
    /// The one on file, unless told.
    pub(crate) card: Option<&'static str>,
    pub(crate) postal_code: &'static str,
    /// Our own shop, unless told.
    pub(crate) channel: &'static str,
}

impl Basket {
    pub(crate) fn of(sku: &'static str, quantity: u64) -> Self {
        Self {
            sku,
            quantity,
            card: None,
            postal_code: "10115",
            channel: "web",
        }
    }

    pub(crate) fn on(self, channel: &'static str) -> Self {
        Self { channel, ..self }
    }

    pub(crate) fn paid_with(self, card: &'static str) -> Self {
        Self {
            card: Some(card),
            ..self
        }
    }

    pub(crate) fn request(&self) -> Value {
        let mut request = json!({
            "lines": [{ "sku": self.sku, "quantity": self.quantity }],
            "channel": self.channel,
            "ship_to": {
                "name": "Example Customer",
                "street": "Example Street 1",
                "postal_code": self.postal_code,
                "city": "Berlin",
                "country": "DE",
            },
        });
        if let Some(card) = self.card {
            request["payment"] = json!({ "card_token": card });
        }
        request
    }
}
