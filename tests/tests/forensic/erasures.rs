//! The forensic test. An attacker keeps every byte ever written to the disk and takes the slot
//! after an erasure was acknowledged: no key he can reach opens a word of what was erased, and
//! everything of the others still opens. Each erasure has its positive control before it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::time::{Duration, Instant};

use escrowdb::ErrorKind;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Outcome, Selector};
use escrowdb_tests::call::{Aim, Call, Class};
use escrowdb_tests::evidence::Kind;
use escrowdb_tests::recording_vfs::Op;
use escrowdb_tests::rng::Rng;
use escrowdb_tests::sealed::world::{Options, World, full};

use crate::{WAIT, person};

/// Three people in two conversations, some of it rolled.
fn peopled(options: Options) -> (World, [String; 3], [String; 2]) {
    let mut w = World::new(options);
    let people = [w.person(), w.person(), w.person()];
    let conversations = [w.word(), w.word()];
    for i in 0..9 {
        let who = &people[i % 3];
        w.say(who, &[], &conversations[i / 3 % 2]);
    }
    (w, people, conversations)
}

#[test]
fn a_person_who_stands_in_segments() {
    let (mut w, [anna, ..], _) = peopled(Options { roll_records: 4, ..Options::default() });
    w.roll();
    let before = w.control();
    for kind in [Kind::Head, Kind::Node, Kind::Frame, Kind::IndexPage, Kind::Body] {
        assert!(before.count(kind) > 0, "{kind:?}");
    }
    let certificate = w.erase(&person(&anna));
    assert!(certificate.segments_rekeyed > 0 && certificate.content_keys_destroyed == 1);
    assert_eq!(certificate.journal_keys_destroyed, 0);
}

#[test]
fn a_person_who_was_born_in_the_journal() {
    let (mut w, _, [c, _]) = peopled(Options::default());
    w.roll();
    let dora = w.person();
    let home = w.word();
    w.say(&dora, &[], &c);
    w.say(&dora, &[], &home);
    let certificate = w.erase(&person(&dora));
    assert_eq!((certificate.journal_keys_destroyed, certificate.segments_rekeyed), (1, 0));
}

#[test]
fn a_person_in_segments_and_journal() {
    let (mut w, [anna, bert, _], [c, d]) = peopled(Options::default());
    w.roll();
    w.say(&bert, &[], &d);
    w.say(&anna, &[], &c);
    let certificate = w.erase(&person(&anna));
    assert_eq!((certificate.journal_keys_destroyed, certificate.segments_rekeyed), (1, 1));
}

#[test]
fn a_conversation_in_segments_and_journal() {
    let (mut w, [anna, bert, _], [c, d]) = peopled(Options { roll_records: 5, ..Options::default() });
    w.say(&anna, &[], &c);
    w.say(&bert, &[], &d);
    let (mut record, marks) = w.draft(&anna, &[], &c);
    record = record.participant(&bert);
    w.append(record, marks);
    let certificate = w.erase(&Selector::Conversation(c.clone()));
    assert!(certificate.handles.is_empty() && certificate.content_keys_destroyed == 0);
    // The people of the conversation live on elsewhere.
    w.say(&anna, &[], &d);
    w.roll();
    w.verdict().assert_clean("a later roll");
    w.erase(&Selector::Conversation(d));
}

/// Neighbours in one body block: the survivors are sealed anew, the old block stays shut although
/// the key of its person lives.
#[test]
fn one_record_of_a_person_who_lives() {
    let (mut w, [anna, ..], [c, d]) = peopled(Options::default());
    let rolled: Vec<_> = (0..4).map(|_| w.say(&anna, &[], &c)).collect();
    w.roll();
    let fresh: Vec<_> = (0..3).map(|_| w.say(&anna, &[], &d)).collect();
    for (id, journals, segments) in
        [(&rolled[1], 0, 1), (&fresh[1], 1, 0), (&fresh[0], 0, 1), (&rolled[0], 0, 1)]
    {
        let certificate = w.erase(&Selector::Record { id: id.clone(), conversation: None });
        assert_eq!(certificate.records_removed, 1);
        assert_eq!((certificate.journal_keys_destroyed, certificate.segments_rekeyed), (journals, segments));
    }
}

