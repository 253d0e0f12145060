//! What was found, for people and for programs.

use serde::Serialize;

/// As many as a person reads before looking for the cause.
pub(super) const EXAMPLES_MAX: usize = 5;

/// One law, and what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LawResult {
    pub law: &'static str,
    pub title: &'static str,
    /// How many rows the law looked at. Where it is 0, the law says nothing.
    pub checked: i64,
    pub violations: i64,
    /// The first few violations, with the ids they are about.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub laws: Vec<LawResult>,
    pub orders: i64,
    pub events: i64,
}

#[derive(Serialize)]
struct Summary {
    summary: bool,
    orders: i64,
    events: i64,
    violations: i64,
    ok: bool,
    laws_that_checked_nothing: usize,
}

impl Report {
    pub fn ok(&self) -> bool {
        self.violations() == 0
    }

    pub fn violations(&self) -> i64 {
        self.laws.iter().map(|law| law.violations).sum()
    }

    /// The laws that were found broken.
    pub fn broken(&self) -> Vec<&'static str> {
        self.laws
            .iter()
            .filter(|law| law.violations > 0)
            .map(|law| law.law)
            .collect()
    }

    pub fn laws_that_checked_nothing(&self) -> Vec<&'static str> {
        self.laws
            .iter()
            .filter(|law| law.checked == 0)
            .map(|law| law.law)
            .collect()
    }

    /// One document per law, and a summary.
    pub fn print_json(&self) -> serde_json::Result<()> {
        for law in &self.laws {
            println!("{}", serde_json::to_string(law)?);
        }
        let summary = Summary {
            summary: true,
            orders: self.orders,
            events: self.events,
            violations: self.violations(),
            ok: self.ok(),
            laws_that_checked_nothing: self.laws_that_checked_nothing().len(),
        };
        println!("{}", serde_json::to_string(&summary)?);
        Ok(())
    }

    pub fn print(&self) {
        println!("{:<4} {:>10} {:>10}  law", "", "checked", "violations");
        for law in &self.laws {
            println!(
                "{:<4} {:>10} {:>10}  {}",
                law.law, law.checked, law.violations, law.title
            );
            for example in &law.examples {
                println!("{:28}{example}", "");
            }
        }
        println!(
            "\n{} orders, {} events: {}",
            self.orders,
            self.events,
            self.verdict()
        );
    }

    fn verdict(&self) -> String {
        let mut verdict = match self.violations() {
            0 => "no violation".to_owned(),
            violations => format!("{violations} violations of {}", self.broken().join(", ")),
        };
        let idle = self.laws_that_checked_nothing();
        if !idle.is_empty() {
            verdict.push_str(&format!("; nothing to check for {}", idle.join(", ")));
        }
        verdict
    }
}
