//! Exports with proof from the command line, and their check without a store.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use crate::support::{Run, Sandbox};
use serde_json::{Value, json};

fn key(sandbox: &Sandbox) -> String {
    sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned()
}

fn manifest(sandbox: &Sandbox, file: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!("{file}.manifest.json"))).unwrap()
}

/// Checks without naming a store.
fn check(sandbox: &Sandbox, file: &str, key: &str) -> Run {
    sandbox.args(&["--json", "verify-export", file, "--key", key], "")
}

#[test]
fn an_export_is_signed_and_verifies_without_the_store() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let export = "--json --as dana --purpose access --case 2026-17 export --subject bob@example.org --output bob.jsonl";
    let told = sandbox.run(export).ok().lines()[0].clone();
    let says = manifest(&sandbox, "bob.jsonl");
    assert_eq!(says["asked"], json!({"subject": "bob@example.org"}));
    assert_eq!(
        [
            &says["version"],
            &says["signed"],
            &says["complete"],
            &says["actor"],
            &says["purpose"],
            &says["case"]
        ],
        [&json!(2), &json!(true), &json!(true), &json!("dana"), &json!("access"), &json!("2026-17")]
    );
    let bob = sandbox.run("--json subject show bob@example.org").ok().lines()[0].clone();
    assert_eq!(says["handle"], bob["handle"]);
    assert_eq!((&told["signed"], &told["proof_bytes"]), (&json!(true), &says["proof"]["bytes"]));
    assert_eq!(told["proof_bytes"], sandbox.read("bob.jsonl.proof").len());
    std::fs::rename(sandbox.folder.join("s"), sandbox.folder.join("gone")).unwrap();
    let seen = check(&sandbox, "bob.jsonl", &key).ok().lines()[0].clone();
    let names: Vec<&String> = seen.as_object().unwrap().keys().collect();
    let wanted = [
        "ok", "origin", "size", "root", "cosigned", "format", "count", "lines", "proved", "people", "named",
        "unknown", "complete", "faults", "first",
    ];
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    assert_eq!(
        {
            let mut names = names.clone();
            names.sort_unstable();
            names
        },
        sorted
    );
    assert_eq!((&seen["ok"], &seen["proved"], &seen["people"]), (&json!(true), &json!(3), &json!(1)));
    let text = sandbox.args(&["verify-export", "bob.jsonl", "--key", &key], "").ok().out;
    for part in ["purpose: access", "proved: 3 of 3 lines", "not proved, but the signer's word"] {
        assert!(text.contains(part), "{text}");
    }
    // The files may get other names together.
    for ending in ["", ".proof", ".manifest.json"] {
        let at = |name: &str| sandbox.folder.join(format!("{name}{ending}"));
        std::fs::rename(at("bob.jsonl"), at("mine")).unwrap();
    }
    check(&sandbox, "mine", &key).ok();
}

#[test]
fn faults_are_named_by_line_and_end_with_exit_6() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    sandbox.run("export --query * --output e.jsonl").ok();
    let good = sandbox.read("e.jsonl");
    sandbox.write("e.jsonl", good.replace("invoice", "refund"));
    let run = check(&sandbox, "e.jsonl", &key).exits(6);
    let seen = run.lines()[0].clone();
    assert_eq!((&seen["ok"], &seen["faults"], &seen["proved"]), (&json!(false), &json!(1), &json!(3)));
    assert_eq!(seen["first"][0]["fault"], "changed");
    assert_eq!((&seen["first"][0]["line"], &seen["first"][0]["exported_line"]), (&json!(3), &json!(3)));
    assert_eq!(run.error()["kind"], "corrupt");
    // Whoever changes what the manifest says, and not the file, has no signature over it.
    let says = sandbox.read("e.jsonl.manifest.json");
    let other = says.replacen("\"asked\":{\"query\":\"*\"}", "\"asked\":{\"query\":\"a\"}", 1);
    assert_ne!(says, other);
    sandbox.write("e.jsonl", &good);
    sandbox.write("e.jsonl.manifest.json", other);
    check(&sandbox, "e.jsonl", &key).exits(6);
    sandbox.write("e.jsonl.manifest.json", says);
    check(&sandbox, "e.jsonl", &key).ok();
    let short = ["verify-export", "e.jsonl", "--key", &key, "--faults", "2"];
    sandbox.write("e.jsonl", "x\n".repeat(5));
    let text = sandbox.args(&short, "").exits(6).out;
    assert!(text.contains("line 1: changed") && text.contains("and 3 more"), "{text}");
    sandbox.write("e.jsonl", &good);
    check(&sandbox, "e.jsonl", &key).ok();
    // Files that are not there, other keys, and what was never signed.
    let other = Sandbox::with_sample();
    check(&sandbox, "e.jsonl", &self::key(&other)).exits(6);
    sandbox.args(&["verify-export", "e.jsonl"], "").exits(2);
    std::fs::remove_file(sandbox.folder.join("e.jsonl.proof")).unwrap();
    check(&sandbox, "e.jsonl", &key).exits(1);
    check(&sandbox, "nothing", &key).exits(1);
    sandbox.run("export --unsigned --query * --output u.jsonl").ok();
    assert_eq!(manifest(&sandbox, "u.jsonl")["signed"], false);
    assert!(!sandbox.has("u.jsonl.proof"));
    check(&sandbox, "u.jsonl", &key).exits(6);
}

