//! `shell` with a script: one session, the same answers as outside.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::{Run, SAMPLE, Sandbox, files, in_memory};
use serde_json::json;

fn script(sandbox: &Sandbox, flags: &str, lines: &[&str]) -> Run {
    sandbox.run_with(format!("shell {flags}").trim_end(), lines.join("\n"))
}

/// A session into which lines are typed while it runs.
struct Typed {
    child: Child,
    keys: ChildStdin,
    out: BufReader<ChildStdout>,
}

impl Typed {
    fn start(shell: &mut Command) -> Self {
        let mut child = shell.spawn().unwrap();
        let (keys, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, out: BufReader::new(out) }
    }

    /// Types lines and reads until `end` is shown; answers what was shown.
    #[track_caller]
    fn answer(&mut self, lines: &str, end: &str) -> String {
        self.keys.write_all(lines.as_bytes()).unwrap();
        let mut text = String::new();
        while !text.contains(end) {
            assert!(self.out.read_line(&mut text).unwrap() > 0, "{text}");
        }
        text
    }

    /// Where `text` stands in its memory.
    #[cfg(target_os = "linux")]
    fn holds(&self, text: &str) -> Vec<String> {
        in_memory(self.child.id(), text)
    }

    fn ends(mut self) {
        drop(self.keys);
        assert!(self.child.wait().unwrap().success());
    }
}

/// As many messages of one conversation.
fn with_messages(n: usize) -> Sandbox {
    let sandbox = Sandbox::with_store();
    let line = |i| {
        format!(
            r#"{{"id":"m{i}","conversation":"c","author":"p{}","time":"2026-01-01T00:00:00Z","body":""}}"#,
            i % 3
        )
    };
    let lines: Vec<String> = (0..n).map(line).collect();
    sandbox.run_with("import --format jsonl -", lines.join("\n")).ok();
    sandbox
}

#[test]
fn lines_answer_as_commands_do_outside() {
    let sandbox = Sandbox::with_sample();
    sandbox.write("more.jsonl", SAMPLE.replace("\"c1\"", "\"c9\""));
    for line in [
        "search *",
        "search * --limit 2 --order oldest",
        "count tag:dept:sales",
        "facet * --by tag",
        "histogram * --per month",
        "get m1",
        "get m1 --context 1",
        "conversation c1",
        "conversation c1 --around m2",
        "subject show anna@example.org",
        "stats",
        "key public",
        "key status",
        "erase --subject anna@example.org --plan",
        "erase --record m4 --plan",
        "verify --read-data",
        "help erase",
        "count --help",
        "--version",
        "import more.jsonl --dry-run",
        // A limit on a line was ignored once.
        "count * --time-limit 0",
        "count * --time-limit 60",
        // Errors, too, of every kind of place.
        "get m9",
        "conversation c8",
        "subject show nobody",
        "count",
        "count tag:",
        "count * *",
        "search * --limit 0",
        "search * --limitt 3",
        "search * --order relevance",
        "histogram * --per decade",
        "erase --yes",
        "erase --subject anna@example.org",
        "key private",
        "export --query * --output s/inside",
        "--as somebody",
    ] {
        // Cursors differ from call to call, and a shell has `more` for them.
        let plain = |text: &str| text.split(",\"cursor\":").next().unwrap_or_default().to_owned();
        let told = |text: &&str| !text.starts_with("more: ") && !text.starts_with("in line 1");
        // Each plan leaves an act whose detail the next plan counts too.
        let counts = |text: &&str| !text.starts_with("details of acts");
        let uncounted = |text: String| match text.split_once("\"details\":") {
            Some((before, rest)) => before.to_owned() + rest.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => text,
        };
        let lines = |text: &str| {
            text.lines().filter(told).filter(counts).map(plain).map(uncounted).collect::<Vec<_>>()
        };
        for json in ["--json ", ""] {
            let outside = sandbox.run(&format!("{json}{line}"));
            let inside = sandbox.run_with(&format!("{json}shell"), line);
            assert_eq!(inside.code, outside.code, "{line}: {}", inside.err);
            assert_eq!(lines(&inside.out), lines(&outside.out), "{line}");
            assert_eq!(lines(&inside.err), lines(&outside.err), "{line}");
        }
    }
}

