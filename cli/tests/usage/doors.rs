//! Completions, manual pages and the verb for upgrades come from what the program is.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::Command;

use crate::support::Sandbox;

/// The verbs that the help shows.
fn verbs(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.args(&["--help"], "").ok().out;
    let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let words = lines.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    words.filter_map(|l| l.split_whitespace().next()).filter(|v| *v != "help").map(str::to_owned).collect()
}

#[test]
fn completions_know_every_verb() {
    let sandbox = Sandbox::new();
    let verbs = verbs(&sandbox);
    assert!(verbs.len() > 18 && verbs.contains(&"erase".to_owned()), "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = sandbox.args(&["completions", shell], "").ok();
        assert_eq!(run.err, "");
        for word in verbs.iter().map(String::as_str).chain(["read-data", "certificate"]) {
            assert!(run.out.contains(word), "{shell}: {word}");
        }
    }
    sandbox.args(&["completions", "nonsense"], "").exits(2);
    // A shell that is there takes its own.
    sandbox.write("escrow.bash", sandbox.args(&["completions", "bash"], "").ok().out);
    if let Ok(checked) =
        Command::new("bash").args(["-n", "escrow.bash"]).current_dir(&sandbox.folder).status()
    {
        assert!(checked.success());
    }
}

#[test]
fn manual_pages_stand_for_every_verb() {
    let sandbox = Sandbox::new();
    let all = sandbox.args(&["man"], "").ok().out;
    assert!(all.contains(".TH escrow 1") && all.contains("Exit codes: 0 done"), "{all}");
    let run =
        sandbox.command(&["man", "--dir", "man"]).env("ESCROW_STORE", "a-secret-place").output().unwrap();
    assert!(run.status.success());
    for verb in verbs(&sandbox) {
        let page = sandbox.read(&format!("man/escrow-{verb}.1"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&verb.replace('-', "\\-")), "{verb}");
        assert!(!page.contains("a-secret-place"), "{verb}");
    }
    assert_eq!(sandbox.read("man/escrow.1"), all);
    assert!(sandbox.read("man/escrow-erase.1").contains("certificate"));
    assert!(!sandbox.has("man/escrow-roll.1"), "what is hidden stays hidden");
}

#[test]
fn a_new_store_needs_no_upgrade() {
    let sandbox = Sandbox::with_sample();
    let run = sandbox.run("--json upgrade").ok();
    assert_eq!(run.out, "{\"format\":4,\"upgraded\":false,\"from\":4,\"indexes\":0,\"damaged\":0}\n");
    assert_eq!(sandbox.run("upgrade").ok().out, "format 4: nothing to do\n");
    assert_eq!(sandbox.count("*"), 4);
    let version = sandbox.args(&["--json", "--version"], "").ok().lines().remove(0);
    assert_eq!(version["format"], 4);
    // What a newer program wrote is left to it.
    let path = sandbox.folder.join("s/HEAD");
    let mut head = std::fs::read(&path).unwrap();
    head.chunks_mut(4096).filter(|p| p[0] != 0).for_each(|p| p[8] = 2);
    std::fs::write(&path, &head).unwrap();
    let run = sandbox.run("--json upgrade").exits(1);
    assert_eq!(run.error()["kind"], "unsupported");
    assert_eq!(std::fs::read(&path).unwrap(), head);
}

/// A store that the first release made is brought to the format of today, and says what was done.
#[test]
fn a_store_of_format_1_gets_words() {
    let sandbox = Sandbox::with_format_1();
    let refused = sandbox.run("--json count parcel").exits(1);
    assert_eq!(refused.error()["kind"], "unsupported");
    assert!(refused.err.contains("escrow upgrade"), "{}", refused.err);
    let all = sandbox.count("*");
    let line = sandbox.run("upgrade").ok().out;
    assert!(line.starts_with("format 4, was 1: ") && line.ends_with(" indexes got words\n"), "{line}");
    assert_eq!(sandbox.run("upgrade").ok().out, "format 4: nothing to do\n");
    assert_eq!(sandbox.count("*"), all);
    assert!(sandbox.count("parcel") > 50);
}
