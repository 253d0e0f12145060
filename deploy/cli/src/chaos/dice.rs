//! Chance that comes again: everything a run draws follows from its seed.

/// `SplitMix64`: small, well mixed, and the same on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Each purpose draws from a stream of its own, so that one that draws more moves no other.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a.
        let stream = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let mut dice = Self(seed ^ stream);
        dice.roll();
        dice
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and without `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(from.len() as u64)).expect("it is below a length");
        &from[index]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = usize::try_from(self.below(end as u64 + 1)).expect("it is below a length");
            items.swap(end, other);
        }
    }
}

/// Draws each card once before any comes a second time, so that none is spared by chance.
#[derive(Debug)]
pub(super) struct Deck<T> {
    cards: Vec<T>,
    left: Vec<T>,
}

impl<T: Copy> Deck<T> {
    pub(super) fn of(cards: &[T]) -> Self {
        Self {
            cards: cards.to_vec(),
            left: Vec::new(),
        }
    }

    /// There is at least one card.
    pub(super) fn draw(&mut self, dice: &mut Dice) -> T {
        if self.left.is_empty() {
            self.left.clone_from(&self.cards);
            dice.shuffle(&mut self.left);
        }
        self.left
            .pop()
            .expect("it was filled from a deck with cards")
    }
}
