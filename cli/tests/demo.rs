//! The demo proves what it says, in few lines and little time.

mod support;

use support::Sandbox;

#[test]
fn the_demo_proves_itself() {
    let sandbox = Sandbox::new();
    let started = std::time::Instant::now();
    let run = sandbox.args(&["demo", "--dir", "d"], "").ok();
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert!(run.out.lines().count() <= 60, "{}", run.out);
    assert!(run.out.contains(" before, 0 after"), "{}", run.out);
    for name in ["d/store", "d/store.slot", "d/copy", "d/marie.jsonl", "d/certificate.json", "d/elsewhere"] {
        assert!(sandbox.has(name), "{name}");
    }
    assert!(run.out.contains("proved: the log escrowdb.local/"), "{}", run.out);
    let count = sandbox.args(&["--store", "d/store", "--json", "count", "*"], "").ok();
    assert!(count.lines()[0]["count"].as_u64().unwrap() > 200);
    // What was handed to her stays true without the store, and without her in it.
    let key = sandbox.args(&["--store", "d/store", "--json", "key", "public"], "").ok().lines()[0].clone();
    let check = ["verify-export", "d/marie.jsonl", "--key", key["key"].as_str().unwrap_or_default()];
    assert!(sandbox.args(&check, "").ok().out.contains("proved: 24 of 24 lines"));
    sandbox.args(&["demo", "--dir", "d"], "").exits(1);
}

#[test]
fn the_demo_speaks_json() {
    let sandbox = Sandbox::new();
    let run = sandbox.args(&["--json", "demo", "--dir", "d"], "").ok();
    let verdict = &run.lines()[0];
    assert_eq!(run.lines().len(), 1);
    assert_eq!(verdict["proved"], true);
    assert_eq!(verdict["opened_after"], 0);
    assert_eq!(verdict["opened_in_copy"], 0);
    assert_eq!(verdict["words_found"], 0);
    assert_eq!(verdict["opened_before"], verdict["sealed_objects"]);
}
