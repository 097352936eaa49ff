//! Exports are whole files that an import reads again.

use crate::support::Sandbox;
use serde_json::{Value, json};

#[test]
fn an_export_is_imported_again() {
    let sandbox = Sandbox::with_sample();
    let run = sandbox.run("--json export --query * --format jsonl --output out.jsonl").ok();
    assert_eq!(run.lines()[0]["count"], 4);
    let text = sandbox.read("out.jsonl");
    let times: Vec<String> = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["time"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted() && times.len() == 4);
    let manifest: Value = serde_json::from_str(&sandbox.read("out.jsonl.manifest.json")).unwrap();
    assert_eq!((&manifest["count"], &manifest["signed"]), (&json!(4), &json!(true)));
    assert_eq!(manifest["bytes"], text.len());
    assert_eq!(manifest["sha256"].as_str().unwrap().len(), 64);

    sandbox.args(&["--store", "t", "init"], "").ok();
    let run = sandbox.args(&["--store", "t", "--json", "import", "--format", "jsonl", "out.jsonl"], "").ok();
    assert_eq!(run.lines(), [json!({"imported": 4, "duplicates": 0, "rejected": 0})]);
    sandbox.args(&["--store", "t", "export", "--query", "*", "--output", "again.jsonl"], "").ok();
    assert_eq!(sandbox.read("again.jsonl"), text);
}

#[test]
fn a_person_gets_everything_and_nothing_else() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("export --subject bob@example.org --output bob.jsonl").ok();
    let text = sandbox.read("bob.jsonl");
    let ids: Vec<String> = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["m3", "m4", "r1"]);
    assert!(!text.contains("anna"));
    sandbox.run("export --conversation c1 --output c1.jsonl").ok();
    assert_eq!(sandbox.read("c1.jsonl").lines().count(), 2);
}

#[test]
fn only_the_owner_reads_an_export_and_no_part_is_left() {
    let sandbox = Sandbox::with_sample();
    sandbox.write("out.jsonl", "old");
    sandbox.run("export --query nonsense:x --output out.jsonl").exits(2);
    assert_eq!(sandbox.read("out.jsonl"), "old");
    sandbox.run("export --query * --output out.jsonl").ok();
    let names: Vec<String> = std::fs::read_dir(&sandbox.folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.contains("part"))
        .collect();
    assert_eq!(names, [""; 0]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(sandbox.folder.join("out.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn clear_text_stays_out_of_the_store() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("export --query * --output s/out.jsonl").exits(2);
    assert!(!sandbox.has("s/out.jsonl"));
    #[cfg(unix)]
    sandbox.run("export --query * --output /dev/null").exits(2);
}
