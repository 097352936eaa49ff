//! Tables of counts that may outlive the people counted, because they tell of nobody (GDPR article
//! 89(1) and recitals 26 and 162).
//!
//! [`publish`] turns exact counts into a table for the world:
//!
//! 1. **Closed periods only.** A column that has not ended is left out, so no table grows by one
//!    person's next record.
//! 2. **Threshold.** A cell is shown if at least `k` people stand behind it. Others are suppressed,
//!    and *nought is too*: if it were shown, each suppressed cell would say that somebody was there.
//!    A row of which nothing can be shown is left out with its name, for a rare tag is a statement.
//! 3. **Secondary suppression.** Margins would give suppressed cells away by subtraction. So in
//!    every line whose margin is shown, what is suppressed holds a crowd of `k` people in one cell,
//!    or the margin is withheld; and by all margins together each suppressed cell can still be any
//!    of a range of numbers at least `k` wide, and, for a cell of fewer people, as wide as what
//!    stands in it. The range is exact, not estimated (`bounds`), and that of an observer who knows
//!    every shown number without rounding.
//! 4. **Rounding**, on top: to the nearest multiple of a base, halves to the even multiple. Margins
//!    are rounded by themselves, so a table need not add up.
//!
//! Nothing is drawn at random: the same counts give the same table. What is counted is records.
//! People are compared with `k` and never published, for they don't add up along a line. Margins are
//! sums of cells: a record with two values of a tag counts twice.
//!
//! Not prevented: one of the people counted knows her own part and may take it off; the choice of
//! what else is suppressed tells a little to who knows how it is made; sums of suppressed cells
//! over several lines may be of one person, for that a crowd is among them is seen to line by line
//! and for the whole, not for every choice of lines; and whoever can still count the store may subtract
//! that from a table, and learns what is gone since, as exactly as the table is rounded. A second table of the
//! same records is [`again`]'s concern.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind, Result};
use crate::id::Micros;

pub mod again;
mod bounds;
mod grid;
mod protect;
#[cfg(test)]
mod tests;

/// Most cells of a table: every suppressed one is held against all margins.
pub const CELLS_MAX: usize = 4096;
/// Largest threshold.
pub const K_MAX: u64 = 1000;

/// How a table is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    k: u64,
    round: u64,
}

impl Rules {
    /// Fewest people behind a shown cell, and the base that numbers are rounded to (1 is none).
    ///
    /// # Errors
    /// `Invalid` if `k` is not 2 to [`K_MAX`], or the base not 1 to `k`: with a larger one a crowd
    /// could be shown as nobody.
    pub fn new(k: u64, round: u64) -> Result<Self> {
        if !(2..=K_MAX).contains(&k) {
            return Err(Error::invalid(format!("the threshold is 2 to {K_MAX} people")));
        }
        if !(1..=k).contains(&round) {
            return Err(Error::invalid("the base of rounding is 1 to the threshold"));
        }
        Ok(Self { k, round })
    }

    /// Fewest people behind a shown cell.
    pub const fn k(self) -> u64 {
        self.k
    }

    /// What numbers are rounded to.
    pub const fn round(self) -> u64 {
        self.round
    }

    /// The nearest multiple of the base; of two, the even one.
    pub const fn rounded(self, count: u64) -> u64 {
        let (whole, rest) = (count / self.round, count % self.round);
        let up = rest * 2 > self.round || rest * 2 == self.round && whole % 2 == 1;
        (whole + up as u64).saturating_mul(self.round)
    }
}

/// What stands in a cell before it is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Records.
    pub records: u64,
    /// Distinct people behind them.
    pub people: u64,
}

/// A column of counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The first instant after its period.
    pub ends: Micros,
}

/// Exact counts. They are personal data: `Debug` shows only how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Columns, in the order in which they are published.
    pub columns: Vec<Column>,
    /// By name of row and column; what is not there is nought.
    pub cells: BTreeMap<(String, String), Count>,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counts({} columns, {} cells)", self.columns.len(), self.cells.len())
    }
}

/// A table for the world. `None` is suppressed or withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// How it was protected.
    pub rules: Rules,
    /// Names of the columns, in the order of [`Counts::columns`].
    pub columns: Vec<String>,
    /// Rows, by the bytes of their names.
    pub rows: Vec<Row>,
    /// Sums of the columns, with what is suppressed and left out.
    pub totals: Vec<Option<u64>>,
    /// Sum of it all.
    pub total: Option<u64>,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Records by column.
    pub cells: Vec<Option<u64>>,
    /// Its sum, with what is suppressed.
    pub total: Option<u64>,
}

