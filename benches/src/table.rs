//! Rows of figures, printed as Markdown.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use crate::Result;

/// Figures in the order in which they were taken.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    /// Adds a figure and prints it, for long runs are watched.
    pub fn row(&mut self, what: impl Into<String>, value: impl Into<String>) -> Result<()> {
        let (what, value) = (what.into(), value.into());
        writeln!(std::io::stderr().lock(), "{what}: {value}")?;
        self.rows.push((what, value));
        Ok(())
    }

    /// All rows under a heading.
    pub fn markdown(&self, heading: &str) -> String {
        let mut out = format!("| {heading} | |\n|---|---:|\n");
        for (what, value) in &self.rows {
            let _ = writeln!(out, "| {what} | {value} |");
        }
        out
    }
}

/// A duration in the unit that suits it.
pub fn time(d: Duration) -> String {
    let us = d.as_secs_f64() * 1e6;
    match us {
        _ if us < 10.0 => format!("{us:.2} µs"),
        _ if us < 1_000.0 => format!("{us:.0} µs"),
        _ if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        _ if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// Bytes in the unit that suits them.
pub fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} B"),
        10_000..10_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

/// A number with its thousands apart.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many a second.
pub fn rate(n: u64, d: Duration) -> String {
    format!("{}/s", number((n as f64 / d.as_secs_f64().max(1e-9)) as u64))
}
