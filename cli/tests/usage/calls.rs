//! Wrong calls end with exit 2 and say what to do; flags work on both sides of the command.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::Sandbox;

#[test]
fn wrong_calls_are_usage_errors() {
    let sandbox = Sandbox::with_store();
    for line in [
        "nonsense",
        "count",
        "count * --nonsense",
        "search * --limit 0",
        "search * --limit x",
        "histogram * --per decade",
        "facet *",
        "import --format slack x.json",
        "import",
        "erase --yes",
        "erase --subject a --conversation b --yes",
        "erase --subject a --in-conversation c --yes",
        "erase --record m --request-id xyz --yes",
        "redact m --yes",
        "redact --word w --yes",
        "redact m --span x --yes",
        "export --subject a",
        "export --output f",
        "export --query * --format xlsx --output f",
        "export --query * --format nonsense --output f",
        "key private",
        "notice",
        "notice publish n",
        "purpose define p --title t --basis nonsense",
        "consent give a",
        "consent give a --for p --version 1",
        "gate set --mode shut",
        "hold place h --matter m --ground g",
        "restrict place r --query * --matter m --ground g",
        "request receive r --type nonsense --subject a",
        "request run",
        "disclosure add d --recipient r --format f --records x --many",
        "aggregate",
        "aggregate publish",
        "aggregate publish a",
        "aggregate publish a --by month --k x",
        "residency",
        "residency report",
        "verify-residency f",
        "verify-residency f --key k",
        "report",
        "report processing --controller c",
        "report breach",
        "report breach --lost f --keys all",
        "subject",
        "subject link a",
        "init --preset nonsense",
        "audit",
        "audit * --limit x",
        "audit * --order relevance",
        "audit level off",
        "audit level all --keep-acts x",
        "audit level all --keep-details -1",
        "certificate",
        "certificate zz",
        "certificate 0001",
        "checkpoint --since a --cosigned",
        "checkpoint --since a --head b",
        "checkpoint --cosign-ca a",
        "key rotate now",
        "key rotate --output",
        "key history 2",
        "proof",
        "verify-checkpoint f",
        "verify-checkpoint f --key k",
        "verify-proof f",
        "verify-proof --key k",
        "verify-certificate f",
        "verify-certificate f --key k --policy p",
        "verify-export f",
        "verify-export f --policy p --faults x",
        "verify-key f",
        "verify-key f --policy p",
        "verify-key f --key k",
        "witness",
        "witness init --dir w",
        "witness init --name n",
        "witness add-log --dir w",
        "witness add-log --dir w k",
        "witness run --dir w --listen nowhere",
        "witness run --dir w --tls-key k",
        "witness run",
        "witness show",
        "witness sign",
        "count * --slot tpm:0",
        "count * --slot s.slot",
    ] {
        let run = sandbox.run(&format!("--json {line}")).exits(2);
        assert_eq!(run.error()["kind"], "usage", "{line}");
        assert_eq!(run.out, "", "{line}");
    }
}

#[test]
fn no_command_is_a_usage_error() {
    let sandbox = Sandbox::new();
    let run = sandbox.args(&[], "").exits(2);
    assert!(run.err.starts_with("error: "), "{}", run.err);
    assert!(run.err.contains("\nhint: "), "{}", run.err);
}

#[test]
fn a_store_must_be_named() {
    let sandbox = Sandbox::new();
    let run = sandbox.args(&["--json", "stats"], "").exits(2);
    assert_eq!(run.error()["kind"], "usage");
    assert!(run.error()["hint"].as_str().unwrap().contains("--store"));
}

#[test]
fn bad_queries_and_fields_exit_with_2() {
    let sandbox = Sandbox::with_sample();
    for args in
        [["search", "tag:"], ["count", "nonsense:x"], ["count", "(tag:a"], ["search", "after:yesteryear"]]
    {
        let run = sandbox.args(&[&["--store", "s", "--json"], args.as_slice()].concat(), "").exits(2);
        assert_eq!(run.error()["kind"], "invalid", "{args:?}");
    }
    let run = sandbox.run("--json facet * --by nonsense").exits(2);
    assert_eq!(run.error()["kind"], "invalid");
    sandbox.run("search * --cursor nonsense").exits(2);
}

#[test]
fn errors_without_json_are_prose() {
    let sandbox = Sandbox::with_store();
    let run = sandbox.run("get unknown").exits(3);
    assert!(run.err.starts_with("error: "), "{}", run.err);
    assert_eq!(run.out, "");
}

