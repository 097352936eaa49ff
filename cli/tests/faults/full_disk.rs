//! A disk that is full at every write of a command, one page further each time: the command says
//! so and ends with 1, what was acknowledged stays, nothing is half done, and with room the same
//! command goes through. And a disk that can't be written at all.
//!
//! Needs a disk of its own: a tmpfs in a namespace of mounts. Without the right to make one, these
//! tests say that they are left out.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::process::Command;

use crate::support::{SAMPLE, Sandbox};
use serde_json::Value;

/// Pages that are free when the command runs: each, or in the gate some of them.
fn free_pages() -> impl Iterator<Item = u32> {
    let full = std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full");
    (0u32..4096)
        .filter(move |n| full || *n < 6 || n.is_power_of_two() || (n % 3 == 0 && (n / 3).is_power_of_two()))
}

/// Runs a script with a small disk, holding what lies in `base`, at `disk`. `$E` is the program.
/// `None` if that isn't possible here.
fn with_disk(sandbox: &Sandbox, script: &str) -> Option<()> {
    let script = format!(
        "set -u; mount -t tmpfs -o size=256m none disk && cp -r base/. disk/ && cd disk && touch ../ran && {script}"
    );
    let flags = if user_is_root() { "-m" } else { "-rm" };
    let escrow = sandbox.command(&[]).get_program().to_owned();
    std::fs::create_dir_all(sandbox.folder.join("disk")).unwrap();
    let _ = std::fs::remove_file(sandbox.folder.join("ran"));
    let output = Command::new("unshare")
        .args([flags, "sh", "-c", &script])
        .env("E", escrow)
        .current_dir(&sandbox.folder)
        .output();
    if !sandbox.has("ran") {
        note(&format!("left out: no disk of its own for this test: {output:?}"));
        return None;
    }
    Some(())
}

fn user_is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

#[allow(clippy::print_stderr, reason = "what is left out says so")]
fn note(text: &str) {
    eprintln!("{text}");
}

/// A sandbox whose folder `base` holds a store that was used: a segment, a rewritten index, a
/// journal.
fn base() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.folder.join("base")).unwrap();
    let run = |line: &str, stdin: &str| {
        let words: Vec<&str> = ["--store", "base/s"].into_iter().chain(line.split(' ')).collect();
        sandbox.args(&words, stdin).ok();
    };
    run("init", "");
    run("import -", SAMPLE);
    run("roll", "");
    run("erase --record m4 --yes", "");
    run("import -", &lines("first", 20));
    sandbox.write("base/more.jsonl", lines("more", 2500));
    sandbox
}

fn lines(name: &str, count: usize) -> String {
    let line = |n| {
        format!(
            r#"{{"id":"{name}{n}","conversation":"{name}","author":"carl@example.org","time":"2026-03-01T00:00:00Z","body":"some text {n}"}}"#
        ) + "\n"
    };
    (0..count).map(line).collect()
}

/// How it ended and what was counted with room.
struct Ending {
    code: i32,
    error: Option<Value>,
    out: String,
    /// Records, before the command was repeated and after.
    counts: [u64; 2],
    files: String,
}

