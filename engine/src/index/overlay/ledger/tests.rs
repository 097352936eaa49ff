use super::*;
use crate::index::overlay::Version;
use roaring::RoaringBitmap;

fn stored(kind: Kind, tags: &[&str]) -> Stored {
    Stored { kind, tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Stored::default() }
}

fn event(spoken: Spoken, target: u32) -> Event {
    Event::new(spoken, IdHash { id: target, conversation: 0 }, Texts::default())
}

/// Documents are log positions.
fn shown(ledger: &Ledger, below: Option<Seq>) -> Overlay {
    let mut overlay = Overlay::default();
    let doc_of = |seq: Seq| Ok(u32::try_from(seq.0).ok());
    ledger.show(&mut overlay, None, below, (Seq(0), Seq(1000)), doc_of).unwrap();
    overlay
}

fn unseen(overlay: &Overlay, version: Version) -> Vec<u32> {
    let mut docs = RoaringBitmap::new();
    overlay.add_unseen(version, &mut docs);
    docs.iter().collect()
}

/// A message at 1 with an edit at 3, an edit of that at 2, which came before it, and a deletion at 4 of the latter.
fn chain() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.learn(Seq(2), event(Spoken::Edit, 3));
    ledger.learn(Seq(3), event(Spoken::Edit, 1));
    ledger.learn(Seq(4), event(Spoken::Delete, 2));
    ledger.settle(Seq(4), Seq(2), &stored(Kind::Edit, &[]));
    ledger.settle(Seq(2), Seq(3), &stored(Kind::Edit, &[]));
    assert!(shown(&ledger, None).is_empty() && ledger.has_orphans());
    ledger.settle(Seq(3), Seq(1), &stored(Kind::Message, &["a"]));
    assert!(!ledger.has_orphans());
    ledger
}

#[test]
fn what_is_said_of_an_edit_is_said_of_its_record() {
    let overlay = shown(&chain(), None);
    assert_eq!(unseen(&overlay, Version::Newest), [1, 2, 3]);
    assert_eq!(unseen(&overlay, Version::First), [1, 2, 3]);
    let unasked = |version| overlay.found_unasked(version).map(|docs| docs.iter().collect::<Vec<_>>());
    assert_eq!(unasked(Version::Newest), Some(vec![3]));
    assert_eq!((unasked(Version::First), unasked(Version::All)), (None, Some(vec![2, 3])));
}

#[test]
fn what_came_later_is_left_out_and_so_is_what_is_being_erased() {
    let mut ledger = chain();
    // Of the record at 3 nobody knew, so neither of what is said of it.
    assert!(shown(&ledger, Some(Seq(3))).is_empty());
    assert_eq!(unseen(&shown(&ledger, Some(Seq(4))), Version::Newest), [1, 2]);
    ledger.set_absent([Seq(4)].into());
    assert_eq!(unseen(&shown(&ledger, None), Version::Newest), [1, 2]);
    ledger.set_absent([Seq(1)].into());
    assert!(shown(&ledger, None).is_empty());
}

#[test]
fn who_looked_before_sees_what_changed() {
    let mut ledger = chain();
    let (mut overlay, mark) = (shown(&ledger, None), ledger.mark());
    ledger.learn(Seq(7), event(Spoken::Edit, 1));
    ledger.settle(Seq(7), Seq(1), &stored(Kind::Message, &[]));
    ledger.set_absent([Seq(4)].into());
    let doc_of = |seq: Seq| Ok(u32::try_from(seq.0).ok());
    ledger.show(&mut overlay, Some(mark), None, (Seq(0), Seq(9)), doc_of).unwrap();
    assert_eq!(unseen(&overlay, Version::Newest), [1, 2, 3]);
    assert_eq!(overlay.found_unasked(Version::Newest).unwrap().iter().collect::<Vec<_>>(), [7]);
    assert!(!ledger.is_old(mark));
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut ledger = chain();
    let mark = ledger.mark();
    ledger.retain(|seq| Ok(seq != Seq(3))).unwrap();
    assert!(ledger.is_old(mark) && shown(&ledger, None).is_empty());
    assert_eq!(ledger.orphans_of(IdHash { id: 3, conversation: 0 }), [Seq(2)]);
    // Tags of the record are kept for the edits that are left.
    let mut ledger = chain();
    ledger.retain(|seq| Ok(seq != Seq(4))).unwrap();
    let mut tags = Vec::new();
    shown(&ledger, None).retag(3, &mut tags).unwrap();
    assert_eq!(tags, ["a"]);
}

#[test]
fn a_circle_speaks_of_nothing() {
    let mut ledger = Ledger::default();
    ledger.learn(Seq(1), event(Spoken::Edit, 2));
    ledger.learn(Seq(2), event(Spoken::Edit, 1));
    ledger.settle(Seq(1), Seq(2), &stored(Kind::Edit, &[]));
    ledger.settle(Seq(2), Seq(1), &stored(Kind::Edit, &[]));
    assert!(shown(&ledger, None).is_empty() && !ledger.has_orphans());
}