#[test]
fn a_line_without_a_command_is_searched_for_as_it_stands() {
    let sandbox = Sandbox::with_sample();
    let spaced = r#"{"id":"s","conversation":"c4","author":"Anna B","time":"2026-01-01T00:00:00Z","tags":["dept:field sales","it's"],"body":""}"#;
    sandbox.run_with("add", spaced).ok();
    for (line, ids) in [
        ("author:\"Anna B\"", &["s"][..]),
        ("  tag:dept:\"field sales\"   channel:web OR author:\"Anna B\" ", &["s"]),
        ("tag:it's", &["s"]),
        ("-tag:dept:sales -author:\"Anna B\"", &["m3"]),
        ("(tag:lang:de)", &["m2", "m1"]),
        ("search 'author:\"Anna B\"'", &["s"]),
        ("search \"tag:it's\"", &["s"]),
        ("search 'tag:dept:sales author:bob@example.org'", &["m4"]),
        ("search tag:dept:'\"field sales\"'", &["s"]),
        ("search -tag:dept:sales --limit 1", &["m3"]),
    ] {
        let run = script(&sandbox, "--json", &[line]).ok();
        assert_eq!(
            run.lines().iter().map(|hit| hit["id"].as_str().unwrap()).collect::<Vec<_>>(),
            ids,
            "{line}"
        );
    }
    let run = script(&sandbox, "--json", &["count 'tag:x"]).exits(2);
    assert_eq!(run.error()["kind"], "usage");
}

#[test]
fn a_script_ends_at_the_first_failure_or_goes_on() {
    let sandbox = Sandbox::with_sample();
    let lines = ["", "count *", "  ", "get m9", "count tag:", "count *", "quit", "count *"];
    let run = script(&sandbox, "", &lines).exits(3);
    assert_eq!(run.out, "4\n");
    assert!(
        run.err.starts_with("error: no such record\n") && run.err.ends_with("in line 4\n"),
        "{}",
        run.err
    );
    let run = script(&sandbox, "--keep-going", &lines).ok();
    assert_eq!(run.out, "4\n4\n");
    assert!(run.err.contains("in line 4\n") && run.err.contains("in line 5\n"), "{}", run.err);
    let run = sandbox.run_with("--json shell --keep-going", lines.join("\n")).ok();
    assert_eq!(run.out, "{\"count\":4}\n{\"count\":4}\n");
    assert_eq!(run.err.lines().count(), 2, "{}", run.err);
    // Not a line of text.
    let run = sandbox.run_with("shell --keep-going", b"count *\n\xff\n").exits(2);
    assert_eq!(run.out, "4\n");
    assert_eq!(sandbox.run_with("shell", "exit\r\n").ok().out, "");
    sandbox.run_with("shell", "").ok();
    sandbox.run_with("shell --history h", "").exits(2);
    assert!(!sandbox.has("h"));
}

#[test]
fn a_search_goes_on_with_more() {
    let sandbox = with_messages(45);
    let run = script(&sandbox, "", &["*", "more", "more", "more"]).ok();
    let ids: Vec<&str> = run.out.lines().filter_map(|line| line.rsplit_once('#')).map(|(_, id)| id).collect();
    let all: Vec<String> = (0..45).rev().map(|i| format!("m{i}")).collect();
    assert_eq!(ids, all);
    assert_eq!(run.err, "more: type more\nmore: type more\nnothing more\n");
    let pages = |lines: &[&str]| {
        let run = sandbox.run_with("--json shell", lines.join("\n")).ok();
        run.lines().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        pages(&["search author:p1 --limit 2 --order oldest", "search * --limit 1", "more", "more"]),
        "m1 m4 m44 m43 m42"
    );
    // Counts between pages don't disturb; records that go don't either.
    let run = script(&sandbox, "", &["more"]).exits(2);
    assert!(run.err.starts_with("error: no search"), "{}", run.err);
}

/// A page failed, and `more` behind it said "nothing more" with success: who reads that believes to have
/// seen all. It goes on where it was instead, and fails again for as long as the reason stands.
#[test]
fn more_behind_a_page_that_failed_is_no_end() {
    let sandbox = with_messages(3);
    let lamp = |id: &str, body: &str| {
        format!(
            r#"{{"id":"{id}","conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","body":"{body}"}}"#
        )
    };
    sandbox
        .run_with("import -", [lamp("l1", "lamp lamp"), lamp("l2", "lamp"), lamp("l3", "x")].join("\n"))
        .ok();
    sandbox.write("others.jsonl", lamp("o", "y"));
    // Every score is another behind an import, so a page by relevance can't go on.
    let lines = ["search lamp --order relevance --limit 1", "import others.jsonl", "more", "more"];
    let run = script(&sandbox, "--keep-going", &lines).ok();
    assert!(run.out.contains("#l1") && !run.out.contains("#l2"), "{}", run.out);
    assert_eq!(run.err.matches("error: this cursor is out of date").count(), 2, "{}", run.err);
    assert!(!run.err.contains("nothing more"), "{}", run.err);
    // A first search that fails leaves nothing to go on with; one behind another takes its place.
    for before in [&[][..], &["* --limit 1"]] {
        let lines = [before, &["search * --time-limit 0", "more", "more"]].concat();
        let run = script(&sandbox, "--keep-going", &lines).ok();
        assert_eq!(run.err.matches("error: no search to go on with").count(), 2, "{}", run.err);
        assert!(!run.err.contains("nothing more"), "{}", run.err);
    }
}