/// Pages, tables and vCons are proved record by record, and shown to be made of these records.
#[test]
fn other_formats_are_proved_by_making_them_again() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    for format in ["html", "csv", "vcon"] {
        let told = sandbox.run(&format!("--json export --query * --format {format} --output e")).ok();
        let says = manifest(&sandbox, "e");
        assert_eq!((&told.lines()[0]["proof_bytes"], &says["version"]), (&says["proof"]["bytes"], &json!(2)));
        let seen = check(&sandbox, "e", &key).ok().lines().remove(0);
        assert_eq!(
            (&seen["proved"], &seen["people"], &seen["shows"]),
            (&json!(4), &json!(3), &json!(true)),
            "{format}"
        );
        let text = sandbox.args(&["verify-export", "e", "--key", &key], "").ok().out;
        assert!(
            text.contains("proved: 4 of 4 records") && text.contains("shows these records and nothing else"),
            "{text}"
        );
        let good = sandbox.read("e");
        sandbox.write("e", good.replacen("Lampe", "Lande", 1));
        assert_eq!(check(&sandbox, "e", &key).exits(6).lines()[0]["first"][0]["fault"], "file");
        sandbox.write("e", &good);
        let proof = sandbox.read("e.proof");
        sandbox.write("e.proof", proof.replacen("\no ", "\nr ", 1));
        check(&sandbox, "e", &key).exits(6);
        let first = proof.lines().find(|line| line.starts_with("o ")).unwrap();
        let without = proof.replacen(&format!("{first}\n"), "", 1);
        sandbox.write("e.proof", without);
        check(&sandbox, "e", &key).exits(6);
        sandbox.write("e.proof", &proof);
        check(&sandbox, "e", &key).ok();
    }
}

/// What a shell has open it exports likewise; what is checked needs no store.
#[test]
fn a_shell_exports_and_checks() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let script = format!("help\nexport --query * --output e.jsonl\nverify-export e.jsonl --key {key}\n");
    let run = sandbox.run_with("shell", script).ok();
    for command in ["verify-export", "verify-certificate", "verify-proof", "verify-checkpoint"] {
        assert!(run.out.contains(command), "help lists {command}");
    }
    assert!(run.out.contains("proved: 4 of 4 lines"), "{}", run.out);
}

/// An export that nobody signed and that takes the place of one with proof takes its proof too: it belongs to no file
/// any more, and names people.
#[test]
fn no_proof_stays_of_an_export_that_was_replaced() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    for replaced in ["jsonl", "csv"] {
        sandbox.run(&format!("export --query * --format {replaced} --output e")).ok();
        assert!(sandbox.has("e.proof"));
        sandbox.run("export --query * --unsigned --output e").ok();
        assert!(!sandbox.has("e.proof"), "{replaced}");
    }
    // One that has a proof brings its own.
    for format in ["html", "jsonl", "vcon", "csv"] {
        sandbox.run(&format!("export --query * --format {format} --output e")).ok();
        check(&sandbox, "e", &key).ok();
    }
    // An export that fails leaves the older one whole.
    sandbox.run("export --query * --output e").ok();
    sandbox.run("export --subject nobody --format html --output e").exits(3);
    check(&sandbox, "e", &key).ok();
    // What only has the name of a proof is somebody else's.
    sandbox.write("e.proof", "of concept\n");
    sandbox.run("export --query * --unsigned --output e").ok();
    assert_eq!(sandbox.read("e.proof"), "of concept\n");
}

