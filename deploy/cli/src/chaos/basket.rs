//! What customers order, so that every end of an order is reached.

use serde_json::{Value, json};

use super::dice::Dice;

/// One order in full, and what its customer does afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) customer: String,
    /// Unique to the customer; other customers have the same.
    pub(super) key: String,
    sku: &'static str,
    quantity: u64,
    card: Option<&'static str>,
    postal_code: &'static str,
    pub(super) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing more.
    Wait,
    /// Looks at it until it has ended.
    Watch,
    CancelAtOnce,
    CancelOnceConfirmed,
    /// Sends the request a second time, at the same time.
    AskTwice,
}

/// Fraud holds a customer for the thirty-first charge within an hour.
const ORDERS_PER_CUSTOMER: u64 = 20;
/// Neighbours in time are different customers.
const CUSTOMERS_AT_ONCE: u64 = 8;

impl Wish {
    /// The nth of a run: always the same one for the same seed.
    pub(super) fn nth(seed: u64, n: u64) -> Self {
        let mut dice = Dice::new(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15), "wish");
        let generation = n / (ORDERS_PER_CUSTOMER * CUSTOMERS_AT_ONCE);
        let customer = generation * CUSTOMERS_AT_ONCE + n % CUSTOMERS_AT_ONCE;
        let of_customer = (n / CUSTOMERS_AT_ONCE) % ORDERS_PER_CUSTOMER;
        let plain = Self {
            customer: format!("customer-{customer}"),
            key: format!("order-{of_customer}"),
            sku: *dice.pick(&["KETTLE", "TEAPOT", "MUG", "POT", "SCALE", "BOARD"]),
            quantity: dice.between(1, 2),
            card: None,
            postal_code: "10115",
            then: Then::Wait,
        };
        match dice.below(100) {
            0..45 => plain,
            45..52 => Self {
                then: Then::Watch,
                ..plain
            },
            // Scarce, and everybody wants it: more than there is, and from several warehouses.
            52..70 => Self {
                sku: *dice.pick(&["TRAY", "TRAY", "APRON", "KNIFE"]),
                quantity: dice.between(1, 12),
                ..plain
            },
            70..75 => Self {
                card: Some("tok_stolen"),
                ..plain
            },
            75..79 => Self {
                then: Then::CancelAtOnce,
                ..plain
            },
            79..84 => Self {
                then: Then::CancelOnceConfirmed,
                ..plain
            },
            84..88 => Self {
                postal_code: "99999",
                ..plain
            },
            // Policy goes on without a verdict, and then it comes.
            88..92 => Self {
                sku: "BOARD",
                quantity: 1,
                card: Some(*dice.pick(&["tok_slow_stolen", "tok_slow_bureau"])),
                ..plain
            },
            // Too dear to go on without one.
            92..95 => Self {
                sku: "TOASTER",
                quantity: 6,
                card: Some("tok_slow_bureau"),
                ..plain
            },
            // Somebody has to look at it.
            95..98 => Self {
                sku: "ESPRESSO",
                quantity: 1,
                ..plain
            },
            _ => Self {
                then: Then::AskTwice,
                ..plain
            },
        }
    }

    pub(super) fn request(&self) -> Value {
        let mut request = json!({
            "lines": [{ "sku": self.sku, "quantity": self.quantity }],
            "channel": "web",
            "ship_to": {
                "name": "Chaos Customer",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_customer_uses_a_key_once_and_shares_it_with_others() {
        let wishes: Vec<_> = (0..2_000).map(|n| Wish::nth(1, n)).collect();
        let pairs: BTreeSet<_> = wishes
            .iter()
            .map(|wish| (&wish.customer, &wish.key))
            .collect();
        let keys: BTreeSet<_> = wishes.iter().map(|wish| &wish.key).collect();

        assert_eq!(pairs.len(), wishes.len());
        assert!(keys.len() < 100);
    }

    #[test]
    fn a_seed_gives_the_same_wishes_each_time() {
        let of = |seed| (0..100).map(|n| Wish::nth(seed, n)).collect::<Vec<_>>();
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }
}
