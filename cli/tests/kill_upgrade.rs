//! An upgrade is killed at random moments and started again: the store opens after each kill and answers
//! as before, words are refused or found as a whole, and the next upgrade finishes.
//!
//! A few rounds with every test run; 200 with `ESCROW_TEST=full`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use support::Sandbox;

/// What is asked for, with and without words.
const QUERIES: [&str; 9] = [
    "parcel",
    "\"my parcel has\"",
    "\"parcel my\"",
    "parc*",
    "percel~1",
    "line NOT parcel",
    "\"東京の\"",
    "late",
    "-parcel",
];
const OTHERS: [&str; 4] = ["*", "tag:all", "kind:erased", "author:late@example.org"];
/// Somebody of the fixture.
const PERSON: &str = "مريم";

/// A store of format 1 in several segments, with a few records in its journal.
fn old_store() -> Sandbox {
    let sandbox = Sandbox::with_format_1();
    let late = |n: usize| {
        let (id, time) = (format!("late{n}"), format!("2026-06-{:02}T00:00:00Z", n + 1));
        let body = format!("a late parcel, the {n}th line");
        json!({"id": id, "conversation": "late", "author": "late@example.org", "time": time, "body": body})
            .to_string()
    };
    for n in 0..4 {
        sandbox.run_with("add", late(n)).ok();
        if n < 3 {
            sandbox.run("roll").ok();
        }
    }
    sandbox
}

/// A copy of it, with its slot.
fn copy_of(sandbox: &Sandbox) -> Sandbox {
    let copy = Sandbox::new();
    for (path, bytes) in support::files(&sandbox.folder) {
        let to = copy.folder.join(path.strip_prefix(&sandbox.folder).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    copy
}

fn answers(sandbox: &Sandbox, queries: &[&str]) -> Vec<u64> {
    queries
        .iter()
        .map(|query| {
            sandbox.args(&["--store", "s", "--json", "count", "--", query], "").ok().lines()[0]["count"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

fn export(sandbox: &Sandbox) -> String {
    sandbox.run("export --query * --output out.jsonl").ok();
    let lines = sandbox.read("out.jsonl");
    std::fs::remove_file(sandbox.folder.join("out.jsonl")).unwrap();
    lines
}

/// Versions of the indexes in the folder; a file that a kill left without its first bytes has none.
fn versions(sandbox: &Sandbox) -> Vec<u8> {
    let files = support::files(&sandbox.folder.join("s"));
    let indexes = files.into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "idx"));
    indexes.filter_map(|(_, bytes)| bytes.get(4).copied()).collect()
}

#[test]
fn a_killed_upgrade_is_finished_by_the_next() {
    let full = std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full");
    let rounds = if full { 200 } else { 10 };
    let old_one = old_store();
    let wanted = copy_of(&old_one);
    let (others, all) = (answers(&wanted, &OTHERS), export(&wanted));
    let upgrade = |sandbox: &Sandbox| {
        let started = Instant::now();
        sandbox.run("upgrade").ok();
        u64::try_from(started.elapsed().as_micros()).unwrap()
    };
    // The first one may have to wait for the program to be read.
    let whole = upgrade(&wanted).min(upgrade(&copy_of(&old_one)));
    let found = answers(&wanted, &QUERIES);
    assert!(found[0] > 50 && found[7] == 4 && export(&wanted) == all);
    wanted.run(&format!("erase --subject {PERSON} --yes")).ok();
    let found_without = answers(&wanted, &QUERIES);
    assert_ne!(found, found_without);

    // Any moment will do: what a round may find doesn't depend on it.
    let mut random: u64 =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into();
    let (mut killed, mut old, mut part, mut done) = (0, 0, 0, 0);
    for round in 0.. {
        if round >= rounds && (part > 0 && killed > 2 || round >= 60 + rounds) {
            break;
        }
        let sandbox = copy_of(&old_one);
        // The second kill meets what the first one left.
        for _ in 0..1 + round % 2 {
            let mut child = sandbox.command(&["--store", "s", "upgrade"]).spawn().unwrap();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let wait = Duration::from_micros((random >> 33) % whole);
            let until = Instant::now() + wait;
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
            let _ = child.kill();
            killed += usize::from(child.wait_with_output().unwrap().status.code().is_none());
        }
        let told = format!("round {round}, {:?}", versions(&sandbox));
        assert_eq!(answers(&sandbox, &OTHERS), others, "{told}");
        assert_eq!(export(&sandbox), all, "{told}");
        let asked = sandbox.run("--json count parcel");
        match asked.code {
            0 => {
                done += 1;
                assert_eq!(answers(&sandbox, &QUERIES), found, "{told}");
            }
            _ => {
                let refused = asked.exits(1);
                assert_eq!(refused.error()["kind"], "unsupported", "{told}");
                for query in QUERIES {
                    sandbox.args(&["--store", "s", "count", "--", query], "").exits(1);
                }
                // What is opened is of one format or on its way to the other, and nothing lies beside it.
                let versions = versions(&sandbox);
                old += usize::from(versions.iter().all(|v| *v == 1));
                part += usize::from(versions.contains(&2));
            }
        }
        let erased = round % 3 == 0;
        if erased {
            sandbox.run(&format!("erase --subject {PERSON} --yes")).ok();
        }
        let line = sandbox.run("--json upgrade").ok().lines().remove(0);
        assert_eq!((&line["format"], &line["damaged"]), (&json!(4), &json!(0)), "{told}");
        assert!(versions(&sandbox).iter().all(|v| *v == 2), "{told}");
        assert_eq!(
            answers(&sandbox, &QUERIES),
            if erased { found_without.clone() } else { found.clone() },
            "{told}"
        );
        assert_eq!(sandbox.run("upgrade").ok().out, "format 4: nothing to do\n");
        let report: Value = sandbox.run("--json verify --read-data").ok().lines().remove(0);
        assert_eq!(report["damage"], json!([]), "{told}");
    }
    assert!(killed > 2, "only {killed} were killed in time");
    assert!(
        part > 0,
        "{killed} were killed: {old} of the old format, {part} on the way, {done} of the new one"
    );
}