/// `roll` moves the journal into a segment, and no help tells of it. Who searched for the word in a shell
/// ran it, and was shown nothing.
#[test]
fn a_word_that_no_help_tells_of_is_searched_for() {
    let sandbox = Sandbox::with_store();
    let record =
        r#"{"id":"m1","conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","body":"roll it"}"#;
    sandbox.run_with("add", record).ok();
    let run = script(&sandbox, "--json", &["roll", "stats"]).ok().lines();
    assert_eq!((&run[0]["id"], &run[1]["journal_records"]), (&json!("m1"), &json!(2)));
}

#[test]
fn an_erasure_ends_what_was_shown_before() {
    let sandbox = with_messages(45);
    let run = script(
        &sandbox,
        "--keep-going",
        &["author:p1", "*", "erase --subject p1 --yes", "more", "*", "more"],
    )
    .ok();
    assert!(run.err.contains("error: no search to go on with"), "{}", run.err);
    assert_eq!(run.out.matches("  p1  #").count(), 15 + 7, "{}", run.out);
    let behind = run.out.split("certificate").last().unwrap();
    assert!(!behind.contains("  p1  #") && behind.contains("  p2  #"), "{behind}");
    assert_eq!(sandbox.count("*"), 30);
}

#[test]
fn the_store_is_locked_from_beginning_to_end() {
    let sandbox = Sandbox::with_sample();
    let mut child = sandbox.command(&["--store", "s", "--json", "shell"]).spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        typed.write_all(b"count *\n").unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "{\"count\":4}\n");
        sandbox.run("count *").exits(4);
    }
    drop(typed);
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.count("*"), 4);
}

