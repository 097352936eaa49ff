//! A record and its neighbours.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::id::{Micros, PersonNumber, Seq};
use crate::index::Part;
use crate::index::scope::Mask;
use crate::query::around::around;
use crate::query::exec::Search;
use crate::query::tests::rows::{Row, Rows, Three, borrowed};
use crate::record::{Kind, Stored};

/// Log positions of what stands before, here and behind.
type Places = (Vec<u64>, u64, Vec<u64>);

fn row(seq: u64, time: i64, conversation: &str) -> Row {
    let record = Stored {
        id: format!("m{seq:04}"),
        conversation: conversation.into(),
        author: PersonNumber(1),
        subjects: vec![PersonNumber(if seq.is_multiple_of(2) { 2 } else { 3 })],
        time: Micros(time),
        kind: Kind::Message,
        ..Stored::default()
    };
    (Seq(seq), record)
}

fn parts(rows: Vec<Row>, of: usize) -> Vec<Arc<Rows>> {
    rows.chunks(of).map(|chunk| Arc::new(Rows::new(chunk.to_vec()))).collect()
}

fn places(rows: &[Arc<Rows>], mask: &Mask, id: &str, conversation: Option<&str>, n: usize) -> Vec<Places> {
    let parts: Vec<Arc<dyn Part>> = rows.iter().map(|p| Arc::clone(p) as Arc<dyn Part>).collect();
    let search = Search { parts: &borrowed(&parts), people: &Three, mask, until: None };
    let found = around(&search, id, conversation, n).unwrap();
    let seqs = |hits: &[crate::query::hit::Hit]| hits.iter().map(|hit| hit.seq.0).collect();
    found.iter().map(|a| (seqs(&a.before), a.here.seq.0, seqs(&a.after))).collect()
}

#[test]
fn neighbours_stand_by_time_then_position_whatever_part_they_are_in() {
    // Every second record is of another conversation; four in a row share their time; parts overlap.
    let mut rows: Vec<Row> =
        (0..40).map(|i| row(i, i as i64 / 4, if i % 2 == 0 { "c" } else { "d" })).collect();
    rows.swap(3, 37);
    rows.swap(8, 22);
    let rows = parts(rows, 7);
    let none = Mask::default();
    assert_eq!(places(&rows, &none, "m0020", None, 3), [(vec![14, 16, 18], 20, vec![22, 24, 26])]);
    assert_eq!(places(&rows, &none, "m0020", Some("c"), 0), [(vec![], 20, vec![])]);
    assert_eq!(places(&rows, &none, "m0002", None, 3), [(vec![0], 2, vec![4, 6, 8])]);
    assert_eq!(places(&rows, &none, "m0037", None, 3), [(vec![31, 33, 35], 37, vec![39])]);
    let all = |from: u64, to: u64| (from..to).filter(|i| i % 2 == 0).collect::<Vec<_>>();
    assert_eq!(places(&rows, &none, "m0020", None, usize::MAX), [(all(0, 20), 20, all(21, 40))]);
    for (id, conversation) in [("m0020", Some("d")), ("m0040", None), ("m0020", Some("")), ("", None)] {
        assert!(places(&rows, &none, id, conversation, 3).is_empty(), "{id}");
    }
}

#[test]
fn an_id_of_several_conversations_has_neighbours_in_each() {
    let mut rows: Vec<Row> = (0..9).map(|i| row(i, i as i64, ["c", "d", "e"][i as usize % 3])).collect();
    rows[4].1.id = "m0003".into();
    let rows = parts(rows, 2);
    let none = Mask::default();
    assert_eq!(places(&rows, &none, "m0003", None, 1), [(vec![0], 3, vec![6]), (vec![1], 4, vec![7])]);
    assert_eq!(places(&rows, &none, "m0003", Some("d"), 1), [(vec![1], 4, vec![7])]);
}

#[test]
fn neighbours_are_of_default_kinds_and_acts_have_none() {
    let mut rows: Vec<Row> = (0..9).map(|i| row(i, i as i64, "c")).collect();
    for at in [3, 4, 6] {
        rows[at].1.kind = Kind::Reaction;
    }
    rows[8].1.conversation.clear();
    let rows = parts(rows, 4);
    let none = Mask::default();
    assert_eq!(places(&rows, &none, "m0004", None, 2), [(vec![1, 2], 4, vec![5, 7])]);
    assert_eq!(places(&rows, &none, "m0005", None, 1), [(vec![2], 5, vec![7])]);
    assert!(places(&rows, &none, "m0008", None, 2).is_empty());
}

#[test]
fn what_is_being_erased_is_neither_asked_for_nor_a_neighbour() {
    let rows = parts((0..12).map(|i| row(i, i as i64, "c")).collect(), 5);
    let records = Mask { records: vec![Seq(4), Seq(7)], ..Mask::default() };
    assert_eq!(places(&rows, &records, "m0006", None, 2), [(vec![3, 5], 6, vec![8, 9])]);
    assert!(places(&rows, &records, "m0007", None, 2).is_empty());
    let her = Mask { persons: vec![PersonNumber(2)], ..Mask::default() };
    assert_eq!(places(&rows, &her, "m0005", None, 2), [(vec![1, 3], 5, vec![7, 9])]);
    assert!(places(&rows, &her, "m0006", None, 2).is_empty());
    let all = Mask { conversations: vec!["c".into()].into(), ..Mask::default() };
    assert!(places(&rows, &all, "m0005", None, 2).is_empty());
}

/// A conversation of any length costs what is shown of it, not its bodies.
#[test]
fn bodies_of_what_is_shown_are_opened_and_no_others() {
    let mut rows: Vec<Row> = (0..3_000).map(|i| row(i, i as i64, "c")).collect();
    // The ids of rows are candidates for one another by their length.
    rows[1_500].1.id = "here".into();
    let rows = parts(rows, 1_000);
    let found = places(&rows, &Mask::default(), "here", Some("c"), 10);
    assert_eq!(found, [((1_490..1_500).collect(), 1_500, (1_501..1_511).collect())]);
    let opened: usize = rows.iter().map(|part| part.opened.load(Ordering::Relaxed)).sum();
    assert_eq!(opened, 21);
    let decoded: Vec<bool> = rows.iter().map(|part| part.decoded.load(Ordering::Relaxed) > 0).collect();
    assert_eq!(decoded, [false, true, false]);
}