/// A record with several subjects dies with any of them; the others live on.
#[test]
fn a_person_with_shared_records() {
    let (mut w, [anna, bert, carl], [c, _]) = peopled(Options::default());
    w.say(&bert, &[&anna, &bert], &c);
    w.say(&anna, &[&bert, &carl], &c);
    w.roll();
    w.say(&carl, &[&anna, &bert, &carl], &c);
    w.erase(&person(&anna));
    w.erase(&person(&carl));
}

/// An agent writes records of which others are the subjects: the records stay, her name goes.
#[test]
fn a_person_who_is_only_an_author() {
    let (mut w, [anna, bert, _], [c, d]) = peopled(Options::default());
    let agents = [w.person(), w.person()];
    for agent in &agents {
        w.say(agent, &[&anna], &c);
        w.say(agent, &[&bert], &d);
    }
    w.roll();
    let late = w.person();
    w.say(&late, &[&bert], &c);
    w.say(&agents[1], &[&bert], &c);
    for agent in [&agents[0], &late, &agents[1]] {
        let certificate = w.erase(&person(agent));
        // The one record is the one that says who the number was.
        assert_eq!((certificate.records_removed, certificate.handles.len()), (1, 1));
    }
}

#[test]
fn linked_people_go_together() {
    let (mut w, [anna, bert, _], [c, _]) = peopled(Options { roll_records: 4, ..Options::default() });
    let [other, third] = [w.person(), w.person()];
    w.say(&other, &[], &c);
    w.say(&third, &[], &c);
    w.link(&anna, &other);
    w.link(&other, &third);
    w.say(&third, &[], &c);
    w.say(&bert, &[], &c);
    let certificate = w.erase(&person(&third));
    assert_eq!(certificate.handles.len(), 3);
}

/// Erasures one after another, with rolls, new records and clean restarts between; who returns
/// is somebody new.
#[test]
fn after_several_erasures_and_restarts() {
    let (mut w, [anna, bert, carl], [c, d]) = peopled(Options { roll_records: 6, ..Options::default() });
    w.erase(&person(&anna));
    w.say(&bert, &[], &c);
    w.reopen();
    w.verdict().assert_clean("reopened");
    w.say(&anna, &[], &d);
    w.say(&carl, &[], &d);
    w.erase(&Selector::Conversation(c));
    w.roll();
    w.reopen();
    w.erase(&person(&anna));
    w.erase(&person(&bert));
    w.reopen();
    w.verdict().assert_clean("reopened");
    let dora = w.person();
    w.say(&dora, &[], &d);
    w.erase(&person(&carl));
}

/// Her records lie in many segments and the passes are small: the first pass kills her key, the
/// answer comes after the last.
#[test]
fn in_several_passes() {
    for selector in 0..2 {
        let options = Options { roll_records: 3, pass_bytes: 1, ..Options::default() };
        let (mut w, [anna, bert, _], [c, d]) = peopled(options);
        for _ in 0..5 {
            w.say(&anna, &[], &c);
            w.say(&bert, &[], &d);
        }
        let what = if selector == 0 { person(&anna) } else { Selector::Conversation(c) };
        let certificate = w.erase(&what);
        assert!(certificate.segments_rekeyed >= 3, "{certificate:?}");
        assert!(certificate.epoch_after.0 >= certificate.epoch_before.0 + 3, "{certificate:?}");
    }
}

