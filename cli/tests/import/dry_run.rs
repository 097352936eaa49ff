//! A dry run says what the real one would say, line by line, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support::Sandbox;
use serde_json::{Value, json};

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

/// Few ids and few texts, so that duplicates and conflicts are many, and several batches.
fn input(seed: u64, lines: usize) -> String {
    let mut rng = Numbers(seed);
    let mut text = String::new();
    for _ in 0..lines {
        let mut record = json!({
            "conversation": format!("c{}", rng.below(40)),
            "author": format!("a{}@example.org", rng.below(6)),
            "time": format!("2026-01-0{}T00:00:00Z", 1 + rng.below(2)),
            "body": if rng.below(8) == 0 { "other" } else { "same" },
        });
        if rng.below(20) > 0 {
            record["id"] = json!(format!("m{}", rng.below(12)));
        }
        match rng.below(4) {
            0 => record["subjects"] = json!([format!("a{}@example.org", rng.below(6))]),
            1 => record["subjects"] = json!(["a1@example.org", format!("a{}@example.org", rng.below(6))]),
            _ => {}
        }
        if rng.below(9) == 0 {
            record["participants"] = json!([format!("a{}@example.org", rng.below(9))]);
        }
        if rng.below(50) == 0 {
            record["kind"] = json!("reaction");
        }
        text += &record.to_string();
        text += if rng.below(100) == 0 { "x\n" } else { "\n" };
    }
    text
}

/// What stands in the store. The lock and the room that is kept for erasures hold nothing.
fn files(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let in_folder = |name: &str| std::fs::read_dir(sandbox.folder.join(name)).unwrap();
    let all = in_folder("s").chain(in_folder("s/log")).map(|e| e.unwrap().path());
    all.filter(|p| p.is_file() && !p.ends_with("LOCK") && !p.ends_with("RESERVE"))
        .map(|p| (p.clone(), std::fs::read(p).unwrap()))
        .collect()
}

/// The answer and the rejected lines.
fn answer(sandbox: &Sandbox, flags: &str) -> (Value, Vec<String>) {
    let run = sandbox.run(&format!("--json import in.jsonl --rejects bad.jsonl{flags}")).ok();
    let mut counts = run.lines().remove(0);
    let dry = counts.as_object_mut().unwrap().remove("dry_run");
    assert_eq!(dry.is_some(), !flags.is_empty());
    (counts, sandbox.read("bad.jsonl").lines().map(str::to_owned).collect())
}

#[test]
fn a_dry_run_answers_as_the_real_one() {
    for (seed, preset) in (1..).zip(["customer", "peer", "room", "customer"]) {
        let sandbox = Sandbox::new();
        sandbox.run(&format!("init --preset {preset}")).ok();
        for part in 0..3 {
            sandbox.write("in.jsonl", input(10 * seed + part, 2600));
            let before = files(&sandbox);
            let dry = answer(&sandbox, " --dry-run");
            assert!(files(&sandbox) == before, "a dry run changed something");
            let real = answer(&sandbox, "");
            assert_eq!(dry, real, "{preset}, part {part}");
            assert!(real.0["duplicates"].as_u64().unwrap() > 20 && real.1.len() > 100, "{}", real.0);
            // What is behind a roll and an erasure counts the same.
            sandbox.run("roll").ok();
            sandbox.run(&format!("erase --subject a{part}@example.org --yes")).ok();
        }
    }
}

#[test]
fn without_a_store_it_is_a_new_one() {
    let sandbox = Sandbox::new();
    sandbox.write("in.jsonl", input(7, 300));
    let args = ["--json", "import", "in.jsonl", "--rejects", "bad.jsonl", "--dry-run"];
    let nowhere = sandbox.args(&args, "").ok();
    assert!(nowhere.err.contains("no store"), "{}", nowhere.err);
    let missing = sandbox.args(&[&["--store", "s"], &args[..]].concat(), "").ok();
    assert_eq!((nowhere.out.as_str(), missing.err), (missing.out.as_str(), nowhere.err));
    assert!(!sandbox.has("s") && !sandbox.has("s.slot"));
    sandbox.run("init").ok();
    assert_eq!(answer(&sandbox, " --dry-run").0, answer(&sandbox, "").0);
    // A folder that is there must be a store.
    std::fs::create_dir(sandbox.folder.join("foreign")).unwrap();
    sandbox.args(&[&["--store", "foreign"], &args[..]].concat(), "").exits(1);
    // Rejects without a file for them fail, and say that nothing happened.
    sandbox.write("in.jsonl", "{}\n");
    let run = sandbox.run("--json import in.jsonl --dry-run").exits(1);
    assert_eq!(run.error()["message"], "1 line would be rejected; nothing was changed");
}
