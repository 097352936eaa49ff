//! Which line of a changed file is which line of the export as it was made.

use hashbrown::HashMap;

use crate::export::line::Mark;

/// What a line of the file is; numbers count lines of the export, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This line, where it belongs.
    Here(usize),
    /// This line, at another place.
    Moved(usize),
    /// This line once more.
    Again(usize),
    /// It stands where this line stood.
    Instead(usize),
    /// No line of the export.
    New,
}

/// Places the lines of a file, and names the lines of the export that are nowhere in it.
pub(super) fn align(file: &[Mark], made: &[Mark]) -> (Vec<Place>, Vec<usize>) {
    if file == made {
        return ((0..file.len()).map(Place::Here).collect(), Vec::new());
    }
    // Lines with one mark are taken in their order.
    let mut by_mark: HashMap<Mark, Vec<usize>> = HashMap::new();
    for (i, mark) in made.iter().enumerate().rev() {
        by_mark.entry(*mark).or_default().push(i);
    }
    let mut last: HashMap<Mark, usize> = HashMap::new();
    let mut places: Vec<Place> = file
        .iter()
        .map(|mark| match by_mark.get_mut(mark).and_then(Vec::pop) {
            Some(i) => {
                last.insert(*mark, i);
                Place::Here(i)
            }
            None => last.get(mark).map_or(Place::New, |i| Place::Again(*i)),
        })
        .collect();
    // As few lines as possible count as moved: all but the longest ascending sequence.
    for at in outside_of_longest(&places) {
        if let Place::Here(i) = places[at] {
            places[at] = Place::Moved(i);
        }
    }
    let mut missing: Vec<usize> = by_mark.into_values().flatten().collect();
    missing.sort_unstable();
    // A new line between two that are in their places stands for one that is missing between them.
    let mut left = Vec::new();
    let (mut at, mut open) = (0, Vec::new());
    let mut missing = missing.into_iter().peekable();
    while at <= places.len() {
        let end = match places.get(at) {
            Some(Place::Here(i)) => Some(*i),
            Some(Place::New) => {
                open.push(at);
                at += 1;
                continue;
            }
            Some(_) => {
                at += 1;
                continue;
            }
            None => None,
        };
        let mut new = open.drain(..);
        while let Some(i) = missing.next_if(|i| end.is_none_or(|end| *i < end)) {
            match new.next() {
                Some(line) => places[line] = Place::Instead(i),
                None => left.push(i),
            }
        }
        drop(new);
        at += 1;
    }
    (places, left)
}

/// The lines that are not in the longest ascending sequence of those that are here.
fn outside_of_longest(places: &[Place]) -> Vec<usize> {
    // Of each length the sequence that ends lowest; before each line, the one before it.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before = vec![usize::MAX; places.len()];
    for (at, place) in places.iter().enumerate() {
        let Place::Here(i) = place else { continue };
        let len = ends.partition_point(|(_, end)| end < i);
        if let Some((line, _)) = len.checked_sub(1).and_then(|len| ends.get(len)) {
            before[at] = *line;
        }
        match ends.get_mut(len) {
            Some(end) => *end = (at, *i),
            None => ends.push((at, *i)),
        }
    }
    let mut inside = vec![false; places.len()];
    let mut at = ends.last().map_or(usize::MAX, |(line, _)| *line);
    while let Some(is_in) = inside.get_mut(at) {
        *is_in = true;
        at = before[at];
    }
    (0..places.len()).filter(|at| !inside[*at]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Place::*;
    use super::*;

    fn marks(text: &str) -> Vec<Mark> {
        text.bytes().map(|b| [b; 6]).collect()
    }

    fn aligned(file: &str, made: &str) -> (Vec<Place>, Vec<usize>) {
        align(&marks(file), &marks(made))
    }

    #[test]
    fn what_was_done_is_named() {
        let here = |ids: &[usize]| ids.iter().map(|i| Here(*i)).collect::<Vec<_>>();
        assert_eq!(aligned("abc", "abc"), (here(&[0, 1, 2]), vec![]));
        assert_eq!(aligned("", "abc"), (vec![], vec![0, 1, 2]));
        assert_eq!(aligned("bc", "abc"), (here(&[1, 2]), vec![0]));
        assert_eq!(aligned("ac", "abc"), (here(&[0, 2]), vec![1]));
        assert_eq!(aligned("abc", ""), (vec![New, New, New], vec![]));
        assert_eq!(aligned("axc", "abc"), (vec![Here(0), Instead(1), Here(2)], vec![]));
        assert_eq!(aligned("axbc", "abc"), (vec![Here(0), New, Here(1), Here(2)], vec![]));
        assert_eq!(aligned("abcx", "abc"), (vec![Here(0), Here(1), Here(2), New], vec![]));
        assert_eq!(aligned("xyc", "abc"), (vec![Instead(0), Instead(1), Here(2)], vec![]));
        assert_eq!(aligned("xc", "abc"), (vec![Instead(0), Here(2)], vec![1]));
        assert_eq!(aligned("aabc", "abc"), (vec![Here(0), Again(0), Here(1), Here(2)], vec![]));
        // The last line first: one line moved, not all others.
        assert_eq!(aligned("dabc", "abcd"), (vec![Moved(3), Here(0), Here(1), Here(2)], vec![]));
        assert_eq!(aligned("bcda", "abcd"), (vec![Here(1), Here(2), Here(3), Moved(0)], vec![]));
        assert_eq!(aligned("bca", "abcd").1, [3]);
        // Lines with one mark keep their order.
        assert_eq!(aligned("aab", "aab"), (here(&[0, 1, 2]), vec![]));
        assert_eq!(aligned("aabx", "aab"), (vec![Here(0), Here(1), Here(2), New], vec![]));
    }

    proptest! {
        /// Each line of the export is in one place, or missing.
        #[test]
        fn every_line_is_accounted_for(file in "[a-h]{0,12}", made in "[a-h]{0,12}") {
            let (places, missing) = aligned(&file, &made);
            let mut seen = missing.clone();
            for (line, place) in places.iter().enumerate() {
                match place {
                    Here(i) | Moved(i) => {
                        prop_assert_eq!(file.as_bytes()[line], made.as_bytes()[*i]);
                        seen.push(*i);
                    }
                    Instead(i) => seen.push(*i),
                    Again(i) => prop_assert_eq!(file.as_bytes()[line], made.as_bytes()[*i]),
                    New => {}
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..made.len()).collect::<Vec<_>>());
            let here: Vec<_> = places.iter().filter_map(|p| if let Here(i) = p { Some(*i) } else { None }).collect();
            prop_assert!(here.is_sorted());
            prop_assert_eq!(file == made, missing.is_empty() && places.iter().all(|p| matches!(p, Here(_))) && file.len() == made.len());
        }
    }
}
