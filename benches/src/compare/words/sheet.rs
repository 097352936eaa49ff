//! A table of many systems: our figure, each peer's with how many times better ours is, and the goals.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::compare::report::{Figure, Goal};
use crate::table::number;

/// Key of our own column.
pub const OURS: &str = "escrowdb";

/// What stands in a cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A figure.
    Figure(Figure),
    /// Why there is none.
    Note(String),
}

impl Cell {
    fn value(&self) -> Option<f64> {
        match self {
            Self::Figure(figure) => Some(figure.value()),
            Self::Note(_) => None,
        }
    }
}

/// A figure held against a goal.
#[derive(Clone, Debug)]
struct Judged {
    words: String,
    value: Option<f64>,
    unit: &'static str,
    goal: Goal,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Line {
    what: String,
    hits: Option<u64>,
    more_is_better: bool,
    cells: Vec<(&'static str, Cell)>,
    judged: Vec<Judged>,
}

impl Line {
    /// A row of which smaller figures are better.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hits: None, more_is_better: false, cells: Vec::new(), judged: Vec::new() }
    }

    /// Greater figures are better.
    #[must_use]
    pub const fn more_is_better(mut self) -> Self {
        self.more_is_better = true;
        self
    }

    /// How many records match.
    #[must_use]
    pub const fn hits(mut self, hits: u64) -> Self {
        self.hits = Some(hits);
        self
    }

    /// The figure of a system.
    #[must_use]
    pub fn cell(mut self, key: &'static str, cell: Cell) -> Self {
        self.cells.push((key, cell));
        self
    }

    /// All of them.
    #[must_use]
    pub fn cells(mut self, cells: impl IntoIterator<Item = (&'static str, Cell)>) -> Self {
        self.cells.extend(cells);
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.what
    }

    /// Keys of the systems that have a cell.
    pub fn keys(&self) -> Vec<&'static str> {
        self.cells.iter().map(|cell| cell.0).collect()
    }

    /// How many records match, if that was told.
    pub const fn hit_count(&self) -> Option<u64> {
        self.hits
    }

    /// Our time in milliseconds.
    pub fn milliseconds(&self) -> Option<f64> {
        self.value(OURS).map(|seconds| seconds * 1e3)
    }

    /// The same of the peers under another name, with other figures of ours.
    #[must_use]
    pub fn with_ours(&self, what: String, ours: impl IntoIterator<Item = (&'static str, Cell)>) -> Self {
        let peers = self.cells.iter().filter(|cell| cell.0 != OURS).cloned();
        Self { what, cells: ours.into_iter().chain(peers).collect(), judged: Vec::new(), ..self.clone() }
    }

    fn value(&self, key: &str) -> Option<f64> {
        self.cells.iter().find(|c| c.0 == key).and_then(|c| c.1.value())
    }

    /// How many times better ours is than that of `key`.
    fn better_than(&self, key: &str) -> Option<f64> {
        let (ours, theirs) = (self.value(OURS)?, self.value(key)?);
        let (over, under) = if self.more_is_better { (ours, theirs) } else { (theirs, ours) };
        Some(over / under.max(1e-12))
    }

    /// Ours must be so many times better than the peer's.
    #[must_use]
    pub fn times_better(mut self, key: &'static str, must: f64, aim: f64) -> Self {
        let value = self.better_than(key);
        let goal = Goal::AtLeast { must, aim };
        self.judged.push(Judged { words: format!("better than {key}"), value, unit: "×", goal });
        self
    }

    /// Ours must be this part of the peer's figure at most.
    #[must_use]
    pub fn part_of(mut self, key: &'static str, must: f64, aim: f64) -> Self {
        let value = self.value(OURS).zip(self.value(key)).map(|(a, b)| a / b.max(1e-12));
        let goal = Goal::AtMost { must, aim };
        self.judged.push(Judged { words: format!("of {key}"), value, unit: "×", goal });
        self
    }

    /// A number in a unit of its own.
    #[must_use]
    pub fn judged(mut self, words: &str, value: Option<f64>, unit: &'static str, goal: Goal) -> Self {
        self.judged.push(Judged { words: words.to_owned(), value, unit, goal });
        self
    }

    fn text(&self, key: &str) -> String {
        match self.cells.iter().find(|c| c.0 == key) {
            None => String::new(),
            Some((_, Cell::Note(note))) => note.clone(),
            Some((_, Cell::Figure(figure))) => match self.better_than(key).filter(|_| key != OURS) {
                Some(ratio) => format!("{} ({})", figure.text(), times(ratio)),
                None => figure.text(),
            },
        }
    }

    fn goals(&self) -> String {
        let one = |j: &Judged| {
            let (must, aim) = j.goal.text(j.unit);
            let reached = match j.value {
                Some(value) => {
                    format!("{}{}: {}", round(value), j.unit, j.goal.verdict(value))
                }
                None => "not there yet".to_owned(),
            };
            format!("{} {must}, aim {aim}: {reached}", j.words).trim_start().to_owned()
        };
        self.judged.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    fn json(&self) -> Value {
        let mut figures = Map::new();
        let mut better = Map::new();
        for (key, cell) in &self.cells {
            let value = match cell {
                Cell::Figure(figure) => json!(figure.value()),
                Cell::Note(note) => json!(note),
            };
            figures.insert((*key).to_owned(), value);
            if let Some(ratio) = self.better_than(key).filter(|_| *key != OURS) {
                better.insert((*key).to_owned(), json!(ratio));
            }
        }
        let goals: Vec<Value> = self
            .judged
            .iter()
            .map(|j| {
                let (Goal::AtLeast { must, aim } | Goal::AtMost { must, aim }) = j.goal;
                let verdict = j.value.map_or("not there yet", |value| j.goal.verdict(value));
                json!({"of": j.words, "value": j.value, "unit": j.unit, "must": must, "aim": aim, "verdict": verdict})
            })
            .collect();
        json!({"row": self.what, "hits": self.hits, "figures": figures, "times_better": better, "goals": goals})
    }
}

/// All rows in the order in which they were taken.
#[derive(Default)]
pub struct Sheet {
    columns: Vec<(&'static str, &'static str)>,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Sheet {
    /// A table with these columns: keys and names.
    pub fn new(columns: Vec<(&'static str, &'static str)>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Adds a row and prints it, for long runs are watched.
    pub fn add(&mut self, line: Line) -> Result<()> {
        let mut err = std::io::stderr().lock();
        write!(err, "{}", line.what)?;
        for (key, name) in &self.columns {
            let text = line.text(key);
            if !text.is_empty() {
                write!(err, " | {name} {text}")?;
            }
        }
        writeln!(err, " | {}", line.goals())?;
        self.lines.push(line);
        Ok(())
    }

    /// Something to be said below the table; printed at once too.
    pub fn note(&mut self, note: impl Into<String>) -> Result<()> {
        let note = note.into();
        if !self.notes.contains(&note) {
            writeln!(std::io::stderr().lock(), "note: {note}")?;
            self.notes.push(note);
        }
        Ok(())
    }

    /// The table.
    pub fn markdown(&self, heading: &str) -> String {
        let mut out = format!("| {heading} | hits |");
        for (_, name) in &self.columns {
            let _ = write!(out, " {name} |");
        }
        let _ = writeln!(out, " goals |\n|---|---:|{}---|", "---:|".repeat(self.columns.len()));
        for line in &self.lines {
            let _ = write!(out, "| {} | {} |", line.what, line.hits.map(number).unwrap_or_default());
            for (key, _) in &self.columns {
                let _ = write!(out, " {} |", line.text(key));
            }
            let _ = writeln!(out, " {} |", line.goals());
        }
        out.push_str("\nIn parentheses: how many times better ours is (less than 1: worse).\n");
        for note in &self.notes {
            let _ = writeln!(out, "- {note}");
        }
        out
    }

    /// One JSON object a row, times in seconds; then one with the notes.
    pub fn json(&self) -> String {
        let mut out: String = self.lines.iter().map(|line| format!("{}\n", line.json())).collect();
        let _ = writeln!(out, "{}", json!({"notes": self.notes}));
        out
    }
}

fn times(n: f64) -> String {
    format!("{}×", round(n))
}

fn round(n: f64) -> String {
    match n {
        _ if n < 10.0 => format!("{n:.2}"),
        _ if n < 100.0 => format!("{n:.1}"),
        _ => number(n as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(n: u64) -> Cell {
        Cell::Figure(Figure::Time(Duration::from_millis(n)))
    }

    #[test]
    fn better_means_less_time_or_more_records() {
        let time = Line::new("x").cell(OURS, ms(2)).cell("tantivy", ms(10));
        assert_eq!(time.better_than("tantivy"), Some(5.0));
        let rate = |n| Cell::Figure(Figure::Rate(n));
        let rates = Line::new("x").more_is_better().cell(OURS, rate(30.0)).cell("sqlite", rate(10.0));
        assert_eq!(rates.better_than("sqlite"), Some(3.0));
        let judged = time.times_better("tantivy", 5.0, 25.0).part_of("tantivy", 0.1, 0.05);
        assert!(judged.goals().contains("5.00×: must reached"), "{}", judged.goals());
        assert!(judged.goals().contains("0.20×: not reached"), "{}", judged.goals());
    }

    #[test]
    fn a_missing_figure_is_shown_and_not_judged() {
        let line = Line::new("x").cell(OURS, Cell::Note("refused".into())).cell("tantivy", ms(1));
        let line = line.part_of("tantivy", 1.0, 0.2);
        assert!(line.goals().ends_with("not there yet"));
        let mut sheet = Sheet::new(vec![(OURS, "EscrowDB"), ("tantivy", "tantivy")]);
        sheet.add(line).unwrap();
        assert!(sheet.markdown("t").contains("| x |  | refused | 1.00 ms | of tantivy"));
    }
}
