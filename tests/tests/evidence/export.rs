//! Exports with proof in the hands of somebody who changes them, of somebody who wants to know more than
//! he was given, and of an erasure that comes in between.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::sync::Arc;

use escrowdb::export::{Fault, Line, What};
use escrowdb::id::Micros;
use escrowdb::merkle::commitment::leaf;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::record::{Kind, Stored};
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Reading, Record, Selector, Store};
use escrowdb::vfs::MemoryVfs;
use escrowdb::{ErrorKind, Result};
use escrowdb_tests::export::{Files, export};

/// A store in memory with talks of three people and an agent, partly rolled.
fn store() -> Store {
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let say = |n: i64| {
        let who = ["anna", "ben", "zoe"][n as usize % 3];
        let record = Record::new(format!("c-{who}"), who, Micros(n), ["yes", "no"][n as usize % 2]);
        record.id(format!("m{n}")).tag("dept:sales")
    };
    store.append(&(0..9).map(say).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    store.append(&(9..14).map(say).collect::<Vec<_>>()).unwrap();
    store
}

fn key(store: &Store) -> VerifierKey {
    store.verifier_key().unwrap().parse().unwrap()
}

fn reading(store: &Store) -> Reading<'_> {
    store.session(Session::new().actor("dana").purpose("access \"request\""))
}

fn exported(store: &Store, query: &str) -> Files {
    export(&reading(store), query, || ()).unwrap()
}

fn erase(store: &Store, who: &str) {
    store.erase(&Selector::Person(who.into()), &EraseOptions::default()).unwrap();
}

/// What is wrong, as (what, line, line of the export).
fn faults(files: &Files, key: &VerifierKey) -> Vec<(What, u64, Option<u64>)> {
    let report = files.check(key).unwrap();
    assert_eq!(report.faults as usize, report.first.len());
    report.first.iter().map(|Fault { what, line, made, .. }| (*what, *line, *made)).collect()
}

/// Lines of a proof that name records.
fn records(files: &Files) -> Vec<Line> {
    let text = String::from_utf8(files.proof.clone()).unwrap();
    text.lines().skip(2).map(|line| Line::parse(line.as_bytes()).unwrap()).collect()
}

#[test]
fn an_export_verifies_with_the_key_alone() {
    let store = store();
    for query in ["*", "subject:anna", "kind:person", "* OR kind:person", "conversation:nobody", "yes"] {
        let files = exported(&store, query);
        let report = files.check(&key(&store)).unwrap();
        assert_eq!((report.faults, report.proved), (0, files.lines().len() as u64), "{query}");
        assert_eq!(report.lines, reading(&store).count(query).unwrap(), "{query}");
    }
    assert_eq!(exported(&store, "subject:anna").check(&key(&store)).unwrap().people, 1);
}

#[test]
fn export_every_changed_byte_is_found() {
    let store = store();
    let (files, key) = (exported(&store, "subject:anna before:2000-01-01"), key(&store));
    assert!(files.holds(&key));
    for part in 0..3 {
        let len = [&files.file, &files.proof, &files.manifest][part].len();
        for at in 0..len {
            for bits in [1u8, 0x20, 0x80] {
                let mut bad = files.clone();
                [&mut bad.file, &mut bad.proof, &mut bad.manifest][part][at] ^= bits;
                assert!(!bad.holds(&key), "byte {at} of part {part}");
            }
            let mut cut = files.clone();
            [&mut cut.file, &mut cut.proof, &mut cut.manifest][part].truncate(at);
            assert!(!cut.holds(&key), "part {part} of {at} bytes");
        }
        let mut longer = files.clone();
        [&mut longer.file, &mut longer.proof, &mut longer.manifest][part].push(b'\n');
        assert!(!longer.holds(&key));
    }
}