/// Runs a command on a disk with `pages` free, then verifies and counts with room, repeats the
/// command, and counts again.
fn try_with(sandbox: &Sandbox, pages: u32, command: &str) -> Option<Ending> {
    let count = r#""$E" --store s --json count '*'"#;
    with_disk(
        sandbox,
        &format!(
            r#"used=$(df -k --output=used . | tail -1)
            mount -o remount,size=$((used + 4 * {pages}))k .
            "$E" --store s --json {command} > ../out 2> ../err; echo $? > ../code
            ls -A > ../files
            mount -o remount,size=256m .
            "$E" --store s --json verify --read-data > ../verified 2>&1; echo $? >> ../code
            {count} > ../count 2>&1
            "$E" --store s --json {command} > ../again 2>&1; echo $? >> ../code
            {count} >> ../count 2>&1
            "$E" --store s --json verify --read-data >> ../verified 2>&1; echo $? >> ../code"#
        ),
    )?;
    let read = |name: &str| sandbox.read(name);
    let codes: Vec<i32> = read("code").lines().map(|l| l.parse().unwrap()).collect();
    let told = || format!("{command}, {pages} pages: {} {} {}", read("err"), read("verified"), read("again"));
    // A repeated erasure finds nothing.
    assert!(matches!(codes[..], [_, 0, 0 | 3, 0]), "{codes:?} {}", told());
    let counts: Vec<u64> = read("count")
        .lines()
        .map(|l| {
            serde_json::from_str::<Value>(l).unwrap_or_else(|e| panic!("{e}: {l} {}", told()))["count"]
                .as_u64()
                .unwrap()
        })
        .collect();
    let error = (codes[0] != 0).then(|| {
        let err = read("err");
        let line = err.lines().last().unwrap_or_else(|| panic!("nothing was said: {}", told()));
        serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {}", told()))["error"].clone()
    });
    Some(Ending {
        code: codes[0],
        error,
        out: read("out"),
        counts: [counts[0], counts[1]],
        files: read("files"),
    })
}

/// Runs a command with ever more room until it goes through; `check` looks at every ending.
fn until_it_fits(sandbox: &Sandbox, command: &str, check: impl Fn(&Ending, u32)) {
    for (failures, pages) in free_pages().enumerate() {
        let Some(ending) = try_with(sandbox, pages, command) else { return };
        check(&ending, pages);
        if ending.code == 0 {
            assert!(failures > 0, "{command} never met a full disk");
            return;
        }
        assert_eq!(ending.code, 1, "{command}, {pages} pages: {:?}", ending.error);
        let error = ending.error.unwrap();
        assert_eq!(error["kind"], "no_space", "{command}, {pages} pages: {error}");
        assert!(error["hint"].is_string(), "{error}");
    }
    panic!("{command} never fitted");
}

#[test]
fn an_import_takes_whole_batches_and_goes_on() {
    until_it_fits(&base(), "import more.jsonl", |ending, pages| {
        let told = format!("{pages} pages: {:?} {:?}", ending.counts, ending.error);
        // 3 and 20 were there; a batch has 1,000.
        assert!([23, 1023, 2023, 2523].contains(&ending.counts[0]), "{told}");
        assert_eq!(ending.counts[1], 2523, "{told}");
        assert!(ending.code != 0 || ending.counts[0] == 2523, "{told}");
    });
}

#[test]
fn an_erasure_is_whole_or_goes_on_when_there_is_room() {
    let certificate = |out: &str| out.contains("\"type\":\"escrowdb/erasure-certificate/v2\"");
    let command = "erase --subject carl@example.org --yes --certificate c.json";
    let sandbox = base();
    // Room for it is kept in the store: on a disk without a free page it goes through.
    let Some(ending) = try_with(&sandbox, 0, command) else { return };
    assert!(ending.code == 0 && ending.files.contains("c.json"), "{:?}", ending.error);
    assert_eq!(ending.counts, [3, 3]);
    // And where nothing was kept?
    std::fs::remove_file(sandbox.folder.join("base/s/RESERVE")).unwrap();
    until_it_fits(&sandbox, command, |ending, pages| {
        let told = format!("{pages} pages: {:?} {:?} {}", ending.counts, ending.error, ending.files);
        // An accepted one is finished by the next opening.
        assert!([23, 3].contains(&ending.counts[0]), "{told}");
        assert_eq!(ending.counts[1], 3, "{told}");
        assert!(!certificate(&ending.out) || ending.counts[0] == 3, "acknowledged: {told}");
        assert!(ending.code != 0 || ending.files.contains("c.json"), "{told}");
        assert!(!ending.files.contains(".part"), "{told}");
    });
}

