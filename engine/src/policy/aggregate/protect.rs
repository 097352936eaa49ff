//! What is suppressed and withheld.
//!
//! Every step only suppresses or withholds more, so what was found safe stays safe, and the last
//! step, no margin at all, is always safe: the order of steps decides how much is shown, not whether
//! somebody is protected.

use crate::policy::aggregate::bounds::Bounds;
use crate::policy::aggregate::grid::{Grid, Line};

/// Suppresses and withholds until no suppressed cell is known better than it may be.
pub(super) fn protect(grid: &mut Grid, k: u64) {
    let places: Vec<_> = (0..grid.rows).flat_map(|row| grid.places(Line::Row(row))).collect();
    for (row, column) in places {
        if grid.people(row, column) < k {
            grid.suppress(row, column);
        }
    }
    for line in grid.lines() {
        hide_in_a_crowd(grid, line, k);
    }
    let mut bounds = Bounds::new(grid);
    // More come to the end while it runs.
    let mut at = 0;
    while let Some((row, column)) = bounds.suppressed(at) {
        // A crowd's cell is suppressed for the sake of others, and would tell of nobody.
        let of_few = grid.people(row, column) < k;
        let need = if of_few { grid.records(row, column).max(k) } else { k };
        while bounds.room(grid, row, column, need) < need {
            widen(grid, &mut bounds, row, column);
        }
        at += 1;
    }
    guard_total(grid, k);
}

/// What a margin tells by subtraction is the sum of what is suppressed in its line. It tells of a
/// crowd if one of these cells is of a crowd by itself; people of several cells may be the same.
fn hide_in_a_crowd(grid: &mut Grid, line: Line, k: u64) {
    let mut people = hidden(grid, line).peekable();
    if people.peek().is_none() || people.any(|people| people >= k) {
        return;
    }
    drop(people);
    match least_shown(grid, line) {
        Some((row, column)) => grid.suppress(row, column),
        None => grid.withhold(line),
    }
}

/// The shown cell with fewest records, if it is not the line's only one: then the sum is worth less
/// than the cell. Shown cells are of crowds.
fn least_shown(grid: &Grid, line: Line) -> Option<(usize, usize)> {
    let shown = || grid.places(line).filter(|(row, column)| grid.is_shown(*row, *column));
    shown().nth(1)?;
    shown().min_by_key(|(row, column)| grid.records(*row, *column))
}

/// Takes away what bounds a cell: first by a second suppressed cell in its lines, then by the fourth
/// corner of a rectangle, then the margins of its lines, then the total.
fn widen(grid: &mut Grid, bounds: &mut Bounds, row: usize, column: usize) {
    let lines = [Line::Row(row), Line::Column(column)];
    for line in lines.into_iter().filter(|line| grid.has_margin(*line)) {
        let alone = grid.places(line).filter(|(r, c)| !grid.is_shown(*r, *c)).nth(1).is_none();
        if let Some((r, c)) = least_shown(grid, line).filter(|_| alone) {
            grid.suppress(r, c);
            // It is of a crowd, so the line that it crosses needs no other.
            bounds.suppress(grid, r, c);
            return;
        }
    }
    if let Some((r, c)) = fourth_corner(grid, row, column) {
        grid.suppress(r, c);
        bounds.suppress(grid, r, c);
        return;
    }
    match lines.into_iter().find(|line| grid.has_margin(*line)) {
        Some(line) => grid.withhold(line),
        None => grid.total_margin = false,
    }
}

/// The shown cell with fewest records that has a suppressed one beside it in the cell's row and
/// one in its column: the four can be shifted against each other.
fn fourth_corner(grid: &Grid, row: usize, column: usize) -> Option<(usize, usize)> {
    let others =
        |line| grid.places(line).filter(|(r, c)| (*r, *c) != (row, column) && !grid.is_shown(*r, *c));
    others(Line::Column(column))
        .flat_map(|(r, _)| others(Line::Row(row)).map(move |(_, c)| (r, c)))
        .filter(|(r, c)| grid.is_shown(*r, *c))
        .min_by_key(|(r, c)| grid.records(*r, *c))
}

/// The total less the margins that are shown is what is suppressed in lines without one; and the
/// total is known too if it is the sum of shown margins. So where that is no crowd, the total is
/// withheld, and then the margin of another row that hides a crowd, or else of a column (or the
/// other way round).
fn guard_total(grid: &mut Grid, k: u64) {
    let (rows, columns): (Vec<Line>, Vec<Line>) = grid.lines().partition(|line| matches!(line, Line::Row(_)));
    loop {
        let full = |grid: &Grid, lines: &[Line]| lines.iter().all(|line| grid.has_margin(*line));
        let known = grid.total_margin || full(grid, &rows) || full(grid, &columns);
        let tells = |grid: &Grid, lines: &[Line]| {
            let open = lines.iter().filter(|line| !grid.has_margin(**line));
            let mut hidden = open.flat_map(|line| hidden(grid, *line)).peekable();
            hidden.peek().is_some() && !hidden.any(|people| people >= k)
        };
        let (lines, across) = match (tells(grid, &rows), tells(grid, &columns)) {
            _ if !known => return,
            (true, _) => (&rows, &columns),
            (_, true) => (&columns, &rows),
            (false, false) => return,
        };
        if grid.total_margin {
            grid.total_margin = false;
            continue;
        }
        let shown =
            |lines: &[Line]| lines.iter().copied().filter(|line| grid.has_margin(*line)).collect::<Vec<_>>();
        let crowds = shown(lines).into_iter().filter(|line| hidden(grid, *line).any(|people| people >= k));
        let least =
            |line: &Line| grid.places(*line).map(|(row, column)| grid.records(row, column)).sum::<u64>();
        match crowds.min_by_key(least).or_else(|| shown(across).into_iter().min_by_key(least)) {
            Some(line) => grid.withhold(line),
            None => return,
        }
    }
}

/// People of a line's suppressed cells, cell by cell.
fn hidden(grid: &Grid, line: Line) -> impl Iterator<Item = u64> {
    grid.places(line)
        .filter(|(row, column)| !grid.is_shown(*row, *column))
        .map(|(row, column)| grid.people(row, column))
}
