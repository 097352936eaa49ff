//! Rows of the comparison: medians, a ratio, what must be and what is aimed at.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::table::{bytes, number, time};

/// A figure and its unit.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// How long.
    Time(Duration),
    /// How many a second.
    Rate(f64),
    /// Bytes a record.
    PerRecord(f64),
    /// Bytes.
    Bytes(u64),
}

/// What a ratio or a figure is held against.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// So many at least.
    AtLeast {
        /// Less is a failure.
        must: f64,
        /// What was hoped for.
        aim: f64,
    },
    /// So many at most.
    AtMost {
        /// More is a failure.
        must: f64,
        /// What was hoped for.
        aim: f64,
    },
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was measured.
    pub measure: String,
    /// EscrowDB.
    pub ours: Option<Figure>,
    /// SQLite.
    pub sqlite: Option<Figure>,
    /// The sealed redb.
    pub redb: Option<Figure>,
    /// The device itself.
    pub bare: Option<Figure>,
    /// The ratio that counts, and in words what over what.
    pub ratio: Option<(f64, &'static str)>,
    /// What is judged against the goal where that is no ratio, in the goal's unit.
    pub judged: Option<(f64, &'static str)>,
    /// The goal.
    pub goal: Option<Goal>,
}

/// All rows in the order in which they were taken.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Figure {
    /// Seconds, records a second, or bytes.
    pub fn value(self) -> f64 {
        match self {
            Self::Time(d) => d.as_secs_f64(),
            Self::Rate(n) | Self::PerRecord(n) => n,
            Self::Bytes(n) => n as f64,
        }
    }

    pub(in crate::compare) fn text(self) -> String {
        match self {
            Self::Time(d) => time(d),
            Self::Rate(n) => format!("{}/s", number(n as u64)),
            Self::PerRecord(n) => format!("{n:.0} B"),
            Self::Bytes(n) => bytes(n),
        }
    }
}

impl Goal {
    pub(in crate::compare) fn verdict(self, value: f64) -> &'static str {
        let (must, aim) = match self {
            Self::AtLeast { must, aim } => (value >= must, value >= aim),
            Self::AtMost { must, aim } => (value <= must, value <= aim),
        };
        match (aim, must) {
            (true, _) => "aim reached",
            (false, true) => "must reached",
            (false, false) => "not reached",
        }
    }

    pub(in crate::compare) fn text(self, unit: &str) -> (String, String) {
        match self {
            Self::AtLeast { must, aim } => (format!("≥ {must}{unit}"), format!("≥ {aim}{unit}")),
            Self::AtMost { must, aim } => (format!("≤ {must}{unit}"), format!("≤ {aim}{unit}")),
        }
    }
}

impl Row {
    /// A row of this name.
    pub fn new(measure: impl Into<String>) -> Self {
        Self { measure: measure.into(), ..Self::default() }
    }

    /// Our figure, SQLite's, redb's.
    #[must_use]
    pub const fn figures(mut self, of: [Option<Figure>; 3]) -> Self {
        [self.ours, self.sqlite, self.redb] = of;
        self
    }

    /// `over` through `under` counts.
    #[must_use]
    pub fn ratio(mut self, over: Option<Figure>, under: Option<Figure>, words: &'static str) -> Self {
        self.ratio = over.zip(under).map(|(a, b)| (a.value() / b.value().max(1e-12), words));
        self
    }

    /// Its goal.
    #[must_use]
    pub const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Judged by this number and unit instead of the ratio.
    #[must_use]
    pub const fn judged(mut self, value: f64, unit: &'static str) -> Self {
        self.judged = Some((value, unit));
        self
    }

    fn verdict(&self) -> &'static str {
        let value = self.judged.or(self.ratio).map(|r| r.0);
        self.goal.zip(value).map_or("", |(goal, value)| goal.verdict(value))
    }

    fn cells(&self) -> [String; 9] {
        let figure = |f: Option<Figure>| f.map_or(String::new(), Figure::text);
        let ratio = self.ratio.map_or(String::new(), |(n, words)| format!("{} {words}", short(n)));
        let unit = self.judged.map_or("×", |j| j.1);
        let (must, aim) = self.goal.map_or_else(Default::default, |goal| goal.text(unit));
        [
            self.measure.clone(),
            figure(self.ours),
            figure(self.sqlite),
            figure(self.redb),
            figure(self.bare),
            ratio,
            must,
            aim,
            self.verdict().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let figure = |f: Option<Figure>| f.map(Figure::value);
        let (must, aim) = match self.goal {
            Some(Goal::AtLeast { must, aim } | Goal::AtMost { must, aim }) => (Some(must), Some(aim)),
            None => (None, None),
        };
        json!({
            "measure": self.measure,
            "escrowdb": figure(self.ours),
            "sqlite": figure(self.sqlite),
            "redb": figure(self.redb),
            "bare": figure(self.bare),
            "ratio": self.ratio.map(|r| r.0),
            "ratio_of": self.ratio.map(|r| r.1),
            "must": must,
            "aim": aim,
            "verdict": self.verdict(),
        })
    }
}

impl Report {
    /// Adds a row and prints it, for long runs are watched.
    pub fn add(&mut self, row: Row) -> Result<()> {
        let cells: Vec<String> = row.cells().into_iter().filter(|c| !c.is_empty()).collect();
        writeln!(std::io::stderr().lock(), "{}", cells.join(" | "))?;
        self.rows.push(row);
        Ok(())
    }

    /// A table.
    pub fn markdown(&self, heading: &str) -> String {
        let mut out = format!(
            "| {heading} | EscrowDB | SQLite | redb, sealed | device | ratio | must | aim | |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---|\n"
        );
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", row.cells().join(" | "));
        }
        out
    }

    /// A table of our figures alone.
    pub fn plain(&self, heading: &str) -> String {
        let mut out = format!("| {heading} | | must | aim | |\n|---|---:|---:|---:|---|\n");
        for row in &self.rows {
            let [measure, ours, _, _, _, _, must, aim, verdict] = row.cells();
            let _ = writeln!(out, "| {measure} | {ours} | {must} | {aim} | {verdict} |");
        }
        out
    }

    /// One JSON object a row; times in seconds.
    pub fn json(&self) -> String {
        self.rows.iter().map(|row| format!("{}\n", row.json())).collect()
    }
}

fn short(n: f64) -> String {
    match n {
        _ if n < 10.0 => format!("{n:.2}×"),
        _ if n < 100.0 => format!("{n:.1}×"),
        _ => format!("{n:.0}×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_its_ratio_or_its_figure() {
        let ms = |n| Some(Figure::Time(Duration::from_millis(n)));
        let row = Row::new("x").figures([ms(1), ms(50), None]).ratio(ms(50), ms(1), "SQLite / ours");
        let verdict = |goal| row.clone().goal(goal).verdict();
        assert_eq!(verdict(Goal::AtLeast { must: 20.0, aim: 100.0 }), "must reached");
        assert_eq!(verdict(Goal::AtLeast { must: 20.0, aim: 40.0 }), "aim reached");
        assert_eq!(verdict(Goal::AtMost { must: 2.0, aim: 1.3 }), "not reached");
        assert_eq!(row.verdict(), "");
        let judged = row.judged(12.0, " ms").goal(Goal::AtMost { must: 50.0, aim: 10.0 });
        assert_eq!(judged.verdict(), "must reached");
        assert_eq!(judged.json()["verdict"], "must reached");
        assert!(judged.cells().iter().any(|c| c == "≤ 50 ms"));
    }
}
