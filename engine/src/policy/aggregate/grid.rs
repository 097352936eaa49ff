//! A table while it is protected: what stands in it and what of it is shown.

use crate::policy::aggregate::Count;

/// Cells by row and column, both by number.
#[derive(Clone)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) columns: usize,
    cells: Vec<Count>,
    shown: Vec<bool>,
    /// Whether the sum of a row is shown.
    pub(super) row_margin: Vec<bool>,
    /// Whether the sum of a column is shown.
    pub(super) column_margin: Vec<bool>,
    /// Whether the sum of it all is shown.
    pub(super) total_margin: bool,
}

/// A row or a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Row(usize),
    Column(usize),
}

impl Grid {
    /// Nought everywhere, everything shown.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            cells: vec![Count::default(); rows * columns],
            shown: vec![true; rows * columns],
            row_margin: vec![true; rows],
            column_margin: vec![true; columns],
            total_margin: true,
        }
    }

    pub(super) fn set(&mut self, row: usize, column: usize, count: Count) {
        self.cells[row * self.columns + column] = count;
    }

    pub(super) fn records(&self, row: usize, column: usize) -> u64 {
        self.cells[row * self.columns + column].records
    }

    pub(super) fn people(&self, row: usize, column: usize) -> u64 {
        self.cells[row * self.columns + column].people
    }

    pub(super) fn is_shown(&self, row: usize, column: usize) -> bool {
        self.shown[row * self.columns + column]
    }

    pub(super) fn suppress(&mut self, row: usize, column: usize) {
        self.shown[row * self.columns + column] = false;
    }

    pub(super) fn row_sum(&self, row: usize) -> u64 {
        (0..self.columns).map(|column| self.records(row, column)).sum()
    }

    pub(super) fn column_sum(&self, column: usize) -> u64 {
        (0..self.rows).map(|row| self.records(row, column)).sum()
    }

    /// Every line, rows first.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        (0..self.rows).map(Line::Row).chain((0..self.columns).map(Line::Column))
    }

    /// Places of a line's cells.
    pub(super) fn places(&self, line: Line) -> impl Iterator<Item = (usize, usize)> + use<> {
        let len = match line {
            Line::Row(_) => self.columns,
            Line::Column(_) => self.rows,
        };
        (0..len).map(move |at| match line {
            Line::Row(row) => (row, at),
            Line::Column(column) => (at, column),
        })
    }

    pub(super) fn has_margin(&self, line: Line) -> bool {
        match line {
            Line::Row(row) => self.row_margin[row],
            Line::Column(column) => self.column_margin[column],
        }
    }

    pub(super) fn withhold(&mut self, line: Line) {
        match line {
            Line::Row(row) => self.row_margin[row] = false,
            Line::Column(column) => self.column_margin[column] = false,
        }
    }
}
