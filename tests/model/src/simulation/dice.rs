//! Chance that comes again: the same seed throws the same numbers.

use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) struct Dice {
    rng: fastrand::Rng,
    ids: u128,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            ids: 0,
        }
    }

    /// From 0 to one less than `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.rng.usize(..end)
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
