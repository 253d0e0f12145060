//! What the provider was told, and how often that had an effect.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;

#[derive(Default)]
pub(crate) struct Ledger {
    collections: BTreeMap<String, Collection>,
    requests: u64,
}

#[derive(Default)]
struct Collection {
    items: BTreeMap<String, Item>,
    /// Idempotency keys that have had their effect.
    seen: HashSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Item {
    key: String,
    value: Value,
    /// Requests that changed it.
    effects: u32,
    /// Requests for it, repeats included.
    requests: u32,
    /// Which request of all was the last that changed it.
    changed_by: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sale {
    Made { left: i64 },
    Refused { left: i64 },
    NotListed,
}

impl Ledger {
    pub(crate) fn set(&mut self, collection: &str, key: &str, repeat_key: &str, value: Value) {
        self.requests += 1;
        let collection = self.collections.entry(collection.to_owned()).or_default();
        let is_new = collection.seen.insert(repeat_key.to_owned());
        let item = collection.items.entry(key.to_owned()).or_insert(Item {
            key: key.to_owned(),
            value: Value::Null,
            effects: 0,
            requests: 0,
            changed_by: 0,
        });
        item.requests += 1;
        if is_new {
            item.value = value;
            item.effects += 1;
            item.changed_by = self.requests;
        }
    }

    /// A marketplace sells from the level that it was told last.
    pub(crate) fn sell(&mut self, collection: &str, key: &str, quantity: i64) -> Sale {
        let item = self
            .collections
            .get_mut(collection)
            .and_then(|collection| collection.items.get_mut(key));
        let Some(available) = item.and_then(|item| item.value.get_mut("available")) else {
            return Sale::NotListed;
        };
        let left = available.as_i64().unwrap_or(0);
        if quantity < 1 || quantity > left {
            return Sale::Refused { left };
        }
        *available = Value::from(left - quantity);
        Sale::Made {
            left: left - quantity,
        }
    }

    pub(crate) fn items(&self, collection: &str) -> Vec<Item> {
        let collection = self.collections.get(collection);
        collection.map_or_else(Vec::new, |collection| {
            collection.items.values().cloned().collect()
        })
    }

    pub(crate) fn forget(&mut self, collection: &str) {
        self.collections.remove(collection);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Ledger, Sale};

    #[test]
    fn a_repeat_has_no_second_effect() {
        let mut ledger = Ledger::default();

        ledger.set("levels", "MUG", "first", json!({ "available": 5 }));
        ledger.set("levels", "MUG", "first", json!({ "available": 9 }));

        let item = &ledger.items("levels")[0];
        assert_eq!((item.effects, item.requests), (1, 2));
        assert_eq!(item.value, json!({ "available": 5 }));
    }

    #[test]
    fn nothing_is_sold_that_is_not_there() {
        let mut ledger = Ledger::default();
        ledger.set("levels", "MUG", "first", json!({ "available": 2 }));

        assert_eq!(ledger.sell("levels", "MUG", 2), Sale::Made { left: 0 });
        assert_eq!(ledger.sell("levels", "MUG", 1), Sale::Refused { left: 0 });
        assert_eq!(ledger.sell("levels", "POT", 1), Sale::NotListed);
    }
}
