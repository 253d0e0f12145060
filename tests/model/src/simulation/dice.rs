//! Chance that comes again: the same seed throws the same numbers.

use uuid::Uuid;

/// Sebastiano Vigna's `splitmix64`: small, and good enough to choose with.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    state: u64,
    ids: u128,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            ids: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to one less than `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("64 bits are enough");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        match from {
            [] => None,
            _ => Some(&from[self.below(from.len())]),
        }
    }

    /// Ids rise, as those of the product do.
    pub(super) fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }
}
