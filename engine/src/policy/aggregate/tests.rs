use proptest::prelude::*;

use super::*;

const END: Micros = Micros(100);

/// Counts of rows `r0`, `r1` … and columns `c0`, `c1` …
fn counts(cells: &[&[(u64, u64)]]) -> Counts {
    let mut counts = Counts::default();
    for column in 0..cells.first().map_or(0, |row| row.len()) {
        counts.columns.push(Column { name: format!("c{column}"), ends: END });
    }
    for (row, of) in cells.iter().enumerate() {
        for (column, (records, people)) in of.iter().enumerate() {
            let count = Count { records: *records, people: *people };
            counts.cells.insert((format!("r{row}"), format!("c{column}")), count);
        }
    }
    counts
}

fn rules(k: u64, round: u64) -> Rules {
    Rules::new(k, round).unwrap()
}

/// A row's name, cells and sum.
type Shown<'a> = (&'a str, Vec<Option<u64>>, Option<u64>);

fn shown(table: &Table) -> Vec<Shown<'_>> {
    table.rows.iter().map(|row| (row.name.as_str(), row.cells.clone(), row.total)).collect()
}

#[test]
fn large_cells_stand_with_their_sums() {
    let table =
        publish(&counts(&[&[(12, 12), (30, 11)], &[(41, 20), (104, 50)]]), rules(10, 5), END).unwrap();
    assert_eq!(
        shown(&table),
        [("r0", vec![Some(10), Some(30)], Some(40)), ("r1", vec![Some(40), Some(105)], Some(145))]
    );
    // Rounded by themselves: 53, 134 and 187.
    assert_eq!((table.totals, table.total), (vec![Some(55), Some(135)], Some(185)));
}

#[test]
fn a_small_cell_hides_behind_three_crowds() {
    let cells: [&[(u64, u64)]; 3] =
        [&[(3, 2), (50, 20), (60, 20)], &[(40, 20), (70, 20), (80, 20)], &[(90, 20), (91, 20), (92, 20)]];
    let table = publish(&counts(&cells), rules(10, 1), END).unwrap();
    let (r0, r1, r2) = (&table.rows[0], &table.rows[1], &table.rows[2]);
    assert_eq!(r0.cells, [None, None, Some(60)]);
    assert_eq!(r1.cells, [None, None, Some(80)]);
    assert_eq!(r2.cells, [Some(90), Some(91), Some(92)]);
    assert!(table.rows.iter().all(|row| row.total.is_some()) && table.totals.iter().all(Option::is_some));
    assert_eq!(table.total, Some(576));
}

#[test]
fn nought_looks_like_few() {
    let of = |few: (u64, u64)| {
        publish(&counts(&[&[few, (50, 20)], &[(40, 20), (70, 20)]]), rules(10, 10), END).unwrap()
    };
    let (nought, few) = (of((0, 0)), of((2, 1)));
    assert_eq!(shown(&nought), shown(&few));
    assert_eq!(nought.rows[0].cells[0], None);
}

#[test]
fn a_row_of_few_is_not_named() {
    let table = publish(&counts(&[&[(3, 2), (9, 9)], &[(40, 20), (70, 20)]]), rules(10, 5), END).unwrap();
    assert_eq!(table.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["r1"]);
    // Otherwise the sums less what is shown would tell of the row.
    assert_eq!(table.total, None);
}

#[test]
fn a_sum_is_not_of_one_person_in_many_cells() {
    // Eleven times the same one, perhaps: each cell has one person, the row as well.
    let one: &[(u64, u64)] = &[(30, 1); 11];
    let many: &[(u64, u64)] = &[(300, 100); 11];
    let table = publish(&counts(&[one, many, many]), rules(10, 1), END).unwrap();
    assert!(table.rows.iter().all(|row| row.name != "r0"));
    assert_eq!(table.total, None);
    // All columns less all other rows would be hers as well.
    assert_eq!(table.rows.iter().filter(|row| row.total.is_some()).count(), 1);
}

