//! What customers order, so that every end of an order is reached.

use super::dice::Dice;
use crate::basket::Basket;

/// One order in full, and what its customer does afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) customer: String,
    /// Unique to the customer; other customers have the same.
    pub(super) key: String,
    pub(super) basket: Basket,
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
        let mut dice = Dice::new(seed, &format!("wish {n}"));
        let generation = n / (ORDERS_PER_CUSTOMER * CUSTOMERS_AT_ONCE);
        let customer = generation * CUSTOMERS_AT_ONCE + n % CUSTOMERS_AT_ONCE;
        let of_customer = (n / CUSTOMERS_AT_ONCE) % ORDERS_PER_CUSTOMER;
        let sku = *dice.pick(&["KETTLE", "TEAPOT", "MUG", "POT", "SCALE", "BOARD"]);
        let plain = Basket::of(sku, dice.between(1, 2));
        let (basket, then) = match dice.below(100) {
            0..45 => (plain, Then::Wait),
            45..52 => (plain, Then::Watch),
            // Scarce, and everybody wants it: more than there is, and from several warehouses.
            52..70 => {
                let sku = *dice.pick(&["TRAY", "TRAY", "APRON", "KNIFE"]);
                (Basket::of(sku, dice.between(1, 12)), Then::Wait)
            }
            70..75 => (plain.paid_with("tok_stolen"), Then::Wait),
            75..79 => (plain, Then::CancelAtOnce),
            79..84 => (plain, Then::CancelOnceConfirmed),
            84..88 => {
                let far = Basket {
                    postal_code: "99999",
                    ..plain
                };
                (far, Then::Wait)
            }
            // Policy goes on without a verdict, and then it comes.
            88..92 => {
                let card = *dice.pick(&["tok_slow_stolen", "tok_slow_bureau"]);
                (Basket::of("BOARD", 1).paid_with(card), Then::Wait)
            }
            // Too dear to go on without one.
            92..95 => (
                Basket::of("TOASTER", 6).paid_with("tok_slow_bureau"),
                Then::Wait,
            ),
            // Somebody has to look at it.
            95..98 => (Basket::of("ESPRESSO", 1), Then::Wait),
            _ => (plain, Then::AskTwice),
        };
        Self {
            customer: format!("customer-{customer}"),
            key: format!("order-{of_customer}"),
            basket,
            then,
        }
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