/// Witnesses cosign a checkpoint later than an export is made, so it is given as it came back from them: by
/// as many as the policy wants, each once, and no other checkpoint.
#[test]
fn a_quorum_must_have_seen_the_log_of_an_export() {
    let sandbox = Sandbox::with_sample();
    let log = key(&sandbox);
    let mut policy = format!("log {log}\n");
    for name in ["ann", "ben", "cid"] {
        sandbox.args(&["witness", "init", "--dir", name, "--name", &format!("{name}.example")], "").ok();
        sandbox.args(&["witness", "add-log", "--dir", name, &log], "").ok();
        let shown = sandbox.args(&["--json", "witness", "show", "--dir", name], "").ok().lines()[0].clone();
        policy += &format!("witness {name} {}\n", shown["witness"].as_str().unwrap());
    }
    sandbox.write("policy", policy + "group g 2 ann ben cid\nquorum g\n");
    sandbox.run("export --query * --output e.jsonl").ok();
    let head = manifest(&sandbox, "e.jsonl")["checkpoint"].as_str().unwrap().to_owned();
    let cosigned = |names: &[&str]| {
        let lines = names.iter().map(|name| sandbox.read(&format!("{name}.line")));
        sandbox.write("head", head.clone() + &lines.collect::<String>());
        let checked = ["--json", "verify-export", "e.jsonl", "--policy", "policy", "--checkpoint", "head"];
        sandbox.args(&checked, "")
    };
    for name in ["ann", "ben"] {
        let line = sandbox.args(&["witness", "sign", "--dir", name], format!("old 0\n\n{head}")).ok().out;
        sandbox.write(&format!("{name}.line"), line);
    }
    let alone = ["verify-export", "e.jsonl", "--policy", "policy"];
    let run = sandbox.args(&alone, "").exits(6);
    assert!(run.err.contains("too few witnesses: 0 of 2 that g wants of 3"), "{}", run.err);
    cosigned(&["ann"]).exits(6);
    cosigned(&["ann", "ann"]).exits(6);
    let seen = cosigned(&["ann", "ben"]).ok().lines()[0].clone();
    assert_eq!((&seen["ok"], seen["cosigned"].as_array().unwrap().len()), (&json!(true), 2));
    // Whom a policy without quorum or a key alone believes, and a later checkpoint with all cosignatures.
    sandbox.write("lax", format!("log {log}\nquorum none\n"));
    sandbox.args(&["verify-export", "e.jsonl", "--policy", "lax"], "").ok();
    check(&sandbox, "e.jsonl", &log).ok();
    let late = r#"{"id":"late","conversation":"c9","author":"zoe@example.org","time":"2026-03-01T00:00:00Z","body":"late"}"#;
    sandbox.run_with("add", late).ok();
    sandbox.write("cosigned", sandbox.read("head"));
    sandbox.run("checkpoint --since cosigned --output body").ok();
    let lines = ["ann", "ben"]
        .map(|name| sandbox.args(&["witness", "sign", "--dir", name], sandbox.read("body")).ok().out);
    let later = sandbox.run("checkpoint").ok().out;
    sandbox.write("later", later + &lines.concat());
    sandbox.args(&["verify-checkpoint", "later", "--policy", "policy"], "").ok();
    let run = sandbox.args(&["verify-export", "e.jsonl", "--policy", "policy", "--checkpoint", "later"], "");
    assert!(run.exits(6).err.contains("at another checkpoint"));
}

/// What was exported before the log's key changed stays signed by the old one: with it, with a policy that holds
/// both, and for who learned the new key from the old one. With the new one alone an error says what to do.
#[test]
fn an_export_outlives_a_change_of_the_logs_key() {
    let sandbox = Sandbox::with_sample();
    let old = key(&sandbox);
    sandbox.run("export --query * --output e.jsonl").ok();
    sandbox.run("key rotate --output change").ok();
    let new = key(&sandbox);
    assert_ne!(old, new);
    let learned =
        sandbox.args(&["--json", "verify-key", "change", "--key", &old], "").ok().lines()[0].clone();
    assert_eq!(learned["key"], new);
    assert_eq!(check(&sandbox, "e.jsonl", &old).ok().lines()[0]["proved"], 4);
    for logs in [[&old, &new], [&new, &old]] {
        sandbox.write("policy", format!("log {}\nlog {}\nquorum none\n", logs[0], logs[1]));
        sandbox.args(&["verify-export", "e.jsonl", "--policy", "policy"], "").ok();
    }
    let error = check(&sandbox, "e.jsonl", &new).exits(6).error();
    assert_eq!(error["kind"], "corrupt");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("e.jsonl.manifest.json") && message.contains("another key of "), "{message}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("policy") && hint.contains("escrow verify-key"), "{hint}");
    // What is exported from now on is signed by the new one; a manifest says nothing by a mix of both.
    sandbox.run("export --query * --output f.jsonl").ok();
    check(&sandbox, "f.jsonl", &new).ok();
    check(&sandbox, "f.jsonl", &old).exits(6);
    sandbox.args(&["verify-export", "f.jsonl", "--policy", "policy"], "").ok();
    sandbox.write("e.jsonl.manifest.json", sandbox.read("f.jsonl.manifest.json"));
    sandbox.args(&["verify-export", "e.jsonl", "--policy", "policy"], "").exits(6);
}