/// Killed in the middle of an erasure and opened again: what was announced is done, else nothing
/// was lost.
#[test]
fn killed_while_erasing() {
    for pass_bytes in [1, 1 << 20] {
        let (mut w, [anna, bert, _], [c, _]) =
            peopled(Options { roll_records: 4, pass_bytes, ..Options::default() });
        w.say(&bert, &[&anna, &bert], &c);
        w.say(&bert, &[], &c);
        w.reopen();
        w.say(&anna, &[], &c);
        w.control();
        let selector = person(&anna);
        w.note_numbers(&selector);
        let from = w.disk.log_len();
        w.store().erase(&selector, &EraseOptions::default()).unwrap();
        let log = w.disk.log();
        let step = if full() { 1 } else { (log.len() - from).div_ceil(20) };
        let mut done = [0; 2];
        for to in (from..=log.len()).step_by(step) {
            let mut killed = w.branch(&log[..to]);
            let gone = killed.store().session(Session::new()).person(&anna).is_err();
            if gone {
                killed.bury(&selector);
            } else {
                killed.forget_numbers();
            }
            killed.verdict().assert_clean(&format!("killed after {to} of {from}..{}", log.len()));
            done[usize::from(gone)] += 1;
        }
        assert!(done[0] > 0 && done[1] > 5, "{done:?}");
    }
}

/// Killed while the slot was written, with any part of that write on the device: recovery
/// overwrites the other record even if it looks like none.
#[test]
fn killed_while_the_slot_was_half_written() {
    let (mut w, [anna, ..], _) = peopled(Options { roll_records: 4, ..Options::default() });
    w.control();
    let selector = person(&anna);
    w.note_numbers(&selector);
    let from = w.disk.log_len();
    w.store().erase(&selector, &EraseOptions::default()).unwrap();
    w.bury(&selector);
    let log = w.disk.log();
    let slot = |op: &Op| matches!(op, Op::Create { path, .. } if Class::of(path) == Class::Slot);
    let Some(Op::Create { inode: slot, .. }) = log.iter().find(|op| slot(op)) else { panic!("no slot") };
    let mut torn = 0;
    for (i, op) in log.iter().enumerate().skip(from) {
        let Op::Write { inode, offset, bytes } = op else { continue };
        if inode != slot {
            continue;
        }
        for cut in [20, 41, 60, 72, 90] {
            for (offset, bytes) in [(*offset, &bytes[..cut]), (offset + cut, &bytes[cut..])] {
                let mut log = log[..i].to_vec();
                log.push(Op::Write { inode: *inode, offset, bytes: bytes.into() });
                w.branch(&log).verdict().assert_clean(&format!("write {i} cut at {cut}, from {offset}"));
                torn += 1;
            }
        }
    }
    assert_eq!(torn, 40);
}

/// The key tree has several levels: neither leaves nor separators keep the erased.
#[test]
fn many_people_one_after_another() {
    let mut w = World::new(Options { deep: false, ..Options::default() });
    let c = w.word();
    let mut people: Vec<String> = (0..if full() { 120 } else { 45 }).map(|_| w.person()).collect();
    for name in &people {
        w.say(name, &[], &c);
    }
    w.roll();
    w.control();
    let mut rng = Rng::new(3);
    rng.shuffle(&mut people);
    for (i, name) in people.iter().enumerate() {
        let selector = person(name);
        w.note_numbers(&selector);
        w.store().erase(&selector, &EraseOptions::default()).unwrap();
        w.bury(&selector);
        if i % 7 == 0 || i + 1 == people.len() {
            w.acknowledged();
            w.verdict().assert_clean(&format!("{} of {} are gone", i + 1, people.len()));
        }
    }
}

/// A roll is half done and the person stands in the journal behind it.
#[test]
fn while_a_roll_runs() {
    let mut w = World::new(Options { roll_records: 8, background: true, ..Options::default() });
    let (anna, bert, c) = (w.person(), w.person(), w.word());
    let gate = w.disk.block(Aim::at(Class::Index, Call::Write), 0);
    for _ in 0..7 {
        w.say(&bert, &[], &c);
    }
    assert!(gate.reached(WAIT));
    w.say(&anna, &[], &c);
    w.control();
    let selector = person(&anna);
    w.note_numbers(&selector);
    let store = w.store();
    std::thread::scope(|scope| {
        let erasing = scope.spawn(|| store.erase(&selector, &EraseOptions::default()));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!erasing.is_finished(), "it waits for the roll");
        gate.open();
        assert_eq!(erasing.join().unwrap().unwrap().journal_keys_destroyed, 1);
    });
    w.bury(&selector);
    w.acknowledged();
    w.verdict().assert_clean("a roll ran");
}