#[test]
fn export_lines_taken_out_added_moved_and_doubled_are_named() {
    let store = store();
    let (files, key) = (exported(&store, "*"), key(&store));
    let lines = files.lines();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        faults(&files.with_lines(&lines), &key)
    };
    assert_eq!(with(&|_| ()), []);
    assert_eq!(with(&|l| drop(l.remove(4))), [(What::Missing, 5, None)]);
    assert_eq!(with(&|l| l.swap(0, 1)).len(), 1);
    assert_eq!(with(&|l| l.insert(2, l[1].clone())), [(What::Twice, 3, Some(2))]);
    assert_eq!(with(&|l| l[3] = l[3].replace("no", "yes")), [(What::Changed, 4, Some(4))]);
    assert_eq!(with(&|l| l.insert(3, l[3].replace("no", "yes"))), [(What::Added, 4, None)]);
    assert_eq!(with(&|l| l.insert(0, String::new())), [(What::Added, 1, None)]);
    let last = lines.len() - 1;
    assert_eq!(
        with(&|l| {
            let line = l.remove(last);
            l.insert(0, line);
        }),
        [(What::Moved, 1, Some(last as u64 + 1))]
    );
    // Several at once, and the rest is still proved.
    let mut bad = lines.clone();
    bad[1] = bad[1].replace("ben", "eve");
    bad.remove(7);
    let files = files.with_lines(&bad);
    assert_eq!(faults(&files, &key), [(What::Changed, 2, Some(2)), (What::Missing, 8, None)]);
    assert_eq!(files.check(&key).unwrap().proved, lines.len() as u64 - 2);
}

/// Whoever holds the log's key can sign a false statement, and can't make the log say so.
#[test]
fn export_a_signed_line_that_the_log_does_not_hold_is_found() {
    let (one, two) = (store(), store());
    let (a, b) = (exported(&one, "*"), exported(&two, "*"));
    let (key_a, key_b) = (key(&one), key(&two));
    assert!(a.holds(&key_a) && !a.holds(&key_b));
    // Another store's part in the place of one's own.
    for (file, proof, manifest) in [(&b, &a, &a), (&a, &b, &a), (&a, &a, &b), (&b, &b, &a)] {
        let spliced = Files {
            file: file.file.clone(),
            proof: proof.proof.clone(),
            manifest: manifest.manifest.clone(),
        };
        // Both stores hold the same texts, so a file alone is nobody's.
        let is_whole = std::ptr::eq(proof, &a) && std::ptr::eq(manifest, &a) && a.file == b.file;
        assert!((is_whole || !spliced.holds(&key_a)) && !spliced.holds(&key_b));
    }
    // Another export of the same store.
    let part = exported(&one, "subject:ben");
    for spliced in [
        Files { file: part.file.clone(), ..a.clone() },
        Files { proof: part.proof.clone(), ..a.clone() },
        Files { manifest: part.manifest.clone(), ..a.clone() },
    ] {
        assert!(!spliced.holds(&key_a));
    }
}

#[test]
fn export_what_comes_later_is_not_in_it() {
    let store = store();
    // More than are read at a time, so that some are read when later ones are there.
    let more = (14..700).map(|n| Record::new("c-anna", "anna", Micros(n), "more").id(format!("m{n}")));
    store.append(&more.collect::<Vec<_>>()).unwrap();
    let mut n = 0;
    let files = export(&reading(&store), "*", || {
        n += 1;
        // Behind all, and among those that were read.
        let at = if n % 2 == 0 { Micros(n) } else { Micros(1_000_000 + n) };
        store.append(&[Record::new("c-anna", "anna", at, "later").id(format!("late{n}"))]).unwrap();
        if n == 5 {
            store.roll().unwrap();
        }
    })
    .unwrap();
    assert_eq!(files.lines().len(), 700);
    assert!(files.holds(&key(&store)));
    store.compact(&Default::default(), |_| ()).unwrap();
    assert!(files.holds(&key(&store)));
}

/// An export that ran while a person was erased held records of her: nothing of it may be kept.
#[test]
fn export_an_erasure_on_the_way_revokes_it() {
    let store = store();
    let mut n = 0;
    let ended = export(&reading(&store), "*", || {
        n += 1;
        if n == 3 {
            erase(&store, "anna");
        }
    });
    assert_eq!(ended.err().map(|e| e.kind()), Some(ErrorKind::Revoked));
    // Behind the last record, before the signature.
    let ended = export(&reading(&store), "subject:zoe", || {
        n += 1;
        if n == 3 + 4 {
            erase(&store, "zoe");
        }
    });
    assert_eq!(ended.err().map(|e| e.kind()), Some(ErrorKind::Revoked));
}