#[test]
fn an_export_is_whole_or_absent() {
    let sandbox = base();
    let args = ["--store", "base/s", "import", "base/more.jsonl"];
    sandbox.args(&args, "").ok();
    until_it_fits(&sandbox, "export --query '*' --output out.jsonl", |ending, pages| {
        let told = format!("{pages} pages: {:?} {}", ending.error, ending.files);
        assert_eq!(ending.counts, [2523, 2523], "{told}");
        let there = |name: &str| ending.files.lines().any(|l| l == name);
        assert!(!ending.files.contains(".part"), "{told}");
        assert_eq!(there("out.jsonl.manifest.json"), ending.code == 0, "{told}");
        assert!(there("out.jsonl") || ending.code != 0, "{told}");
    });
}

/// The file of rejected lines is whole or absent too.
#[test]
fn rejects_are_whole_or_absent() {
    let sandbox = base();
    sandbox.write("base/bad.jsonl", "bad\n".repeat(3000) + &lines("more", 10));
    until_it_fits(&sandbox, "import bad.jsonl --format jsonl --rejects r.jsonl", |ending, pages| {
        let told = format!("{pages} pages: {:?} {}", ending.error, ending.files);
        assert_eq!(ending.files.lines().any(|l| l == "r.jsonl"), ending.code == 0, "{told}");
        assert!(!ending.files.contains(".part"), "{told}");
        assert!([23, 33].contains(&ending.counts[0]) && ending.counts[1] == 33, "{told}");
    });
}

/// What a full disk leaves of an `init` is finished by the next one.
#[test]
fn an_init_is_whole_or_finished_by_the_next() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.folder.join("base")).unwrap();
    sandbox.write("base/in.jsonl", SAMPLE);
    for pages in free_pages() {
        let script = format!(
            r#"used=$(df -k --output=used . | tail -1)
            mount -o remount,size=$((used + 4 * {pages}))k .
            "$E" --store s --json init > ../out 2> ../err; code=$?
            mount -o remount,size=256m .
            test $code = 0 || "$E" --store s init > ../again 2>&1
            "$E" --store s --json import in.jsonl > ../again 2>&1
            echo $code > ../code"#
        );
        let Some(()) = with_disk(&sandbox, &script) else { return };
        let told = format!("{pages} pages: {} {}", sandbox.read("err"), sandbox.read("again"));
        assert_eq!(sandbox.read("again").trim(), r#"{"imported":4,"duplicates":0,"rejected":0}"#, "{told}");
        match sandbox.read("code").trim() {
            "0" => return assert!(pages > 0, "{told}"),
            "1" => assert!(sandbox.read("err").contains("\"no_space\""), "{told}"),
            code => panic!("exit {code}: {told}"),
        }
    }
    panic!("init never fitted");
}

#[test]
fn a_disk_that_is_read_only_is_named() {
    let sandbox = base();
    for verb in
        ["count '*'", "verify", "stats", "import more.jsonl", "erase --subject carl@example.org --yes"]
    {
        let script = format!(
            "mount -o remount,ro . && \"$E\" --store s --json {verb} > ../out 2> ../err; echo $? > ../code"
        );
        let Some(()) = with_disk(&sandbox, &script) else { return };
        let err = sandbox.read("err");
        assert_eq!(sandbox.read("code").trim(), "1", "{verb}: {err}");
        assert!(
            err.contains("Read-only file system") && err.contains("make the disk writable"),
            "{verb}: {err}"
        );
        assert_eq!(sandbox.read("out"), "", "{verb}");
    }
    let Some(()) = with_disk(
        &sandbox,
        "mount -o remount,ro . && \"$E\" --store new --json init 2> ../err; echo $? > ../code",
    ) else {
        return;
    };
    assert!(sandbox.read("err").contains("\"kind\":\"io\""), "{}", sandbox.read("err"));
}
