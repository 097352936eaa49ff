//! The forensic test of names: of whoever keeps every byte ever written and takes the slot afterwards no key
//! opens a name that was taken from somebody, and she herself is still there.

#![allow(clippy::unwrap_used, reason = "what can't go on is a failed test")]

use escrowdb::store::{EraseOptions, Selector};
use escrowdb_tests::sealed::world::{Options, World, full};

/// Anna who is in a segment, Ben who is in the journal too, both in each other's records.
fn two(options: Options) -> (World, String, String) {
    let mut w = World::new(options);
    let (anna, ben, c) = (w.person(), w.person(), w.word());
    for i in 0..4 {
        w.say([&anna, &ben][i % 2], &[], &c);
    }
    w.roll();
    w.say(&ben, &[&anna, &ben], &c);
    (w, anna, ben)
}

#[test]
fn in_a_segment_and_again_in_the_journal() {
    let (mut w, anna, _) = two(Options::default());
    let (second, certificate) = w.rename(&anna);
    assert_eq!((certificate.what, certificate.records_removed), ("identifier", 1));
    assert_eq!((certificate.content_keys_destroyed, certificate.people_forgotten), (0, 0));
    assert_eq!((certificate.segments_rekeyed, certificate.journal_keys_destroyed), (1, 0));
    // What tells the second name stands in the journal now.
    let (third, certificate) = w.rename(&second);
    assert_eq!((certificate.segments_rekeyed, certificate.journal_keys_destroyed), (0, 1));
    w.reopen();
    w.roll();
    w.verdict().assert_clean("a later roll");
    w.kill();
    w.verdict().assert_clean("a later opening");
    w.erase(&Selector::Person(third));
}

#[test]
fn of_somebody_who_was_never_rolled() {
    let mut w = World::new(Options::default());
    let (anna, ben, c) = (w.person(), w.person(), w.word());
    w.say(&anna, &[&ben], &c);
    w.roll();
    let carl = w.person();
    w.say(&carl, &[&anna], &c);
    // The control wants to find everything that was ever written.
    w.roll();
    let (carl, _) = w.rename(&carl);
    w.kill();
    w.verdict().assert_clean("opened");
    assert!(!w.is_unknown(&carl));
}

#[test]
fn one_of_several_names() {
    let (mut w, anna, ben) = two(Options::default());
    let other = w.add_name(&anna);
    let more = w.add_name(&anna);
    w.remove_name(&other);
    assert!(!w.is_unknown(&more));
    // The first one, which the record tells: the last one is shown from now on.
    w.bury_name(&anna, Some(&more));
    w.control();
    w.store().remove_identifier(&anna, &EraseOptions::default()).unwrap();
    w.acknowledged();
    w.verdict().assert_clean("the first name");
    w.rename(&ben);
}

/// Killed at every operation of a rename: she is there once, with her old name or the new one, and with the new
/// one nothing tells the old.
#[test]
fn killed_at_any_moment() {
    for in_journal in [false, true] {
        let (mut w, anna, _) = two(Options::default());
        let anna = if in_journal { w.rename(&anna).0 } else { anna };
        w.control();
        let new = w.person();
        let from = w.disk.log_len();
        w.store().rename(&anna, &new, &EraseOptions::default()).unwrap();
        let log = w.disk.log();
        let step = if full() { 1 } else { (log.len() - from).div_ceil(40) };
        let mut done = [0; 2];
        for to in (from..=log.len()).step_by(step) {
            let mut killed = w.branch(&log[..to]);
            let gone = killed.is_unknown(&anna);
            if gone {
                killed.bury_name(&anna, Some(&new));
            } else {
                assert!(killed.is_unknown(&new), "what was accepted is gone on with by the opening");
            }
            killed.verdict().assert_clean(&format!("killed after {to} of {from}..{}", log.len()));
            done[usize::from(gone)] += 1;
        }
        assert!(done[0] > 0 && done[1] > 5, "{done:?}");
    }
}
