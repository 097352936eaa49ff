//! An import is killed at random moments and started again: whole batches are there after each
//! kill, none twice, and in the end everything stands as if nothing had happened.
//!
//! A few rounds with every test run; 150 with `ESCROW_TEST=full`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod support;

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use support::Sandbox;

/// More than 16 MiB, so that the import notes how far it came.
const LINES: usize = 80_000;
/// Records of a batch.
const BATCH: u64 = 1000;

fn line(n: usize) -> String {
    // Ids are good for one conversation only, and times repeat.
    json!({
        "id": format!("m{}", n / 40),
        "conversation": format!("c{}", n % 40),
        "author": format!("p{}@example.org", n % 61),
        "time": format!("2026-01-{:02}T00:00:00Z", 1 + n % 28),
        "tags": [format!("n:{}", n % 5)],
        "body": format!("{n} {}", "x".repeat(90 + n % 7)),
    })
    .to_string()
}

#[test]
fn a_killed_import_is_resumed_without_loss_or_double() {
    let full = std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full");
    let rounds = if full { 150 } else { 7 };
    let sandbox = Sandbox::with_store();
    let text: String = (0..LINES).map(|n| line(n) + "\n").collect();
    assert!(text.len() > 16 << 20, "{}", text.len());
    sandbox.write("in.jsonl", &text);
    // Any moment will do: what a round may find doesn't depend on it.
    let mut random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into();
    let mut before = 0;
    // How long it takes when nobody kills it.
    sandbox.args(&["--store", "t", "init"], "").ok();
    let started = Instant::now();
    sandbox.args(&["--store", "t", "import", "in.jsonl"], "").ok();
    let whole = u64::try_from(started.elapsed().as_millis()).unwrap();
    let (mut killed, mut resumed) = (0, 0);
    for round in 0.. {
        if round >= rounds && (resumed > 0 || round >= 40 + rounds) {
            break;
        }
        let mut child = sandbox.command(&["--store", "s", "import", "in.jsonl"]).spawn().unwrap();
        random = u64::wrapping_mul(random, 6_364_136_223_846_793_005).wrapping_add(1);
        // Some kills while the store is opened, most while records go in, many behind the first note.
        let (from, to) = [(0, 40), (0, whole), (whole * 6 / 10, whole)][round % 3];
        let wait = Duration::from_millis(from + (random >> 33) % (to - from + 1));
        let until = Instant::now() + wait;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        killed += usize::from(output.status.code().is_none());
        resumed += usize::from(String::from_utf8_lossy(&output.stderr).contains("goes on behind line"));
        let told = format!("round {round}, killed after {wait:?}, {before} records before");
        let there = sandbox.count("*");
        assert!(there >= before, "{told}: {there} are left");
        assert!(there.is_multiple_of(BATCH), "{told}: {there} are no whole batches");
        before = there;
        if output.status.success() && resumed == 0 {
            // Too late: this one is done, and its note is gone. Another one.
            std::fs::remove_dir_all(sandbox.folder.join("s")).unwrap();
            std::fs::remove_file(sandbox.folder.join("s.slot")).unwrap();
            sandbox.run("init").ok();
            before = 0;
        }
        if full || round % 3 == 2 {
            let report = sandbox.run("--json verify --read-data").ok();
            assert_eq!(report.lines()[0]["damage"], json!([]), "{told}");
        }
    }
    assert!(killed > 0 && resumed > 0, "{killed} were killed in time, {resumed} went on behind a note");
    let answer = &sandbox.run("--json import in.jsonl").ok().lines()[0];
    let sum = answer["imported"].as_u64().unwrap() + answer["duplicates"].as_u64().unwrap();
    assert_eq!((sum, &answer["rejected"]), (LINES as u64, &json!(0)), "{killed} kills, {resumed} resumed");
    assert_eq!(sandbox.count("*"), LINES as u64);

    sandbox.run("export --query * --output out.jsonl").ok();
    let mut want: Vec<Value> = (0..LINES).map(|n| serde_json::from_str(&line(n)).unwrap()).collect();
    want.sort_by(|a, b| a["time"].as_str().cmp(&b["time"].as_str()));
    let out = sandbox.read("out.jsonl");
    assert_eq!(out.lines().count(), LINES);
    for (line, want) in out.lines().zip(&want) {
        let record: Value = serde_json::from_str(line).unwrap();
        for (field, value) in want.as_object().unwrap() {
            assert_eq!(&record[field], value, "{field}");
        }
    }
    let report = sandbox.run("--json verify --read-data").ok();
    assert_eq!(report.lines()[0]["damage"], json!([]));
}
