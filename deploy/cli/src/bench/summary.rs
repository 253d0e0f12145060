//! What the rounds of a bench come to.

use std::collections::BTreeMap;

use super::report::{Figure, Subject, Summary};
use super::rounds::About;

fn is_valid(round: &[Figure]) -> bool {
    round.iter().all(|figure| figure.valid)
}

pub(super) fn count_valid(rounds: &[Vec<Figure>]) -> usize {
    rounds.iter().filter(|round| is_valid(round)).count()
}

pub(super) fn of(
    about: About,
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
        bench: about.name.to_owned(),
        unit: about.unit.to_owned(),
        ratios: BTreeMap::new(),
        spread: BTreeMap::new(),
        per_s: BTreeMap::new(),
        figures: BTreeMap::new(),
        rounds: rounds.len(),
        rounds_valid: valid.len(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        load,
        build: if cfg!(debug_assertions) {
            "debug".to_owned()
        } else {
            "release".to_owned()
        },
        valid: wrong.is_empty() && !valid.is_empty(),
        wrong,
    };
    for (name, mut values) in figures_of_ours(&valid) {
        let median = median(&mut values).map(|median| (name.to_owned(), median));
        summary.figures.extend(median);
    }
    for subject in about.subjects {
        let mut speeds: Vec<f64> = valid
            .iter()
            .filter_map(|round| per_s(round, *subject))
            .collect();
        if let Some(median) = median(&mut speeds) {
            summary.per_s.insert(subject.name().to_owned(), median);
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

/// What ours told beside its speed, round by round.
fn figures_of_ours(rounds: &[&Vec<Figure>]) -> BTreeMap<&'static str, Vec<f64>> {
    let mut figures: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let ours = rounds
        .iter()
        .flat_map(|round| round.iter())
        .filter(|figure| figure.subject == Subject::Ours);
    for figure in ours {
        let cpu = figure.cpu_us_per_unit.map(|us| ("cpu_us_per_unit", us));
        let p99 = figure.p99_ms.map(|ms| ("p99_ms", ms));
        let details = figure.details.iter().map(|(name, value)| (*name, *value));
        for (name, value) in details.chain(cpu).chain(p99) {
            figures.entry(name).or_default().push(value);
        }
    }
    figures
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
