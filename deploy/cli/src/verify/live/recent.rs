//! What was seen lately, in a bounded space.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// About twenty megabytes of memory, and the events of a quarter of an hour at full load.
const ENTRIES_MAX: usize = 500_000;

/// Keys are known by their hashes: of as many entries, two differ in theirs but look the same about
/// once in a hundred million runs.
pub(super) struct Recent<V> {
    values: HashMap<u64, V>,
    in_order: VecDeque<u64>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }
}

impl<V> Recent<V> {
    /// What was there before. The oldest key is forgotten where there are too many.
    pub(super) fn put(&mut self, key: impl Hash, value: V) -> Option<V> {
        let key = hash(key);
        let before = self.values.insert(key, value);
        if before.is_none() {
            self.in_order.push_back(key);
            if self.in_order.len() > ENTRIES_MAX
                && let Some(oldest) = self.in_order.pop_front()
            {
                self.values.remove(&oldest);
            }
        }
        before
    }

    pub(super) fn has(&self, key: impl Hash) -> bool {
        self.values.contains_key(&hash(key))
    }
}

fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
