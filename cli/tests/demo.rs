//! The demo proves what it says, in few lines and little time.

mod support;

use support::Sandbox;

#[test]
fn the_demo_proves_itself() {
    let sandbox = Sandbox::new();
    let started = std::time::Instant::now();
    let run = sandbox.args(&["demo", "--dir", "d"], "").ok();
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert!(run.out.lines().count() <= 66, "{}", run.out);
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

/// A line without what differs from run to run: where it was, random names, times, how many bytes.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    // A key may have any of these.
    let line = line.split_once("--key ").map_or(line, |(before, _)| before);
    for word in line.split_inclusive([' ', '/', '+', ':']) {
        let (text, end) = word.split_at(word.trim_end_matches([' ', '/', '+', ':']).len());
        let is_random =
            text.len() > 20 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=-".contains(&b));
        shape += if is_random || text.bytes().any(|b| b.is_ascii_digit()) { "#" } else { text };
        shape += end;
    }
    shape
}

#[test]
fn the_readme_shows_what_the_demo_says() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap_or_default();
    let shown: Vec<&str> = readme
        .lines()
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    let sandbox = Sandbox::new();
    let run = sandbox.args(&["demo", "--dir", "D"], "").ok();
    let said: Vec<&str> = run.out.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(shown.len(), said.len(), "{}", run.out);
    for (shown, said) in shown.iter().zip(said) {
        assert_eq!(shape(shown), shape(said));
    }
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
