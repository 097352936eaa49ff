//! Lines without end, too few open files, readers that go away, input that is cut: the command
//! ends cleanly, and the store is whole afterwards.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::{SAMPLE, Sandbox};
use serde_json::json;

fn lines(from: usize, to: usize) -> String {
    let line = |n| {
        format!(
            r#"{{"id":"m{n}","conversation":"c{}","author":"p{}@example.org","time":"2026-03-01T00:00:00Z","body":"text {n}"}}"#,
            n % 7,
            n % 11
        ) + "\n"
    };
    (from..to).map(line).collect()
}

/// Two gibibytes without an end of line, then a good line: bounded memory, and quick.
#[test]
fn an_endless_line_is_skipped_in_bounded_memory() {
    let sandbox = Sandbox::with_store();
    let started = std::time::Instant::now();
    let args = ["--store", "s", "--json", "import", "--format", "jsonl", "-", "--rejects", "bad.jsonl"];
    let mut child = sandbox.command(&args).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"body\":\"").unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..2048 {
        stdin.write_all(&piece).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    stdin.write_all(format!("\"}}\n{}", lines(0, 1)).as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"imported\":1,\"duplicates\":0,\"rejected\":1}\n");
    assert!(sandbox.read("bad.jsonl").starts_with(r#"{"line":1,"reason":"the line is longer than 8 MiB""#));
    assert!(peak < 100_000, "{peak} kB at most");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Every limit of open files from none to enough, for every kind of verb.
#[test]
fn too_few_open_files_are_named() {
    let sandbox = Sandbox::with_store();
    // Several segments, so that an erasure opens many files.
    for part in 0..6 {
        sandbox.run_with("import -", lines(part * 50, part * 50 + 50)).ok();
        sandbox.run("roll").ok();
    }
    sandbox.write("in.jsonl", lines(300, 1400));
    let mut erased = 0;
    for verb in ["search * --limit 3", "import in.jsonl", "export --query * --output out.jsonl", "erase"] {
        let mut met = 0;
        for limit in 3..60 {
            let command = match verb {
                "erase" => format!("erase --subject p{}@example.org --yes --certificate c.json", erased % 11),
                verb => verb.to_owned(),
            };
            let script =
                format!("ulimit -n {limit}; exec \"$E\" --store s --json {}", command.replace('*', "'*'"));
            let escrow = sandbox.command(&[]).get_program().to_owned();
            let output = Command::new("sh")
                .args(["-c", &script])
                .env("E", escrow)
                .current_dir(&sandbox.folder)
                .output()
                .unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            // Below some limit the program itself can't be loaded.
            if code == Some(127) || err.contains("error while loading") || err.contains("unexpected") {
                assert!(limit < 6, "{verb}, {limit} files: {err}");
                continue;
            }
            if code == Some(0) {
                erased += u64::from(verb == "erase");
                assert!(met > 0, "{verb} needs no files");
                break;
            }
            met += 1;
            assert_eq!(code, Some(1), "{verb}, {limit} files: {err}");
            assert!(
                err.contains("Too many open files") && err.contains("ulimit -n"),
                "{verb}, {limit} files: {err}"
            );
            sandbox.run("verify --read-data").ok();
            // What was accepted of an erasure is finished by the next opening.
            if verb == "erase" && sandbox.count("subject:p0@example.org") == 0 {
                break;
            }
            assert!(limit < 59, "{verb} is never content");
        }
    }
    sandbox.run("verify --read-data").ok();
    sandbox.run("import in.jsonl").ok();
    sandbox.run("erase --subject p1@example.org --yes").ok();
    assert_eq!(sandbox.count("subject:p1@example.org") + sandbox.count("subject:p0@example.org"), 100);
}

/// Runs with a stdout that nobody reads.
fn unread(sandbox: &Sandbox, args: &[&str], stdin: &str) -> (Option<i32>, String) {
    let mut child = sandbox.command(args).spawn().unwrap();
    drop(child.stdout.take());
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

#[test]
fn a_reader_that_goes_away_takes_nothing_along() {
    let sandbox = Sandbox::with_sample();
    for line in
        ["--json search *", "--json stats", "facet * --by tag", "--help", "--version", "--json verify"]
    {
        let args: Vec<&str> = ["--store", "s"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(unread(&sandbox, &args, ""), (Some(0), String::new()), "{line}");
    }
    let import = ["--store", "s", "--json", "import", "-"];
    assert_eq!(unread(&sandbox, &import, &lines(10, 15)), (Some(0), String::new()));
    assert_eq!(sandbox.count("*"), 9);
    // A certificate that nobody read is in its file.
    let erase =
        ["--store", "s", "erase", "--subject", "anna@example.org", "--yes", "--certificate", "c.json"];
    assert_eq!(unread(&sandbox, &erase, ""), (Some(0), String::new()));
    assert!(sandbox.read("c.json").contains("escrowdb/erasure-certificate/v2"));
    // Without a file it can be asked for again. This ended with 1 once, as if nothing were done.
    let erase = ["--store", "s", "--json", "erase", "--subject", "bob@example.org", "--yes"];
    let (code, err) = unread(&sandbox, &erase, "");
    assert_eq!(code, Some(0), "{err}");
    let request = err.split("--request-id ").nth(1).unwrap().get(..32).unwrap();
    let again = format!("--json erase --subject bob@example.org --yes --request-id {request}");
    assert_eq!(sandbox.run(&again).ok().lines()[0]["request"], request);
}

/// A stdout that is full, or closed from the beginning.
#[test]
fn a_stdout_that_takes_nothing() {
    let sandbox = Sandbox::with_sample();
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for line in ["search *", "stats", "key public"] {
        let args: Vec<&str> = ["--store", "s", "--json"].into_iter().chain(line.split(' ')).collect();
        let output = sandbox.command(&args).stdout(full()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {err}");
        assert!(err.contains("\"no_space\"") && err.contains("write output"), "{line}: {err}");
    }
    let args = ["--store", "s", "erase", "--subject", "anna@example.org", "--yes", "--certificate", "c.json"];
    let output = sandbox.command(&args).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        sandbox.read("c.json").contains("escrowdb/erasure-certificate/v2"),
        "the file is written all the same"
    );
    // No file of the store may come to stand where stdout was.
    let escrow = sandbox.command(&[]).get_program().to_owned();
    let script = "exec \"$E\" --store s import in.jsonl <&- >&- 2>&-";
    sandbox.write("in.jsonl", SAMPLE);
    let run = Command::new("sh").args(["-c", script]).env("E", escrow).current_dir(&sandbox.folder).status();
    assert_eq!(run.unwrap().code(), Some(0));
    assert_eq!(sandbox.count("*"), 4);
    sandbox.run("verify --read-data").ok();
}

/// A file that was cut in the middle of a line goes in as far as it goes; the whole one takes the
/// rest, each record once.
#[test]
fn a_cut_file_is_completed_by_the_whole_one() {
    let sandbox = Sandbox::with_store();
    let text = lines(0, 3000);
    for cut in [0, 1, 2500, text.len() / 2, text.len() - 2, text.len() - 1] {
        let whole = text[..cut].matches('\n').count();
        let rejected =
            usize::from(!text[..cut].is_empty() && !text[..cut].ends_with('\n') && cut < text.len() - 1);
        sandbox.write("in.jsonl", &text[..cut]);
        let before = sandbox.count("*");
        let run = sandbox.run("--json import --format jsonl in.jsonl").exits(i32::from(rejected > 0));
        let answer = &run.lines()[0];
        let there = u64::try_from(whole + usize::from(cut == text.len() - 1)).unwrap();
        assert_eq!(answer["rejected"], rejected, "cut at {cut}");
        assert_eq!(answer["imported"], there.saturating_sub(before), "cut at {cut}");
        assert_eq!(sandbox.count("*"), there.max(before));
    }
    let run = sandbox.run_with("--json import -", &text).ok();
    assert_eq!(run.lines(), [json!({"imported": 0, "duplicates": 3000, "rejected": 0})]);
}

/// Where nothing may be mapped the answers are the same.
#[test]
fn without_mappings_answers_are_the_same() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    for line in ["count *", "search *", "verify --read-data", "facet * --by tag"] {
        let (mapped, unmapped) = (sandbox.run(line).ok(), sandbox.run(&format!("--no-mmap {line}")).ok());
        assert!(!mapped.out.is_empty() && mapped.out == unmapped.out, "{line}: {}", unmapped.out);
    }
}
