//! The forensic test of redactions: of whoever keeps every byte ever written and takes the slot afterwards no
//! key opens a word that was overwritten, and everything else of the record still opens.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use std::sync::Arc;

use escrowdb::ErrorKind;
use escrowdb::store::{EraseOptions, Selector};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::faulty_vfs::{Fault, FaultyVfs, Plan};
use escrowdb_tests::sealed::world::{Options, World, full};

/// Neighbours of one block, and of one frame.
fn neighbours(options: Options) -> (World, Vec<String>, Vec<String>) {
    let mut w = World::new(options);
    let (anna, bert, c) = (w.person(), w.person(), w.word());
    let rolled = (0..6).map(|i| w.say([&anna, &bert][i % 2], &[], &c)).collect();
    w.roll();
    let fresh = (0..4).map(|i| w.say([&anna, &bert][i % 2], &[&anna], &c)).collect();
    (w, rolled, fresh)
}

#[test]
fn words_in_a_segment_and_in_the_journal() {
    let (mut w, rolled, fresh) = neighbours(Options::default());
    for (id, journals, segments) in
        [(&rolled[2], 0, 1), (&fresh[1], 1, 0), (&fresh[0], 0, 1), (&rolled[0], 0, 1)]
    {
        let certificate = w.redact(id);
        assert_eq!((certificate.what, certificate.records_removed), ("redaction", 1));
        assert_eq!((certificate.people_forgotten, certificate.content_keys_destroyed), (0, 0));
        if id != &fresh[0] {
            assert_eq!(certificate.journal_keys_destroyed, journals);
            assert_eq!(certificate.segments_rekeyed, segments);
        }
    }
    w.reopen();
    w.roll();
    w.verdict().assert_clean("a later roll");
    w.erase(&Selector::Record { id: rolled[2].clone(), conversation: None });
}

#[test]
fn words_of_everybody_in_several_passes() {
    let (mut w, rolled, fresh) = neighbours(Options { pass_bytes: 1, roll_records: 3, ..Options::default() });
    for id in rolled.iter().chain(&fresh) {
        w.redact(id);
    }
}

/// Killed at every operation of a redaction: the record is there once, with its words or without, and without
/// them nothing tells them.
#[test]
fn killed_at_any_moment() {
    for in_journal in [false, true] {
        let (mut w, rolled, fresh) = neighbours(Options::default());
        let id = if in_journal { &fresh[2] } else { &rolled[3] };
        w.control();
        let from = w.disk.log_len();
        w.store().redact(&w.redaction(id), &EraseOptions::default()).unwrap();
        let log = w.disk.log();
        let step = if full() { 1 } else { (log.len() - from).div_ceil(40) };
        let mut done = [0; 2];
        for to in (from..=log.len()).step_by(step) {
            let mut killed = w.branch(&log[..to]);
            let gone = killed.is_redacted(id);
            if gone {
                killed.bury_words(id);
            }
            killed.verdict().assert_clean(&format!("killed after {to} of {from}..{}", log.len()));
            done[usize::from(gone)] += 1;
        }
        assert!(done[0] > 0 && done[1] > 5, "{done:?}");
    }
}

/// The answer to a redaction finds its record by name; who goes in the same pass leaves none in the key tree.
#[test]
fn who_goes_beside_a_redaction_leaves_no_name() {
    let (mut w, rolled, _) = neighbours(Options::default());
    let faulty = FaultyVfs::new(Arc::new(w.disk.clone()));
    w.seam = Some(Arc::new(faulty.clone()));
    w.reopen();
    let id = rolled[2].clone();
    let aim = Aim::at(Class::Index, Call::Create);
    faulty.arm(Plan { aim, nth: 0, fault: Fault::NoSpace, sticky: true });
    let cut = w.store().redact(&w.redaction(&id), &EraseOptions::default());
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::NoSpace);
    faulty.disarm();
    assert!(!w.is_redacted(&id));
    w.erase(&Selector::Record { id, conversation: None });
}