/// While one erasure runs, a selector for what it takes is refused, and another one waits for
/// the next pass. Appends for the person are refused, others go on.
#[test]
fn while_another_erasure_runs() {
    let (mut w, [anna, bert, carl], [c, d]) = peopled(Options::default());
    let own = w.word();
    let hers = w.say(&anna, &[], &own);
    let theirs = w.word();
    w.say(&bert, &[], &theirs);
    w.say(&carl, &[], &theirs);
    w.roll();
    w.control();
    w.note_numbers(&person(&anna));
    let gate = w.disk.block(Aim::at(Class::Index, Call::Write), 0);
    let (first, second) = (person(&anna), Selector::Conversation(theirs));
    let (busy, _) = w.draft(&anna, &[], &c);
    let (late, marks) = w.draft(&bert, &[], &d);
    let overlapping =
        [person(&anna), Selector::Conversation(own), Selector::Record { id: hers, conversation: None }];
    let store = w.store();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| store.erase(&first, &EraseOptions::default()));
        assert!(gate.reached(WAIT));
        for selector in &overlapping {
            let asked = scope.spawn(|| store.erase(selector, &EraseOptions::default()));
            let end = Instant::now() + WAIT / 6;
            while !asked.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !asked.is_finished() {
                gate.open();
                panic!("a selector was admitted for what is being erased");
            }
            assert_eq!(asked.join().unwrap().unwrap_err().kind(), ErrorKind::Busy);
        }
        assert!(matches!(store.append(&[busy]).unwrap()[..], [Outcome::Rejected(_)]));
        let other = scope.spawn(|| store.erase(&second, &EraseOptions::default()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!other.is_finished());
        gate.open();
        let (one, other) = (one.join().unwrap().unwrap(), other.join().unwrap().unwrap());
        assert!(one.epoch_after < other.epoch_after);
    });
    w.append(late, marks);
    w.bury(&first);
    w.bury(&second);
    w.acknowledged();
    w.verdict().assert_clean("two erasures");
}

/// Random histories with every kind of erasure, restarts and kills between.
#[test]
fn random_histories() {
    for seed in 0..if full() { 200 } else { 12 } {
        random_history(seed);
    }
}

fn random_history(seed: u64) {
    let mut rng = Rng::new(seed);
    let options = Options {
        seed,
        roll_records: *rng.pick(&[3, 5, 9, 1_000]),
        pass_bytes: *rng.pick(&[1, 30_000, 1 << 20]),
        ..Options::default()
    };
    let mut w = World::new(options);
    let mut people: Vec<String> = (0..4).map(|_| w.person()).collect();
    let conversations: Vec<String> = (0..3).map(|_| w.word()).collect();
    for _ in 0..30 {
        match rng.below(20) {
            0 => w.roll(),
            1 => w.reopen(),
            2 => w.kill(),
            3 => people.push(w.person()),
            4 | 5 => {
                let (known, records) = (w.known(), w.records());
                let selector = match rng.below(3) {
                    0 if !known.is_empty() => person(rng.pick::<String>(&known)),
                    1 if !records.is_empty() => {
                        Selector::Conversation(rng.pick(&records).conversation.clone())
                    }
                    _ if !records.is_empty() => {
                        Selector::Record { id: rng.pick(&records).id.clone().unwrap(), conversation: None }
                    }
                    _ => continue,
                };
                w.erase(&selector);
            }
            6 => {
                let known = w.known();
                if known.len() > 1 {
                    w.link(rng.pick::<String>(&known), rng.pick::<String>(&known));
                }
            }
            _ => {
                let (a, b) = (rng.pick(&people).clone(), rng.pick(&people).clone());
                let c = rng.pick(&conversations).clone();
                match rng.below(4) {
                    0 => w.say(&a, &[&b], &c),
                    1 if a != b => w.say(&a, &[&a, &b], &c),
                    _ => w.say(&a, &[], &c),
                };
            }
        }
    }
    if let Some(last) = w.known().first() {
        w.erase(&person(last));
    }
}
