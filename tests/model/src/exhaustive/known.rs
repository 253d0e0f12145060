//! Values that were met before, so that a state of the world is a handful of numbers.
//!
//! A service's own states are few; what makes worlds many is how they combine. So each value is
//! kept once, and each decision is asked for once.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::RwLock;

struct Kept<T> {
    number: u32,
    value: T,
}

/// A value that is kept for as long as the process runs.
pub(super) struct Known<T: 'static>(&'static Kept<T>);

impl<T> Known<T> {
    pub(super) fn number(self) -> u32 {
        self.0.number
    }

    pub(super) fn value(self) -> &'static T {
        &self.0.value
    }
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Known<T> {}

impl<T> Deref for Known<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> PartialEq for Known<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl<T> Eq for Known<T> {}

impl<T> Hash for Known<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.number.hash(hasher);
    }
}

impl<T: Debug> Debug for Known<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(formatter)
    }
}

/// All values of one kind that were met, by what tells them apart.
pub(super) struct Values<K, T: 'static>(RwLock<HashMap<K, Known<T>>>);

impl<K: Eq + Hash, T> Values<K, T> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn keep_as(&self, key: K, value: T) -> Known<T> {
        if let Some(known) = self.0.read().expect("nobody panics in here").get(&key) {
            return *known;
        }
        let mut values = self.0.write().expect("nobody panics in here");
        let number = u32::try_from(values.len()).expect("a service has few states");
        *values
            .entry(key)
            .or_insert_with(|| Known(Box::leak(Box::new(Kept { number, value }))))
    }
}

impl<T: Debug> Values<String, T> {
    /// Every field of the product's types shows in their text, and they need no `Hash` for us.
    pub(super) fn keep(&self, value: T) -> Known<T> {
        self.keep_as(format!("{value:?}"), value)
    }
}

/// Answers to questions that were asked before.
pub(super) struct Answers<Q, A>(RwLock<HashMap<Q, A>>);

impl<Q: Eq + Hash + Copy, A: Clone> Answers<Q, A> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn ask(&self, question: Q, answer: impl FnOnce() -> A) -> A {
        let asked = self.0.read().expect("nobody panics in here");
        if let Some(answer) = asked.get(&question) {
            return answer.clone();
        }
        drop(asked);
        let answer = answer();
        let mut answers = self.0.write().expect("nobody panics in here");
        answers.entry(question).or_insert(answer).clone()
    }
}
