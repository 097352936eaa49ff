//! Every verb is listed here, with whether it could take something away from what is held. One that could is
//! tried: it answers 7 and changes nothing. A new verb fails this test until somebody has said what it does.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;

use crate::support::Sandbox;

/// Verbs that remove, hide or change nothing of what is there, whatever they are given.
const HARMLESS: &str = "
    demo, init, search, count, facet, histogram, get, conversation, thread, tag add, tag show, subject show, stats,
    certificate, class define, class lengthen, class retire, class begin, class list, retention status, retention due, export,
    audit level, notice draft, notice publish, notice retire, notice list, notice show, purpose define,
    purpose retire, purpose list, consent ask, consent give, consent refuse, consent withdraw, consent show,
    consent receipt, gate show, gate set, gate rule, gate quarantine, gate release, settings show, settings set, hold place, hold review, hold list,
    restrict list, request receive, request identify, request plan, request approve, request extend,
    request refuse, request fulfil, request list, request show, disclosure add, disclosure list, disclosure tell,
    disclosure destroyed, aggregate publish, aggregate show, aggregate list, residency report, residency list,
    report processing, report breach, checkpoint, proof, verify-proof, verify-export, verify-certificate,
    verify-key, verify-residency, verify-checkpoint, witness init, witness add-log, witness run, witness show,
    witness sign, key public, key rotate, key history, key status, completions, man";

/// Verbs that change what is seen, or what stands where, as a hold allows.
const ALLOWED: &str = "
    hold release, restrict place, restrict release, retention run, audit expire, compact, upgrade, verify, shell";

/// Verbs that are tried, with what they are given and what they read.
const TRIED: &[(&str, &str, &str)] = &[
    ("erase", "erase --subject anna@example.org --yes", ""),
    ("erase", "erase --conversation c1 --yes", ""),
    ("erase", "erase --record m1 --yes", ""),
    ("redact", "redact m1 --span 0..5 --yes", ""),
    ("correct", "--as dana correct m1 --body-file -", "another"),
    ("tag remove", "--as dana tag remove m1 dept:sales", ""),
    ("subject link", "subject link anna@example.org bob@example.org", ""),
    ("subject unlink", "subject unlink anna@example.org anna-2", ""),
    ("subject add-identifier", "subject add-identifier anna@example.org anna-3", ""),
    ("subject rename", "subject rename anna@example.org anna-3 --yes", ""),
    ("subject remove-identifier", "subject remove-identifier also-anna --yes", ""),
    ("request run", "--as dana request run r1 --yes", ""),
    ("add", "add", DELETION),
    ("import", "import --format jsonl -", DELETION),
];

const DELETION: &str = r#"{"id":"d1","conversation":"c1","author":"anna@example.org","time":"2026-02-01T00:00:00Z","kind":"delete","target":"m1","body":""}"#;
const OTHER_NAME: &str =
    r#"{"id":"m9","conversation":"c9","author":"anna-2","time":"2026-02-01T00:00:00Z","body":"me"}"#;

fn below(sandbox: &Sandbox, verb: &str) -> Vec<String> {
    let words: Vec<_> = verb.split_whitespace().chain(["--help"]).collect();
    let help = sandbox.args(&words, "").ok().out;
    let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let lines = lines.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let names = lines.filter_map(|l| l.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| format!("{verb} {name}").trim().to_owned()).collect()
}

fn listed(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|verb| verb.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn every_verb_is_listed() {
    let sandbox = Sandbox::new();
    let mut verbs = BTreeSet::new();
    for verb in below(&sandbox, "") {
        let of_it = below(&sandbox, &verb);
        if of_it.is_empty() { verbs.extend([verb]) } else { verbs.extend(of_it) }
    }
    let tried = TRIED.iter().map(|(verb, ..)| (*verb).to_owned());
    let known: BTreeSet<_> = listed(HARMLESS).chain(listed(ALLOWED)).chain(tried).collect();
    assert_eq!(verbs.difference(&known).collect::<Vec<_>>(), [] as [&String; 0], "say what they do");
    assert_eq!(known.difference(&verbs).collect::<Vec<_>>(), [] as [&String; 0], "they are gone");
}

#[test]
fn what_could_take_something_from_what_is_held_answers_7_and_changes_nothing() {
    let sandbox = Sandbox::with_sample();
    sandbox.run_with("add", OTHER_NAME).ok();
    sandbox.run("subject link anna@example.org anna-2").ok();
    sandbox.run("subject add-identifier anna@example.org also-anna").ok();
    sandbox.run("class define old --title Old --maximum 1d --ground x --selector *").ok();
    sandbox.run("--as dana request receive r1 --type erasure --subject anna@example.org").ok();
    sandbox.run("request identify r1 --method passport").ok();
    sandbox.run("hold place h --subject anna@example.org --matter M-7 --ground claims").ok();
    let plan = sandbox.run("--json --as dana request plan r1").ok().lines().remove(0);
    let hash = plan["sha256"].as_str().unwrap();
    sandbox.run(&format!("--as kim request approve r1 --hash {hash}")).ok();
    let look = || {
        let all = "version:all (* OR kind:edit OR kind:delete OR kind:tag OR kind:person)";
        let found = sandbox.args(&["--store", "s", "--json", "search", all, "--limit", "100"], "").ok().out;
        let seen: String =
            found.lines().map(|line| line.split("\"cursor\"").next().unwrap_or_default()).collect();
        let anna = sandbox.run("--json subject show anna@example.org").ok().out;
        (seen, anna, sandbox.run("--json key status").ok().lines().remove(0)["epoch"].clone())
    };
    let before = look();
    for (verb, line, stdin) in TRIED {
        // An import says of each line what is wrong with it, and is not refused as a whole.
        let code = if *verb == "import" { 1 } else { 7 };
        let run = sandbox.run_with(line, stdin).exits(code);
        assert!(run.err.contains("held: h"), "{line}: {}", run.err);
        assert_eq!(look(), before, "{line}");
    }
    for line in ["retention run", "compact", "audit expire", "verify --read-data"] {
        sandbox.run(line).ok();
        let after = look();
        assert_eq!((&after.0, &after.1), (&before.0, &before.1), "{line}");
    }
    assert!(sandbox.run("search kind:refused --limit 100").ok().out.lines().count() >= 10);
}
