//! Options that name a file to write were believed: `export --output s.slot`, `import --rejects
//! s/HEAD`, `erase --certificate s.slot` and `man --dir s` replaced the store's only key or its
//! head, and ended with 0. Each is refused before anything is done, by whatever name the file is
//! called, and every byte stays as it was.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Sandbox, files};

/// The verbs that write a file, up to its name.
const VERBS: [&str; 7] = [
    "export --query * --output",
    "export --subject bob@example.org --format csv --output",
    "import in.jsonl --rejects",
    "import in.jsonl --dry-run --rejects",
    "erase --subject bob@example.org --yes --certificate",
    "redact m2 --span 0..1 --yes --certificate",
    "man --dir",
];

/// A store, another one, and names that lead into them.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_sample();
    sandbox.args(&["--store", "t", "init"], "").ok();
    let good = r#"{"conversation":"c","author":"new","time":"2026-01-01T00:00:00Z","body":""}"#;
    sandbox.write("in.jsonl", format!("{good}\n{{\"not a record\":1}}\n"));
    let at = |name: &str| sandbox.folder.join(name);
    symlink("s.slot", at("to_slot")).unwrap();
    symlink("s", at("to_folder")).unwrap();
    symlink("s/HEAD", at("to_head")).unwrap();
    fs::hard_link(at("s.slot"), at("same_slot")).unwrap();
    fs::create_dir(at("other")).unwrap();
    symlink("../s/keyring.a", at("other/to_keyring")).unwrap();
    sandbox
}

#[track_caller]
fn refused(sandbox: &Sandbox, line: &str) {
    let before = files(&sandbox.folder);
    let words: Vec<&str> = line.split(' ').collect();
    let run = sandbox.args(&words, "").exits(2);
    let error = run.error();
    assert_eq!(error["kind"], "usage", "{line}: {error}");
    assert!(error["hint"].as_str().unwrap().starts_with("choose another"), "{line}: {error}");
    assert_eq!(run.out, "", "{line}");
    assert!(files(&sandbox.folder) == before, "{line}: something changed");
}

#[test]
fn no_output_replaces_the_slot_or_lies_in_the_store() {
    let sandbox = sandbox();
    let absolute = sandbox.folder.join("s/HEAD").display().to_string();
    for verb in VERBS.iter().filter(|verb| !verb.starts_with("man")) {
        for file in [
            "s.slot",
            "./other/../s.slot",
            "to_slot",
            "same_slot",
            "s/HEAD",
            "s/new",
            "s/deep/new",
            "to_folder/keyring.a",
            "to_head",
            "other/to_keyring",
            "t.slot",
            "t/HEAD",
            &absolute,
        ] {
            refused(&sandbox, &format!("--store s --json {verb} {file}"));
        }
    }
    for folder in ["s", "s/man", "s/not/there", "to_folder", "to_folder/man", "./other/../s"] {
        refused(&sandbox, &format!("--store s --json man --dir {folder}"));
        refused(&sandbox, &format!("--store s --json demo --dir {folder}/new"));
    }
    // Nothing was erased or imported on the way.
    assert_eq!(sandbox.count("*"), 4);
}

/// The manifest has a name of its own, made by the program.
#[test]
fn no_manifest_replaces_the_slot() {
    let sandbox = sandbox();
    fs::rename(sandbox.folder.join("s.slot"), sandbox.folder.join("o.manifest.json")).unwrap();
    refused(&sandbox, "--store s --slot file:o.manifest.json --json export --query * --output o");
    let verbs = VERBS.iter().filter(|verb| !verb.starts_with("man"));
    for verb in verbs {
        refused(&sandbox, &format!("--store s --slot file:o.manifest.json --json {verb} o.manifest.json"));
    }
    fs::rename(sandbox.folder.join("o.manifest.json"), sandbox.folder.join("other/escrow-init.1")).unwrap();
    refused(&sandbox, "--store s --slot file:other/escrow-init.1 --json man --dir other");
}

/// A slot is known by its bytes if no store is named.
#[test]
fn no_output_replaces_a_slot_nobody_named() {
    let sandbox = sandbox();
    for file in ["s.slot", "to_slot", "s/HEAD"] {
        refused(&sandbox, &format!("--json import in.jsonl --dry-run --rejects {file}"));
    }
    fs::rename(sandbox.folder.join("s.slot"), sandbox.folder.join("other/escrow.1")).unwrap();
    refused(&sandbox, "--json man --dir other");
}

/// The names around a store stay free, and an output replaces what is no key.
#[test]
fn everything_else_may_be_written() {
    let sandbox = sandbox();
    for file in ["s.slots", "s.txt", "other/HEAD", "other/s.slot", "in.old"] {
        sandbox.write(file, "old");
        for verb in &VERBS[..4] {
            sandbox.run(&format!("{verb} {file}")).ok();
            assert_ne!(sandbox.read(file), "old", "{verb} {file}");
        }
    }
    sandbox.run("man --dir new/man").ok();
    assert!(sandbox.has("new/man/escrow.1"));
    let run = sandbox.run("--json man --dir missing/../new").exits(2);
    assert_eq!(run.error()["kind"], "usage");
    assert!(!sandbox.has("missing"));
}

/// A folder in the place of the manifest was met only when the export had taken the place of the
/// older one already. Both places are looked at first, and both files get their names last.
#[test]
fn an_export_is_written_with_its_manifest_or_not_at_all() {
    let sandbox = Sandbox::with_sample();
    fs::create_dir(sandbox.folder.join("o.manifest.json")).unwrap();
    sandbox.write("o", "the last export");
    // That somebody wanted an export is recorded, whatever became of it.
    let outside = || {
        let mut all = files(&sandbox.folder);
        all.retain(|path, _| !path.starts_with(sandbox.folder.join("s")));
        all
    };
    let before = outside();
    for format in ["jsonl", "html", "csv"] {
        let run = sandbox.run(&format!("--json export --query * --format {format} --output o")).exits(2);
        assert_eq!(run.error()["kind"], "usage");
        assert!(outside() == before, "{format}");
    }
}
