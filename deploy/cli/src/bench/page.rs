//! One page of the rounds that were kept, with a picture of how far each target is reached.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use plotters::prelude::*;
use serde_json::Value;

use super::report::{ROUNDS, Summary};
use super::scale;
use super::targets::{self, Reached};

const PAGE: &str = "README.md";
const PICTURE: &str = "rates.svg";
const SIZE: (u32, u32) = (960, 420);

pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let file = folder.join(ROUNDS);
    let text = std::fs::read_to_string(&file).with_context(|| {
        let file = file.display();
        format!("there is no {file}; `ticketrail bench all` makes it")
    })?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} has a line that is no JSON", file.display()))?;
    let summaries: Vec<Summary> = lines
        .iter()
        .filter(|line| line["summary"] == true)
        .map(|line| serde_json::from_value(line.clone()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is of another version", file.display()))?;
    draw(&summaries, &folder.join(PICTURE))?;
    let page = page(&summaries, &lines);
    std::fs::write(folder.join(PAGE), page)
        .with_context(|| format!("cannot write into {}", folder.display()))
}

fn page(summaries: &[Summary], lines: &[Value]) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n\
         Made by `ticketrail bench report` from [the rounds](rounds.jsonl) of `ticketrail bench \
         all`.\n",
    );
    if let Some(first) = summaries.first() {
        let builds = &first.build;
        let cores = first.cores;
        let flush = median_of(lines, "f_ms");
        let hop = median_of(lines, "k_ms");
        let _ = writeln!(
            page,
            "{cores} cores, {builds} build; a durable flush took {flush:.2} ms, a hop through \
             Kafka {hop:.2} ms (medians)."
        );
    }
    page.push_str("\n## Targets\n\n| measure | reached | enough | aim | |\n");
    page.push_str("| --- | --: | --: | --: | --- |\n");
    for cells in targets::reached(summaries).iter().map(Reached::cells) {
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page.push_str("\n## Rates\n\n![Units a second, by bench and subject](rates.svg)\n\n");
    page.push_str("| bench | rounds | | a second | ours to it | from | to |\n");
    page.push_str("| --- | --: | --- | --: | --: | --: | --: |\n");
    for summary in summaries {
        for (subject, per_s) in &summary.per_s {
            let ratio = format!("ours_to_{subject}");
            let median = summary.ratios.get(&ratio);
            let spread = summary.spread.get(&ratio);
            let cell = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.2}"));
            let _ = writeln!(
                page,
                "| {} | {} of {} | {subject} | {per_s:.0} {} | {} | {} | {} |",
                summary.bench,
                summary.rounds_valid,
                summary.rounds,
                summary.unit,
                cell(median.copied()),
                cell(spread.map(|spread| spread[0])),
                cell(spread.map(|spread| spread[1])),
            );
        }
    }
    page.extend(scale::section(summaries, lines));
    page
}

fn median_of(lines: &[Value], name: &str) -> f64 {
    let mut values: Vec<f64> = lines
        .iter()
        .filter_map(|line| line[name].as_f64())
        .collect();
    super::summary::median(&mut values).unwrap_or_default()
}

/// A group of bars for each bench, as tall as its fastest subject.
fn draw(summaries: &[Summary], file: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let end = summaries.len() as f64;
    let mut chart = ChartBuilder::on(&root)
        .caption("Units a second, beside the fastest", ("sans-serif", 22))
        .margin(15)
        .x_label_area_size(30)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..end.max(1.0), 0.0..1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(0)
        .y_label_formatter(&|share| format!("{share:.1}"))
        .draw()?;
    for (number, summary) in summaries.iter().enumerate() {
        let fastest = summary.per_s.values().copied().fold(1.0, f64::max);
        let wide = 0.8 / summary.per_s.len().max(1) as f64;
        for (place, (subject, per_s)) in summary.per_s.iter().enumerate() {
            let left = number as f64 + 0.1 + wide * place as f64;
            let top = per_s / fastest;
            let bar = [(left, 0.0), (left + wide * 0.92, top)];
            chart.draw_series([Rectangle::new(bar, color(subject).filled())])?;
            let label = format!("{subject} {}", rounded(*per_s));
            let at = (left, top + 0.045);
            chart.draw_series([Text::new(label, at, ("sans-serif", 11))])?;
        }
        let at = (number as f64 + 0.1, -0.02);
        chart.draw_series([Text::new(summary.bench.clone(), at, ("sans-serif", 14))])?;
    }
    root.present()
        .with_context(|| format!("cannot draw {}", file.display()))
}

fn rounded(per_s: f64) -> String {
    if per_s >= 1000.0 {
        format!("{:.1}k", per_s / 1000.0)
    } else {
        format!("{per_s:.0}")
    }
}

fn color(subject: &str) -> RGBColor {
    match subject {
        "ours" => RGBColor(30, 100, 200),
        "limit" => RGBColor(150, 150, 150),
        "peer" => RGBColor(200, 70, 40),
        _ => RGBColor(120, 170, 120),
    }
}