#[test]
fn a_period_that_has_not_ended_is_left_out() {
    let mut counts = counts(&[&[(40, 20), (50, 20)]]);
    counts.columns[1].ends = Micros(END.0 + 1);
    let table = publish(&counts, rules(10, 5), END).unwrap();
    assert_eq!((table.columns.len(), table.rows[0].total, table.total), (1, Some(40), Some(40)));
    let before = publish(&counts, rules(10, 5), Micros(END.0 - 1)).unwrap_err();
    assert_eq!(before.kind(), ErrorKind::Refused);
    // What stands in it changes nothing.
    counts.cells.insert(("new".into(), "c1".into()), Count { records: 500, people: 100 });
    assert_eq!(publish(&counts, rules(10, 5), END).unwrap(), table);
}

#[test]
fn what_can_not_be_is_refused() {
    let good = counts(&[&[(40, 20)]]);
    let with = |change: fn(&mut Counts)| {
        let mut bad = good.clone();
        change(&mut bad);
        publish(&bad, rules(10, 5), END).unwrap_err().kind()
    };
    assert_eq!(with(|c| c.columns.push(c.columns[0].clone())), ErrorKind::Invalid);
    for (records, people) in [(1, 2), (2, 0), (u64::MAX, 1)] {
        let mut bad = good.clone();
        bad.cells.insert(("r1".into(), "c0".into()), Count { records, people });
        assert_eq!(publish(&bad, rules(10, 5), END).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(
        with(|c| {
            c.cells.insert(("r".into(), "no".into()), Count::default());
        }),
        ErrorKind::Invalid
    );
    assert_eq!(
        with(|c| (0..=CELLS_MAX).for_each(|n| {
            c.cells.insert((n.to_string(), "c0".into()), Count::default());
        })),
        ErrorKind::Invalid
    );
    for (k, round) in [(0, 1), (1, 1), (10, 0), (10, 11), (K_MAX + 1, 1)] {
        assert!(Rules::new(k, round).is_err(), "{k} {round}");
    }
}

#[test]
fn halves_go_to_the_even_multiple() {
    let ten = rules(10, 10);
    let rounded = [0, 4, 5, 6, 14, 15, 16, 25, 35, 45].map(|n| ten.rounded(n));
    assert_eq!(rounded, [0, 0, 0, 10, 10, 20, 20, 20, 40, 40]);
    assert_eq!(rules(10, 1).rounded(7), 7);
    assert_eq!([2, 3, 7, 8].map(|n| rules(10, 5).rounded(n)), [0, 5, 5, 10]);
}

/// What an observer believes of a number: from, to.
type Range = (u64, u64);

fn unrounded(shown: Option<u64>, base: u64) -> Range {
    shown.map_or((0, u64::MAX), |n| (n.saturating_sub(base / 2), n + base / 2))
}

/// Narrows parts by their sum and the sum by its parts; tells whether anything changed.
fn narrow(parts: &mut [&mut Range], sum: &mut Range) -> bool {
    let before: Vec<Range> = parts.iter().map(|part| **part).chain([*sum]).collect();
    let low = parts.iter().map(|part| part.0).sum::<u64>();
    let high = parts.iter().fold(0u64, |high, part| high.saturating_add(part.1));
    *sum = (sum.0.max(low), sum.1.min(high));
    for at in 0..parts.len() {
        let others = |of: fn(&Range) -> u64| {
            let all = parts.iter().enumerate().filter(|(other, _)| *other != at);
            all.fold(0u64, |all, (_, part)| all.saturating_add(of(part)))
        };
        let most = sum.1.saturating_sub(others(|part| part.0));
        let least = sum.0.saturating_sub(others(|part| part.1));
        *parts[at] = (parts[at].0.max(least), parts[at].1.min(most));
    }
    parts.iter().map(|part| **part).chain([*sum]).ne(before)
}

/// An observer who knows the names of the rows that are left out too, and how numbers are rounded.
fn observed(table: &Table, rows: usize) -> Vec<Vec<Range>> {
    let base = table.rules.round();
    let columns = table.columns.len();
    let of_row = |row: usize| table.rows.iter().find(|of| of.name == format!("r{row}"));
    let mut cells: Vec<Vec<Range>> = (0..rows)
        .map(|row| {
            let of = of_row(row);
            (0..columns).map(|column| unrounded(of.and_then(|of| of.cells[column]), base)).collect()
        })
        .collect();
    let mut row_sums: Vec<Range> =
        (0..rows).map(|row| unrounded(of_row(row).and_then(|of| of.total), base)).collect();
    let mut column_sums: Vec<Range> = table.totals.iter().map(|sum| unrounded(*sum, base)).collect();
    let mut total = unrounded(table.total, base);
    for _ in 0..200 {
        let mut changed = false;
        for row in 0..rows {
            let mut parts: Vec<&mut Range> = cells[row].iter_mut().collect();
            changed |= narrow(&mut parts, &mut row_sums[row]);
        }
        for column in 0..columns {
            let mut parts: Vec<&mut Range> = cells.iter_mut().map(|row| &mut row[column]).collect();
            changed |= narrow(&mut parts, &mut column_sums[column]);
        }
        changed |= narrow(&mut row_sums.iter_mut().collect::<Vec<_>>(), &mut total);
        changed |= narrow(&mut column_sums.iter_mut().collect::<Vec<_>>(), &mut total);
        if !changed {
            break;
        }
    }
    cells
}

/// How wide the range of a suppressed cell is at least.
fn need(records: u64, people: u64, k: u64) -> u64 {
    if people < k { records.max(k) } else { k }
}

type Cells = Vec<Vec<(u64, u64)>>;

fn any_cells(rows: usize, columns: usize, most: u64) -> impl Strategy<Value = Cells> {
    let cell = prop_oneof![
        2 => Just((0, 0)),
        3 => (1..=most).prop_flat_map(|records| (Just(records), 1..=records)),
        2 => (1..=most, 1..=2u64).prop_map(|(records, people)| (records, people.min(records))),
    ];
    prop::collection::vec(prop::collection::vec(cell, columns), rows)
}

fn of(cells: &Cells) -> Counts {
    counts(&cells.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn any_table() -> impl Strategy<Value = Cells> {
    (1usize..7, 1usize..7).prop_flat_map(|(rows, columns)| any_cells(rows, columns, 60))
}

/// Calls with every table that has the shown numbers, and has numbers up to `most` elsewhere.
fn each_fitting(
    cells: &mut Vec<Vec<u64>>,
    free: &[(usize, usize)],
    most: u64,
    look: &mut dyn FnMut(&[Vec<u64>]),
) {
    let Some(((row, column), rest)) = free.split_first() else { return look(cells) };
    for n in 0..=most {
        cells[*row][*column] = n;
        each_fitting(cells, rest, most, look);
    }
}

proptest! {
    #[test]
    fn nobody_gets_a_suppressed_cell_back(cells in any_table(), k in 2u64..12, round in 1u64..6) {
        let round = round.min(k);
        let table = publish(&of(&cells), rules(k, round), END).unwrap();
        let observed = observed(&table, cells.len());
        for (row, of) in cells.iter().enumerate() {
            let published = table.rows.iter().find(|of| of.name == format!("r{row}"));
            for (column, (records, people)) in of.iter().enumerate() {
                let (low, high) = observed[row][column];
                prop_assert!(low <= *records && *records <= high);
                match published.and_then(|of| of.cells[column]) {
                    Some(shown) => {
                        prop_assert!(*people >= k);
                        prop_assert!(shown > 0 && shown.abs_diff(*records) * 2 <= round);
                    }
                    None => prop_assert!(high - low >= need(*records, *people, k), "{low} {high}"),
                }
            }
        }
    }

    /// By trying every table there is, with sums that are not rounded.
    #[test]
    fn all_tables_that_fit_differ_enough(cells in any_cells(2, 3, 4), k in 2u64..4) {
        let table = publish(&of(&cells), rules(k, 1), END).unwrap();
        let published = |row: usize| table.rows.iter().find(|of| of.name == format!("r{row}"));
        let mut numbers: Vec<Vec<u64>> = cells.iter().map(|row| row.iter().map(|cell| cell.0).collect()).collect();
        let free: Vec<(usize, usize)> = (0..2)
            .flat_map(|row| (0..3).map(move |column| (row, column)))
            .filter(|(row, column)| published(*row).and_then(|of| of.cells[*column]).is_none())
            .collect();
        let mut ranges = vec![(u64::MAX, 0u64); free.len()];
        let fits = |sum: u64, shown: Option<u64>| shown.is_none_or(|shown| shown == sum);
        each_fitting(&mut numbers, &free, 8, &mut |numbers| {
            let row_sum = |row: usize| numbers[row].iter().sum::<u64>();
            let column_sum = |column: usize| numbers.iter().map(|row| row[column]).sum::<u64>();
            let fit = (0..2).all(|row| fits(row_sum(row), published(row).and_then(|of| of.total)))
                && (0..3).all(|column| fits(column_sum(column), table.totals[column]))
                && fits(row_sum(0) + row_sum(1), table.total);
            if fit {
                for ((row, column), range) in free.iter().zip(&mut ranges) {
                    let n = numbers[*row][*column];
                    *range = (range.0.min(n), range.1.max(n));
                }
            }
        });
        for ((row, column), (low, high)) in free.iter().zip(ranges) {
            let (records, people) = cells[*row][*column];
            prop_assert!(high - low >= need(records, people, k), "{row} {column}: {low} {high}");
        }
    }

    /// What a shown margin tells of its line by subtraction is of a crowd, or nothing is hidden.
    #[test]
    fn sums_tell_of_crowds(cells in any_table(), k in 2u64..12) {
        let table = publish(&of(&cells), rules(k, 1), END).unwrap();
        let rows = || (0..cells.len()).map(|row| (row, table.rows.iter().find(|of| of.name == format!("r{row}"))));
        let is_crowd = |places: Vec<(usize, usize)>| {
            places.is_empty() || places.iter().any(|(row, column)| cells[*row][*column].1 >= k)
        };
        let hidden: Vec<(usize, usize)> = rows()
            .flat_map(|(row, of)| (0..table.columns.len()).map(move |column| (row, column, of)))
            .filter(|(_, column, of)| of.is_none_or(|of| of.cells[*column].is_none()))
            .map(|(row, column, _)| (row, column))
            .collect();
        for (row, _) in rows().filter(|(_, of)| of.is_some_and(|of| of.total.is_some())) {
            prop_assert!(is_crowd(hidden.iter().copied().filter(|(r, _)| *r == row).collect()));
        }
        for column in (0..table.columns.len()).filter(|column| table.totals[*column].is_some()) {
            prop_assert!(is_crowd(hidden.iter().copied().filter(|(_, c)| *c == column).collect()));
        }
        let known = table.total.is_some()
            || table.totals.iter().all(Option::is_some)
            || rows().all(|(_, of)| of.is_some_and(|of| of.total.is_some()));
        if known {
            let by_rows = |(row, _): &(usize, usize)| rows().any(|(r, of)| r == *row && of.is_none_or(|of| of.total.is_none()));
            prop_assert!(is_crowd(hidden.iter().copied().filter(by_rows).collect()));
            prop_assert!(is_crowd(hidden.iter().copied().filter(|(_, c)| table.totals[*c].is_none()).collect()));
        }
    }

    #[test]
    fn the_same_counts_give_the_same_table(cells in any_table(), k in 2u64..12) {
        let table = publish(&of(&cells), rules(k, 1), END).unwrap();
        prop_assert_eq!(publish(&of(&cells), rules(k, 1), Micros(i64::MAX)).unwrap(), table);
    }
}

#[test]
fn the_largest_table_of_few_is_protected() {
    let row: Vec<(u64, u64)> = (0..64).map(|n| if n % 7 == 0 { (2, 1) } else { (500 + n, 400) }).collect();
    let cells: Cells = (0..64).map(|n| row.iter().cycle().skip(n).take(64).copied().collect()).collect();
    let table = publish(&of(&cells), rules(10, 5), END).unwrap();
    assert_eq!((table.rows.len(), table.columns.len()), (64, 64));
    assert!(table.rows.iter().all(|row| row.total.is_some()));
}
