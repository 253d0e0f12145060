//! What the rounds of a bench come to.

use std::collections::BTreeMap;

use super::report::{Figure, Subject, Summary};
use super::rounds::Workload;

fn is_valid(round: &[Figure]) -> bool {
    round.iter().all(|figure| figure.valid)
}

pub(super) fn count_valid(rounds: &[Vec<Figure>]) -> usize {
    rounds.iter().filter(|round| is_valid(round)).count()
}

pub(super) fn of<W: Workload>(
    rounds: &[Vec<Figure>],
    wrong: Vec<String>,
    load: [f64; 2],
) -> Summary {
    let valid: Vec<&Vec<Figure>> = rounds.iter().filter(|round| is_valid(round)).collect();
    let per_s = |round: &[Figure], subject| {
        round
            .iter()
            .find(|figure| figure.subject == subject)
            .and_then(|figure| figure.per_s)
    };
    let mut summary = Summary {
        summary: true,
        bench: W::NAME,
        unit: W::UNIT,
        ratios: BTreeMap::new(),
        spread: BTreeMap::new(),
        per_s: BTreeMap::new(),
        rounds: rounds.len(),
        rounds_valid: valid.len(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        load,
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        valid: wrong.is_empty() && !valid.is_empty(),
        wrong,
    };
    for subject in W::SUBJECTS {
        let mut speeds: Vec<f64> = valid
            .iter()
            .filter_map(|round| per_s(round, *subject))
            .collect();
        if let Some(median) = median(&mut speeds) {
            summary.per_s.insert(subject.name(), median);
        }
        let mut ratios: Vec<f64> = valid
            .iter()
            .filter_map(|round| Some(per_s(round, Subject::Ours)? / per_s(round, *subject)?))
            .collect();
        if *subject != Subject::Ours
            && let Some(median) = median(&mut ratios)
        {
            let name = format!("ours_to_{}", subject.name());
            summary
                .spread
                .insert(name.clone(), [ratios[0], ratios[ratios.len() - 1]]);
            summary.ratios.insert(name, median);
        }
    }
    summary
}

/// Sorts them.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
