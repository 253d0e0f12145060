//! What the processes of a run have spent.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::local::process::ProcessId;
use crate::local::state;

/// By process, each with all that it started; but for this one, which has started all the others.
#[derive(Debug, Clone, Default)]
pub(in crate::bench) struct Cpu(BTreeMap<String, Duration>);

impl Cpu {
    /// Of this process and of all that the stack in `dir` has started.
    pub(in crate::bench) fn now(dir: &Path) -> anyhow::Result<Self> {
        let started = state::load(dir)?.entries.into_iter();
        let mut spent: BTreeMap<_, _> = started
            .filter_map(|entry| Some((entry.program.name, entry.process.cpu_time()?)))
            .collect();
        let own = ProcessId::of(std::process::id()).and_then(|own| own.own_cpu_time());
        spent.extend(own.map(|own| ("client".to_owned(), own)));
        Ok(Self(spent))
    }

    pub(in crate::bench) fn since(mut self, earlier: &Self) -> Self {
        for (name, spent) in &mut self.0 {
            let before = earlier.0.get(name).copied().unwrap_or_default();
            *spent = spent.saturating_sub(before);
        }
        self
    }

    pub(in crate::bench) fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(in crate::bench) fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// For each unit, in microseconds.
    pub(in crate::bench) fn per_unit(&self, units: f64) -> BTreeMap<String, f64> {
        let per_unit = |spent: &Duration| spent.as_secs_f64() * 1e6 / units;
        self.0
            .iter()
            .map(|(name, spent)| (name.clone(), per_unit(spent)))
            .collect()
    }
}
