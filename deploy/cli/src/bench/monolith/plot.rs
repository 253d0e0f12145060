//! Two pictures: time to answer, and orders lost.

use std::path::{Path, PathBuf};

use anyhow::Context;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::Run;
use super::figures::{Phase, between, lost};
use super::stage::Shop;
use crate::bench::rounds::Latency;

const SIZE: (u32, u32) = (960, 480);
const MONOLITH: RGBColor = RGBColor(200, 70, 40);
const TICKETRAIL: RGBColor = RGBColor(30, 100, 200);
const SHADE: RGBColor = RGBColor(240, 240, 240);

/// A name, a colour, and points over seconds.
type Series = (String, RGBColor, Vec<(f64, f64)>);

/// The names of the files.
pub(super) fn draw(runs: &[Run], phase_s: u64, out: &Path) -> anyhow::Result<Vec<String>> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let seconds = Phase::ALL.len() as u64 * phase_s;
    let times = Picture {
        file: out.join("monolith-answer-time.svg"),
        title: "Time to answer, 99th percentile of each second",
        unit: "milliseconds",
        bottom: 1.0,
        top: 10_000.0,
        legend: SeriesLabelPosition::LowerRight,
        series: series(runs, |run| p99(run, seconds)),
    };
    let most = runs.iter().map(|run| lost(&run.samples)).max();
    let losses = Picture {
        file: out.join("monolith-orders-lost.svg"),
        title: "Orders lost so far",
        unit: "orders",
        bottom: 0.0,
        top: most.unwrap_or_default().max(10) as f64 * 1.15,
        legend: SeriesLabelPosition::MiddleRight,
        series: series(runs, |run| losses(run, seconds)),
    };
    times.draw((times.bottom..times.top).log_scale(), phase_s)?;
    losses.draw(losses.bottom..losses.top, phase_s)?;
    let files = [times.file, losses.file];
    Ok(files.map(|file| file.display().to_string()).to_vec())
}

struct Picture {
    file: PathBuf,
    title: &'static str,
    unit: &'static str,
    bottom: f64,
    top: f64,
    legend: SeriesLabelPosition,
    series: Vec<Series>,
}

impl Picture {
    fn draw<Y>(
        &self,
        y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
        phase_s: u64,
    ) -> anyhow::Result<()>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let root = SVGBackend::new(&self.file, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let end = (Phase::ALL.len() as u64 * phase_s) as f64;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 22))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(65)
            .build_cartesian_2d(0.0..end, y)?;
        // Every second phase on another ground.
        for number in (1..Phase::ALL.len()).step_by(2) {
            let (left, right) = span(number, phase_s);
            let corners = [(left, self.bottom), (right, self.top)];
            chart.draw_series([Rectangle::new(corners, SHADE.filled())])?;
        }
        chart
            .configure_mesh()
            .x_desc("seconds")
            .y_desc(self.unit)
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|second| format!("{second:.0}"))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        for (number, phase) in Phase::ALL.into_iter().enumerate() {
            let at = (span(number, phase_s).0 + 0.5, self.top * 0.97);
            chart.draw_series([Text::new(phase.to_string(), at, ("sans-serif", 16))])?;
        }
        for (name, color, points) in &self.series {
            chart
                .draw_series(LineSeries::new(
                    points.iter().copied(),
                    color.stroke_width(2),
                ))?
                .label(name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(self.legend.clone())
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        root.present()
            .with_context(|| format!("cannot draw {}", self.file.display()))
    }
}

fn series(runs: &[Run], points: impl Fn(&Run) -> Vec<(f64, f64)>) -> Vec<Series> {
    runs.iter()
        .map(|run| (run.shop.to_string(), color(run), points(run)))
        .collect()
}

fn color(run: &Run) -> RGBColor {
    match run.shop {
        Shop::Monolith => MONOLITH,
        Shop::Ticketrail => TICKETRAIL,
    }
}

fn p99(run: &Run, seconds: u64) -> Vec<(f64, f64)> {
    (0..seconds)
        .filter_map(|second| {
            let samples = between(&run.samples, second, second + 1);
            let times: Vec<_> = samples.iter().map(|sample| sample.took).collect();
            (!times.is_empty()).then(|| (second as f64, Latency::of(times).p99_ms))
        })
        .collect()
}

fn losses(run: &Run, seconds: u64) -> Vec<(f64, f64)> {
    let lost_by = |second| lost(&between(&run.samples, 0, second)) as f64;
    (0..=seconds)
        .map(|second| (second as f64, lost_by(second)))
        .collect()
}

/// Where a phase begins and ends.
fn span(number: usize, phase_s: u64) -> (f64, f64) {
    let begin = number as f64 * phase_s as f64;
    (begin, begin + phase_s as f64)
}
