//! What was expected and what was seen, for people and for programs.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use super::mails::Kind;

/// One fate, as it was played.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) fate: &'static str,
    pub(super) ok: bool,
    pub(super) customer_id: &'static str,
    pub(super) order_id: Option<Uuid>,
    pub(super) expected: &'static str,
    pub(super) seen: String,
    pub(super) mails_expected: Vec<Kind>,
    pub(super) mails: Vec<Kind>,
    pub(super) trace_id: Option<String>,
    pub(super) spans: usize,
    pub(super) services: BTreeSet<String>,
    /// From the request to the order's end.
    pub(super) took_ms: u128,
    /// What differs, in words.
    pub(super) differs: Vec<String>,
}

const HEADINGS: [&str; 6] = ["  fate", "expected", "seen", "mails", "spans", "services"];

/// Two lines per fate, and one more for each thing that differs.
pub(super) fn print(rows: &[Row]) {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    print_line(&HEADINGS.map(str::to_owned), widths);
    for (row, cells) in rows.iter().zip(&cells) {
        print_line(cells, widths);
        let order = row
            .order_id
            .map_or_else(|| "none".to_owned(), |id| id.to_string());
        let trace = row.trace_id.as_deref().unwrap_or("none");
        println!("    order {order}  trace {trace}");
        for differs in &row.differs {
            println!("    ! {differs}");
        }
    }
}

fn print_line(cells: &[String; 6], widths: [usize; 6]) {
    let line: Vec<_> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    println!("{}", line.join("  ").trim_end());
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let mark = if self.ok { "✓" } else { "✗" };
        [
            format!("{mark} {}", self.fate),
            self.expected.to_owned(),
            self.seen.clone(),
            format!("{} of {}", self.mails.len(), self.mails_expected.len()),
            self.spans.to_string(),
            self.services.len().to_string(),
        ]
    }
}
