//! Between which numbers a suppressed cell is known to lie, by all margins together.
//!
//! Cells and margins are the flow of a network: source → row (its sum) → column (a cell) → sink
//! (its sum) → source (the total). What is shown is fixed, what is not may be any number from
//! nought on. Every table that fits what is shown is such a flow, and comes from the true one by
//! pushing some around circles of the residual network; so what can be pushed through a cell, up and
//! down, is exactly what it can differ by (Ford and Fulkerson; whole numbers give whole numbers).

use crate::policy::aggregate::grid::Grid;

/// The true flow of what is suppressed, and room to look for circles.
pub(super) struct Bounds {
    columns: usize,
    /// Suppressed cells, in the order in which they became so.
    suppressed: Vec<(usize, usize)>,
    by_row: Vec<Vec<usize>>,
    by_column: Vec<Vec<usize>>,
    cells: Vec<u64>,
    row_sums: Vec<u64>,
    column_sums: Vec<u64>,
    total: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Source,
    Sink,
    Row(usize),
    Column(usize),
}

const NO_BOUND: u64 = u64::MAX;

impl Bounds {
    pub(super) fn new(grid: &Grid) -> Self {
        let mut bounds = Self {
            columns: grid.columns,
            suppressed: Vec::new(),
            by_row: vec![Vec::new(); grid.rows],
            by_column: vec![Vec::new(); grid.columns],
            cells: vec![0; grid.rows * grid.columns],
            row_sums: vec![0; grid.rows],
            column_sums: vec![0; grid.columns],
            total: 0,
        };
        for row in 0..grid.rows {
            for column in 0..grid.columns {
                if !grid.is_shown(row, column) {
                    bounds.suppress(grid, row, column);
                }
            }
        }
        bounds
    }

    /// A cell that is suppressed from now on.
    pub(super) fn suppress(&mut self, grid: &Grid, row: usize, column: usize) {
        let records = grid.records(row, column);
        self.suppressed.push((row, column));
        self.by_row[row].push(column);
        self.by_column[column].push(row);
        self.cells[row * self.columns + column] = records;
        self.row_sums[row] += records;
        self.column_sums[column] += records;
        self.total += records;
    }

    /// The cell that became suppressed at this place of their order.
    pub(super) fn suppressed(&self, at: usize) -> Option<(usize, usize)> {
        self.suppressed.get(at).copied()
    }

    /// How wide the range of a cell is; looked for no further than `need`.
    pub(super) fn room(&mut self, grid: &Grid, row: usize, column: usize, need: u64) -> u64 {
        let cell = (row, column);
        let up = self.push(grid, cell, Node::Column(column), Node::Row(row), need);
        let left = need - up;
        let most = left.min(self.cells[row * self.columns + column]);
        up + self.push(grid, cell, Node::Row(row), Node::Column(column), most)
    }

    /// How much can be pushed from one node to the other past the cell, `most` at most.
    fn push(&mut self, grid: &Grid, cell: (usize, usize), from: Node, to: Node, most: u64) -> u64 {
        let (mut pushed, mut done) = (0, Vec::new());
        while pushed < most {
            let Some((path, room)) = self.path(grid, cell, from, to) else { break };
            let amount = room.min(most - pushed);
            path.iter().for_each(|(a, b)| self.carry(*a, *b, amount));
            pushed += amount;
            done.push((path, amount));
        }
        // The true flow again: what was carried there is carried back.
        for (path, amount) in done.iter().rev() {
            path.iter().for_each(|(a, b)| self.carry(*b, *a, *amount));
        }
        pushed
    }

    /// A shortest path with room, and how much.
    fn path(
        &self,
        grid: &Grid,
        cell: (usize, usize),
        from: Node,
        to: Node,
    ) -> Option<(Vec<(Node, Node)>, u64)> {
        let index = |node| match node {
            Node::Source => 0,
            Node::Sink => 1,
            Node::Row(row) => 2 + row,
            Node::Column(column) => 2 + grid.rows + column,
        };
        let mut came: Vec<Option<(Node, u64)>> = vec![None; 2 + grid.rows + grid.columns];
        let mut queue = vec![from];
        let mut at = 0;
        while let Some(node) = queue.get(at).copied() {
            at += 1;
            self.each_next(grid, cell, node, &mut |next, room| {
                if room > 0 && next != from && came[index(next)].is_none() {
                    came[index(next)] = Some((node, room));
                    queue.push(next);
                }
            });
            if came[index(to)].is_some() {
                break;
            }
        }
        let (mut path, mut least, mut node) = (Vec::new(), NO_BOUND, to);
        while node != from {
            let (before, room) = came[index(node)]?;
            path.push((before, node));
            least = least.min(room);
            node = before;
        }
        Some((path, least))
    }

    /// Where one can go on from a node without the cell's own edge, and with how much.
    fn each_next(&self, grid: &Grid, cell: (usize, usize), node: Node, to: &mut dyn FnMut(Node, u64)) {
        match node {
            Node::Row(row) => {
                let others = self.by_row[row].iter().filter(|column| (row, **column) != cell);
                others.for_each(|column| to(Node::Column(*column), NO_BOUND));
                if !grid.row_margin[row] {
                    to(Node::Source, self.row_sums[row]);
                }
            }
            Node::Column(column) => {
                let others = self.by_column[column].iter().filter(|row| (**row, column) != cell);
                others.for_each(|row| to(Node::Row(*row), self.cells[*row * self.columns + column]));
                if !grid.column_margin[column] {
                    to(Node::Sink, NO_BOUND);
                }
            }
            Node::Source => {
                let open = (0..grid.rows).filter(|row| !grid.row_margin[*row]);
                open.for_each(|row| to(Node::Row(row), NO_BOUND));
                if !grid.total_margin {
                    to(Node::Sink, self.total);
                }
            }
            Node::Sink => {
                let open = (0..grid.columns).filter(|column| !grid.column_margin[*column]);
                open.for_each(|column| to(Node::Column(column), self.column_sums[column]));
                if !grid.total_margin {
                    to(Node::Source, NO_BOUND);
                }
            }
        }
    }

    fn carry(&mut self, from: Node, to: Node, amount: u64) {
        match (from, to) {
            (Node::Row(row), Node::Column(column)) => self.cells[row * self.columns + column] += amount,
            (Node::Column(column), Node::Row(row)) => self.cells[row * self.columns + column] -= amount,
            (Node::Source, Node::Row(row)) => self.row_sums[row] += amount,
            (Node::Row(row), _) => self.row_sums[row] -= amount,
            (Node::Column(column), _) => self.column_sums[column] += amount,
            (_, Node::Column(column)) => self.column_sums[column] -= amount,
            (Node::Sink, _) => self.total += amount,
            (Node::Source, _) => self.total -= amount,
        }
    }
}