#[test]
fn what_needs_another_store_or_stdin_stays_outside() {
    let sandbox = Sandbox::with_sample();
    let before = files(&sandbox.folder);
    for line in [
        "demo",
        "init",
        "add",
        "shell",
        "upgrade",
        "completions bash",
        "man",
        "import -",
        "count * --store x",
        "--slot file:x count *",
        "count * --no-mmap",
        "erase --subject anna@example.org",
    ] {
        let run = sandbox.run_with("--json shell", line).exits(2);
        assert_eq!(run.error()["kind"], "usage", "{line}");
        assert_eq!(run.out, "", "{line}");
    }
    // Not even by the environment's name for it, which is that of the shell itself.
    let output = sandbox.command(&["shell"]).env("ESCROW_STORE", "s").spawn().unwrap();
    output.stdin.as_ref().unwrap().write_all(b"count *\n").unwrap();
    assert_eq!(output.wait_with_output().unwrap().stdout, b"4\n");
    assert_eq!(files(&sandbox.folder).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
fn work_in_a_shell_is_done_for_good() {
    let sandbox = Sandbox::with_store();
    sandbox.write("a.jsonl", SAMPLE);
    let lines = [
        "import a.jsonl",
        "subject link bob@example.org robert@example.org",
        "count *",
        "erase --subject bob@example.org --yes --certificate c.json",
        "count *",
        "compact",
        "export --query * --output e.jsonl",
        "verify --read-data",
    ];
    let run = sandbox.run_with("--json shell --keep-going", lines.join("\n")).ok();
    assert_eq!(run.err.lines().count(), 1, "robert is unknown: {}", run.err);
    let counts: Vec<_> = run.lines().iter().filter_map(|line| line["count"].as_u64()).collect();
    assert_eq!(counts[..2], [4, 2]);
    assert_eq!(run.lines().last().unwrap()["ok"], json!(true));
    assert!(sandbox.has("c.json") && sandbox.read("e.jsonl").lines().count() == 2);
    assert_eq!(sandbox.count("*"), 2);
}

/// No error repeats what was typed, in a shell as little as outside.
#[test]
fn wrong_lines_are_not_echoed() {
    let sandbox = Sandbox::with_sample();
    for line in [
        "tag: geheim7",
        "author:\"geheim7",
        "count 'geheim7",
        "quit geheim7",
        "more geheim7",
        "help geheim7",
        "erase geheim7@example.org",
        "search * --geheim7",
        "--geheim7",
        "search * --limit geheim7",
        "count * --store geheim7",
    ] {
        for flags in ["shell", "--json shell"] {
            let run = sandbox.run_with(flags, line).exits(2);
            assert!(!run.err.contains("geheim7"), "{line}: {}", run.err);
            assert_eq!(run.out, "", "{line}");
        }
    }
}

/// What can't be read was remembered from the opening on: after it had been given up, every answer of
/// the session was still called incomplete.
#[test]
fn answers_are_whole_again_once_what_is_lost_is_given_up() {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    let mut lost = std::fs::read_dir(sandbox.folder.join("s")).unwrap().map(|f| f.unwrap().path());
    let index = lost.find(|file| file.extension().is_some_and(|e| e == "idx")).unwrap();
    std::fs::write(index, "").unwrap();
    let lines = ["count *", "verify --repair --accept-losses", "count *"];
    let run = sandbox.run_with("--json shell --keep-going", lines.join("\n"));
    let counts: Vec<_> = run.lines().into_iter().filter(|line| line["count"].is_u64()).collect();
    assert_eq!(counts[0], json!({"count": 0, "incomplete": true}), "{}", run.err);
    assert_eq!(counts[1], json!({"count": 0}), "{}", run.err);
}

#[test]
fn a_reader_that_goes_ends_the_session() {
    let sandbox = with_messages(300);
    let mut child = sandbox.command(&["--store", "s", "shell"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(b"count *\n").unwrap();
    assert_eq!(out.read(&mut [0; 4]).unwrap(), 4);
    drop(out);
    // It may be gone before all of this is written.
    let _ = typed.write_all("search * --limit 300\n".repeat(3).as_bytes());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The name of who is erased in a session stands nowhere in its memory when the erasure is answered.
#[cfg(target_os = "linux")]
#[test]
fn an_erased_name_leaves_the_memory_of_the_session() {
    let sandbox = Sandbox::with_store();
    let record = r#"{"id":"m1","conversation":"c1","author":"zoe.unmistakable@example.org","time":"2026-01-31T12:00:00Z","tags":["unmistakable-tag"],"body":"unmistakable words"}"#;
    sandbox.run_with("add", record).ok();
    sandbox
        .run_with(
            "add",
            record.replace("zoe.unmistakable", "bob").replace("m1", "m2").replace("unmistakable", "other"),
        )
        .ok();
    let mut session = Typed::start(&mut sandbox.command(&["--store", "s", "shell"]));
    session.answer(
        "author:zoe.unmistakable@example.org\nget m1\nfacet * --by tag\nsubject show zoe.unmistakable@example.org\n",
        "last",
    );
    assert!(!session.holds("unmistakable").is_empty(), "nothing is searched");
    session.answer("erase --subject zoe.unmistakable@example.org --yes\ncount *\n", "\n1\n");
    let left = session.holds("unmistakable");
    session.ends();
    assert!(left.is_empty(), "{left:#?}");
}

/// Nor do her words, though they were searched for in every way, shown and marked: no dictionary that was
/// opened has them, no question, no answer.
#[cfg(target_os = "linux")]
#[test]
fn erased_words_that_were_asked_for_leave_the_memory_of_the_session() {
    let sandbox = Sandbox::with_store();
    let add = |n: usize| {
        let (who, word) =
            if n.is_multiple_of(2) { ("zoe", "unmistakable") } else { ("bob", "somebodyelses") };
        let body = format!("Well, {}{n:02} and so on", word.to_uppercase());
        let line = json!({"id": format!("m{n}"), "conversation": "c", "author": who, "time": "2026-01-31T12:00:00Z", "body": body});
        line.to_string() + "\n"
    };
    for part in [0..60, 60..80] {
        sandbox.run_with("import --format jsonl -", part.clone().map(add).collect::<String>()).ok();
        if part.start == 0 {
            sandbox.run("roll").ok();
        }
    }
    let mut shell = sandbox.command(&["--store", "s", "shell", "--keep-going"]);
    // What stands there is long, and nobody reads it.
    let mut session = Typed::start(shell.stderr(Stdio::null()));
    let mut text = String::new();
    for n in (0..80).step_by(2) {
        let mut lines = String::new();
        for query in [
            format!("unmistakable{n:02}"),
            format!("\"well unmistakable{n:02} and\""),
            format!("unmistakable{}*", n / 10),
            format!("unmistkable{n:02}~1"),
            format!("well.unmistakable{n:02} -somebodyelses*"),
        ] {
            lines += &format!(
                "{query}\nsearch '{query}' --order relevance --snippet --explain\ncount '{query}'\n\
                 facet '{query}' --by author\nhistogram '{query}' --per day\ncount '({query}'\n"
            );
        }
        text += &session.answer(&(lines + "get m1\n"), "SOMEBODYELSES01");
    }
    assert!(text.contains("»UNMISTAKABLE42«"));
    let held = |session: &Typed| ["unmistakable", "UNMISTAKABLE"].map(|word| session.holds(word));
    assert!(held(&session).iter().all(|places| places.len() > 1), "nothing is searched");
    session.answer("erase --subject zoe --yes\ncount 'well'\n", "\n40\n");
    let left = held(&session);
    session.ends();
    assert!(left.iter().all(Vec::is_empty), "{left:#?}");
}
