//! A limit to dead letters: when everything is suddenly invalid, it is not the records.

use std::collections::VecDeque;
use std::sync::Mutex;

/// So many records back is looked.
const WINDOW: usize = 1000;

/// The batch is not committed; it comes again, and with it the decision.
#[derive(Debug, thiserror::Error)]
#[error(
    "{rejected} of the last {seen} records were invalid, which looks like an error of this service \
     or of a producer: nothing more is dead-lettered until a mended version runs, or \
     DEAD_LETTERS_SURGE is raised"
)]
pub(crate) struct Surge {
    rejected: usize,
    seen: usize,
}

/// What was invalid of what came last.
pub(super) struct Window {
    rejected_max: usize,
    batches: Mutex<VecDeque<Batch>>,
}

#[derive(Clone, Copy)]
struct Batch {
    records: usize,
    rejected: usize,
}

impl Window {
    pub(super) fn new(rejected_max: usize) -> Self {
        Self {
            rejected_max,
            batches: Mutex::default(),
        }
    }

    /// More than the allowed number, and more than half of all.
    pub(super) fn check(&self, records: usize, rejected: usize) -> Result<(), Surge> {
        if rejected == 0 {
            return Ok(());
        }
        let batches = self.batches.lock().expect("no holder panics");
        let seen = records + batches.iter().map(|batch| batch.records).sum::<usize>();
        let rejected = rejected + batches.iter().map(|batch| batch.rejected).sum::<usize>();
        if rejected > self.rejected_max && rejected * 2 > seen {
            return Err(Surge { rejected, seen });
        }
        Ok(())
    }

    pub(super) fn note(&self, records: usize, rejected: usize) {
        let mut batches = self.batches.lock().expect("no holder panics");
        batches.push_back(Batch { records, rejected });
        let mut seen: usize = batches.iter().map(|batch| batch.records).sum();
        while let Some(first) = batches.front()
            && seen - first.records >= WINDOW
        {
            seen -= first.records;
            batches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn a_few_bad_records_are_no_surge_and_many_good_ones_excuse_more() {
        let window = Window::new(200);
        assert!(window.check(200, 200).is_ok());
        window.note(200, 200);
        assert!(window.check(1, 1).is_err());
        assert!(window.check(1, 0).is_ok());
        window.note(300, 0);
        assert!(window.check(1, 1).is_ok());
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let window = Window::new(200);
        window.note(200, 200);
        for _ in 0..10 {
            window.note(100, 0);
        }
        assert!(window.check(150, 150).is_ok());
        assert!(window.check(1500, 1400).is_err());
    }
}