#[test]
fn export_of_the_erased_still_verifies_and_is_never_made_again() {
    let store = store();
    let (before, key) = (exported(&store, "subject:anna"), key(&store));
    erase(&store, "anna");
    store.roll().unwrap();
    assert!(before.holds(&key), "what was handed out stays true");
    let after = exported(&store, "subject:anna");
    assert_eq!((after.lines().len(), after.check(&key).unwrap().people), (0, 0));
    let all = exported(&store, "*");
    assert!(all.holds(&key));
    let text = String::from_utf8([&all.file[..], &all.proof, &all.manifest].concat()).unwrap();
    assert!(!text.contains("anna"));
    for line in before.lines() {
        assert!(!text.contains(&line));
    }
}

/// Edits, deletes, joins, fields that nobody knows, authors who were erased, and who people are.
#[test]
fn export_records_of_every_sort_are_proved() {
    let store = store();
    let record = |id: &str, kind: Kind| {
        let mut record = Record::new("c-anna", "kim", Micros(50), "Grüße\n\u{1}\u{7f}\"\\ \u{2028}👩‍👩‍👧").id(id);
        record.kind = kind;
        record.subject("anna").subject("ben").reply_to("m0")
    };
    store
        .append(&[
            record("e1", Kind::Edit),
            record("d1", Kind::Delete),
            record("r1", Kind::Reaction),
            record("f1", Kind::File).extra("mood", r#"{"b":[1, 2.50e3],"a":"\u00e9"}"#).extra("Zeit", " 1 "),
            record("p1", Kind::Message).participant("guest"),
        ])
        .unwrap();
    let everything = Kind::ALL.into_iter().map(|kind| format!("kind:{}", kind.name())).collect::<Vec<_>>();
    let everything = everything.join(" OR ");
    let check = |people: u64| -> Result<String> {
        let files = export(&reading(&store), &everything, || ())?;
        let report = files.check(&key(&store))?;
        assert_eq!((report.faults, report.people, report.named), (0, people, 0));
        assert_eq!(report.proved, reading(&store).count(&everything)?);
        Ok(String::from_utf8_lossy(&files.file).into_owned())
    };
    assert!(check(5).unwrap().contains(r#""author":"kim""#));
    // The agent is erased: her number stays in the customers' records, and nobody says who it is.
    erase(&store, "kim");
    let text = check(4).unwrap();
    assert!(text.contains(r#""author":null"#) && !text.contains("kim"));
}

/// Of each record that was not exported all is known but whether it says yes or no. Nothing that was
/// handed out tells.
#[test]
fn export_nothing_of_others_can_be_guessed() {
    let store = store();
    let files = exported(&store, "subject:anna");
    let (mut salts, mut hashes, mut shown) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for line in records(&files) {
        match line {
            Line::Person { seq, opening } | Line::Opened { seq, opening } => {
                salts.push(*opening.salt);
                shown.insert(seq);
            }
            Line::Record(record) => {
                salts.push(record.salt);
                hashes.insert(record.leaf);
                shown.insert(record.seq);
            }
            Line::Node(node) => drop(hashes.insert(node)),
            Line::Named { .. } | Line::Shown(_) | Line::Told(_) => {}
        }
    }
    // Hers, the record that says who she is, and nothing else.
    let hers = reading(&store).seqs("subject:anna", Default::default()).unwrap();
    assert_eq!(shown.len(), hers.len() + 1);
    assert!(hers.iter().all(|seq| shown.contains(seq)));
    let mut tried = 0;
    for other in reading(&store).search("-subject:anna", &Default::default()).unwrap() {
        let proof = reading(&store).prove(&other.id, None, None).unwrap().remove(0);
        let record = Stored::decode(&proof.opening.canonical).unwrap();
        assert!(!salts.contains(&*proof.opening.salt));
        for body in ["yes", "no"] {
            let canonical = Stored { body: body.into(), ..record.clone() }.encode();
            assert!(salts.iter().all(|salt| !hashes.contains(&leaf(salt, &canonical))));
            assert!(!hashes.contains(&leaf(&[0; 16], &canonical)));
            tried += 1;
        }
    }
    assert!(tried > 10);
}

/// The key of the log as it was when the export was made is what checks it; a key that came later, or
/// one of the same name, does not.
#[test]
fn export_by_another_key_is_refused() {
    let (one, two) = (store(), store());
    let files = exported(&one, "*");
    assert!(files.check(&key(&two)).is_err());
    let text = String::from_utf8(files.manifest.clone()).unwrap();
    let renamed = text.replace(key(&one).name(), key(&two).name());
    assert!(Files { manifest: renamed.into_bytes(), ..files }.check(&key(&two)).is_err());
}
