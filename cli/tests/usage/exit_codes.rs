//! Exit codes other than usage.

use crate::support::Sandbox;

#[test]
fn init_refuses_a_folder_with_something_in_it() {
    let sandbox = Sandbox::with_store();
    sandbox.run("init").exits(1);
    std::fs::create_dir(sandbox.folder.join("s2")).unwrap();
    sandbox.write("s2/photo.jpg", "x");
    sandbox.args(&["--store", "s2", "init"], "").exits(1);
    std::fs::create_dir(sandbox.folder.join("s3")).unwrap();
    sandbox
        .args(&["--store", "s3", "init", "--preset", "room", "--region", "eu", "--origin", "a.example/b"], "")
        .ok();
    assert!(sandbox.has("s.slot") && sandbox.has("s3.slot"));
    assert!(!sandbox.has("s/s.slot"));
}

#[test]
fn no_store_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.run("count *").exits(1);
    assert!(!sandbox.has("s"), "reading must not make a store");
    std::fs::create_dir(sandbox.folder.join("s")).unwrap();
    sandbox.write("s/photo.jpg", "x");
    sandbox.run("count *").exits(1);
}

#[test]
fn a_missing_or_foreign_key_exits_with_5() {
    let sandbox = Sandbox::with_sample();
    std::fs::rename(sandbox.folder.join("s.slot"), sandbox.folder.join("elsewhere")).unwrap();
    let run = sandbox.run("--json count *").exits(5);
    assert_eq!(run.error()["kind"], "wrong_key");
    assert_eq!(sandbox.run("--slot file:elsewhere --json count *").ok().out, "{\"count\":4}\n");
    sandbox.args(&["--store", "t", "init"], "").ok();
    sandbox.run("--slot file:t.slot count *").exits(5);
}

#[test]
fn a_store_in_use_exits_with_4() {
    let sandbox = Sandbox::with_store();
    // An import that waits for its input has the store open. One that met a look at the store
    // ends with 4 itself, and another takes its place.
    let import = || sandbox.command(&["--store", "s", "import", "--format", "jsonl", "-"]).spawn().unwrap();
    let mut child = import();
    let mut code = 0;
    for _ in 0..200 {
        code = sandbox.run("stats").code;
        if code == 4 {
            break;
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(4));
            child = import();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(code, 4);
    sandbox.run("stats").ok();
}

#[test]
fn unknown_things_exit_with_3() {
    let sandbox = Sandbox::with_sample();
    for line in [
        "get unknown",
        "get m1 --conversation c2",
        "conversation unknown",
        "subject show unknown",
        "erase --subject unknown --plan",
        "erase --subject unknown --yes",
        "erase --conversation unknown --yes",
        "erase --record unknown --yes",
        "redact unknown --word w --plan",
        "redact unknown --word w --yes",
        "export --subject unknown --output f.jsonl",
        "export --conversation unknown --output f.jsonl",
    ] {
        let run = sandbox.run(&format!("--json {line}")).exits(3);
        assert_eq!(run.error()["kind"], "not_found", "{line}");
    }
    assert!(!sandbox.has("f.jsonl"));
}

#[test]
fn nothing_found_is_no_error() {
    let sandbox = Sandbox::with_sample();
    for line in [
        "search tag:nobody",
        "count author:nobody",
        "facet tag:nobody --by tag",
        "histogram tag:nobody --per day",
    ] {
        sandbox.run(line).ok();
        sandbox.run(&format!("--json {line}")).ok();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::with_store();
    let mut lines = String::new();
    for n in 0..3000 {
        lines += &format!(
            "{{\"id\":\"m{n}\",\"conversation\":\"c\",\"author\":\"a\",\"time\":\"2026-01-01T00:00:00Z\",\"body\":\"{}\"}}\n",
            "x".repeat(100)
        );
    }
    sandbox.run_with("import --format jsonl -", &lines).ok();
    let mut child = sandbox.command(&["--store", "s", "--json", "search", "*"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn damage_exits_with_6() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    for name in ["keyring.a", "keyring.b"] {
        let path = sandbox.folder.join("s").join(name);
        let len = std::fs::metadata(&path).unwrap().len();
        std::fs::write(&path, vec![0x5a; usize::try_from(len).unwrap()]).unwrap();
    }
    let run = sandbox.run("--json verify").exits(6);
    assert_eq!(run.error()["kind"], "corrupt");
}