#[test]
fn flags_work_on_both_sides_and_from_the_environment() {
    let sandbox = Sandbox::with_sample();
    for args in [
        ["--store", "s", "--json", "count", "*"],
        ["count", "*", "--store", "s", "--json"],
        ["--json", "count", "--store", "s", "*"],
    ] {
        assert_eq!(sandbox.args(&args, "").ok().out, "{\"count\":4}\n");
    }
    let output = sandbox.command(&["--json", "count", "*"]).env("ESCROW_STORE", "s").output().unwrap();
    assert_eq!(output.stdout, b"{\"count\":4}\n");
    // The flag wins.
    let output = sandbox.command(&["--store", "s", "count", "*"]).env("ESCROW_STORE", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let slot =
        sandbox.command(&["--store", "s", "count", "*"]).env("ESCROW_SLOT", "file:x").output().unwrap();
    assert_eq!(slot.status.code(), Some(5));
    let who = ["--as", "dana", "--purpose", "access request", "--case", "7", "--store", "s", "count", "*"];
    sandbox.args(&who, "").ok();
}

#[test]
fn help_and_version_are_data() {
    let sandbox = Sandbox::new();
    for args in [&["--help"][..], &["import", "--help"], &["help", "erase"]] {
        let run = sandbox.args(args, "").ok();
        assert!(run.out.contains("--store"), "{args:?}: {}", run.out);
        assert_eq!(run.err, "");
    }
    let run = sandbox.args(&["--version"], "").ok();
    assert!(
        run.out.starts_with(concat!("escrow ", env!("CARGO_PKG_VERSION"), " (store format ")),
        "{}",
        run.out
    );
    let run = sandbox.args(&["--version", "--json"], "").ok();
    assert_eq!(run.lines()[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(run.lines()[0]["format"].is_u64());
}

/// `erase anna@x.org` answered "unexpected argument 'anna@x.org' found": a name typed in the wrong
/// place went into the error, and from there into logs. No error repeats what was typed; help
/// doesn't show what the environment holds.
#[test]
fn wrong_calls_are_not_echoed() {
    let sandbox = Sandbox::with_store();
    for line in [
        "erase geheim7@example.org",
        "count author:Anna (geheim7",
        "get m1 geheim7",
        "search * --limit geheim7",
        "search * --order geheim7",
        "search * --geheim7",
        "search * --limit=1=geheim7 --order",
        "search * --json=geheim7",
        "histogram * --per geheim7",
        "facet * --by geheim7",
        "erase --record m --request-id geheim7",
        "redact m --span geheim7 --yes",
        "redact m --word w --basis geheim7",
        "verify --subset geheim7",
        "import --format geheim7 x",
        "export --query (geheim7 --output x",
        "search * --cursor geheim7",
        "init --preset geheim7",
        "completions geheim7",
        "subject link a b geheim7",
        "geheim7",
        "help geheim7",
        "key geheim7",
        "key rotate geheim7",
        "audit level geheim7",
        "audit * --order geheim7",
        "certificate geheim7",
        "checkpoint geheim7",
        "verify-key x --key geheim7",
        "notice geheim7",
        "purpose define p --title t --basis geheim7",
        "consent show --handle geheim7",
        "hold review h --next geheim7",
        "request receive r --type geheim7 --subject a",
        "verify-proof x --key geheim7+geheim7",
        "verify-export x --geheim7",
        "witness geheim7",
        "witness add-log --dir w geheim7",
        "witness run --dir w --listen geheim7",
    ] {
        for form in [line.to_owned(), format!("--json {line}")] {
            let run = sandbox.run(&form).exits(2);
            assert!(!run.err.contains("geheim7"), "{form}: {}", run.err);
            assert_eq!(run.out, "", "{form}");
        }
    }
    for help in ["--help", "key", "man"] {
        let output =
            sandbox.command(&[help]).env("ESCROW_AS", "geheim7").env("ESCROW_CASE", "geheim7").output();
        let output = output.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains("escrow") && !text.contains("geheim7"), "{text}");
    }
}

/// Help that could not be printed ended with 0.
#[cfg(target_os = "linux")]
#[test]
fn help_that_is_lost_is_an_error() {
    let sandbox = Sandbox::new();
    for line in ["--help", "help", "help erase", "man", "completions bash", "--version"] {
        let words: Vec<&str> = line.split(' ').collect();
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = sandbox.command(&words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
    }
}

/// `init --origin` took names that no verifier key can carry.
#[test]
fn an_origin_is_the_name_of_a_key() {
    let sandbox = Sandbox::new();
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{7}"] {
        let run = sandbox.args(&["--store", "s", "--json", "init", "--origin", name], "").exits(2);
        assert_eq!(run.error()["kind"], "invalid", "{name:?}");
        assert!(!sandbox.has("s") && !sandbox.has("s.slot"));
    }
    sandbox.run("init --origin log.example.org/chats").ok();
}

/// `-` became the name of a file.
#[test]
fn a_dash_is_no_file() {
    let sandbox = Sandbox::with_sample();
    for line in
        ["export --query * --output -", "import x --rejects -", "erase --record m1 --yes --certificate -"]
    {
        assert_eq!(sandbox.run(&format!("--json {line}")).exits(2).error()["kind"], "usage", "{line}");
    }
    assert!(!sandbox.has("-"));
}

/// A conversation of edits only was said not to be there.
#[test]
fn a_conversation_of_other_kinds_is_there() {
    let sandbox = Sandbox::with_store();
    let edit =
        r#"{"id":"e","conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","kind":"edit","body":""}"#;
    sandbox.run_with("add", edit).ok();
    assert_eq!(sandbox.run("--json conversation c").ok().out, "");
    sandbox.run("--json conversation d").exits(3);
}