/// Makes a table for the world.
///
/// ```
/// use escrowdb::id::Micros;
/// use escrowdb::policy::aggregate::{Column, Count, Counts, Rules, publish};
/// let mut counts = Counts::default();
/// counts.columns.push(Column { name: "2026-01".into(), ends: Micros(10) });
/// counts.cells.insert(("billing".into(), "2026-01".into()), Count { records: 123, people: 40 });
/// counts.cells.insert(("fraud".into(), "2026-01".into()), Count { records: 9, people: 2 });
/// let table = publish(&counts, Rules::new(10, 5)?, Micros(10))?;
/// assert_eq!((table.rows.len(), table.rows[0].cells[0]), (1, Some(125)));
/// // 132 less 123 would tell of the two.
/// assert_eq!((table.totals[0], table.total), (None, None));
/// # Ok::<(), escrowdb::Error>(())
/// ```
///
/// # Errors
/// `Refused` if no column has ended at `now`; `Invalid` if a cell is of no column, a column stands
/// twice, a cell has more people than records, or it is more than [`CELLS_MAX`] cells.
pub fn publish(counts: &Counts, rules: Rules, now: Micros) -> Result<Table> {
    check(counts)?;
    let closed: Vec<&Column> = counts.columns.iter().filter(|column| column.ends <= now).collect();
    if closed.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "no period of the aggregate has ended")
            .hint("an aggregate is published of periods that are over"));
    }
    let place: BTreeMap<&str, usize> =
        closed.iter().enumerate().map(|(at, column)| (column.name.as_str(), at)).collect();
    let names: BTreeSet<&str> = (counts.cells.keys())
        .filter(|(_, column)| place.contains_key(column.as_str()))
        .map(|(row, _)| row.as_str())
        .collect();
    if names.len().saturating_mul(closed.len()) > CELLS_MAX {
        return Err(Error::invalid(format!("the aggregate has more than {CELLS_MAX} cells"))
            .hint("ask for fewer values, or for longer periods"));
    }
    let rows: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut grid = grid::Grid::new(rows.len(), closed.len());
    for ((row, column), count) in &counts.cells {
        if let (Some(row), Some(column)) = (rows.get(row.as_str()), place.get(column.as_str())) {
            grid.set(*row, *column, *count);
        }
    }
    protect::protect(&mut grid, rules.k);
    Ok(printed(&grid, rules, &names, &closed))
}

fn check(counts: &Counts) -> Result<()> {
    let columns: BTreeSet<&str> = counts.columns.iter().map(|column| column.name.as_str()).collect();
    if columns.len() != counts.columns.len() {
        return Err(Error::invalid("a column of the aggregate stands twice"));
    }
    let mut sum = 0u64;
    for ((_, column), count) in &counts.cells {
        if !columns.contains(column.as_str()) {
            return Err(Error::invalid("a cell of the aggregate is of no column"));
        }
        if count.people > count.records || count.people == 0 && count.records > 0 {
            return Err(Error::invalid(
                "a cell of the aggregate has people without records, or none for some",
            ));
        }
        // Half of the range, so that rounding up and moving within a line can't leave it.
        sum = sum
            .checked_add(count.records)
            .filter(|sum| *sum <= u64::MAX / 2)
            .ok_or_else(|| Error::invalid("the aggregate counts more records than a store can hold"))?;
    }
    Ok(())
}

fn printed(grid: &grid::Grid, rules: Rules, names: &BTreeSet<&str>, closed: &[&Column]) -> Table {
    let cell = |row: usize, column: usize| {
        grid.is_shown(row, column).then(|| rules.rounded(grid.records(row, column)))
    };
    let of_row = |row: usize| grid.row_margin[row].then(|| rules.rounded(grid.row_sum(row)));
    let rows = names
        .iter()
        .enumerate()
        .map(|(row, name)| Row {
            name: (*name).to_owned(),
            cells: (0..grid.columns).map(|column| cell(row, column)).collect(),
            total: of_row(row),
        })
        .filter(|row| row.total.is_some() || row.cells.iter().any(Option::is_some))
        .collect();
    Table {
        rules,
        columns: closed.iter().map(|column| column.name.clone()).collect(),
        rows,
        totals: (0..grid.columns)
            .map(|column| grid.column_margin[column].then(|| rules.rounded(grid.column_sum(column))))
            .collect(),
        total: grid.total_margin.then(|| rules.rounded((0..grid.rows).map(|row| grid.row_sum(row)).sum())),
    }
}
