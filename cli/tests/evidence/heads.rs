//! Evidence from the command line: heads of the log, proofs of records, and what is checked without a
//! store.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;

use crate::support::Sandbox;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::store::SignedCheckpoint;
use serde_json::{Value, json};

/// Key of the store in `s`, as it is handed to others.
fn key(sandbox: &Sandbox) -> String {
    sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned()
}

/// Copies the folder and the slot of a store.
fn copy(sandbox: &Sandbox, from: &str, to: &str) {
    fs::copy(sandbox.folder.join(format!("{from}.slot")), sandbox.folder.join(format!("{to}.slot"))).unwrap();
    for part in ["", "log"] {
        fs::create_dir_all(sandbox.folder.join(to).join(part)).unwrap();
        for entry in fs::read_dir(sandbox.folder.join(from).join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, sandbox.folder.join(to).join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}

const LATER: &str = r#"{"id":"late","conversation":"c9","author":"zoe@example.org","time":"2026-03-01T00:00:00Z","body":"late"}"#;

#[test]
fn a_checkpoint_is_printed_written_and_checked_without_a_store() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let note = sandbox.run("checkpoint").ok().out.clone();
    assert!(note.starts_with("escrowdb.local/") && note.contains("\n\n\u{2014} escrowdb.local/"), "{note}");
    let json = sandbox.run("--json checkpoint").ok().lines()[0].clone();
    assert_eq!(json["checkpoint"], note, "the same moment, the same bytes");
    sandbox.run("checkpoint --output kept").ok();
    assert_eq!(sandbox.read("kept"), note);
    // From here on nobody has the store.
    let apart = |args: &[&str]| sandbox.args(args, "");
    let seen = apart(&["--json", "verify-checkpoint", "kept", "--key", &key]).ok().lines()[0].clone();
    assert_eq!(
        (&seen["ok"], &seen["size"], &seen["root"]),
        (&Value::Bool(true), &json["size"], &json["root"])
    );
    sandbox.write("bad", note.replacen('\n', "\n1", 1));
    apart(&["verify-checkpoint", "bad", "--key", &key]).exits(6);
    sandbox.write("bad", "hello\n");
    apart(&["verify-checkpoint", "bad", "--key", &key]).exits(6);
    apart(&["verify-checkpoint", "nowhere", "--key", &key]).exits(1);
    apart(&["verify-checkpoint", "kept"]).exits(2);
    let run = apart(&["verify-checkpoint", "kept", "--key", "secret+word"]).exits(2);
    assert!(!run.err.contains("secret"), "{}", run.err);
    sandbox.run("checkpoint --output s/inside").exits(2);
}

#[test]
fn a_later_head_is_proved_to_continue_an_earlier_one() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    sandbox.run("checkpoint --output kept").ok();
    sandbox.run_with("add", LATER).ok();
    sandbox.run("erase --record late --yes").ok();
    sandbox.run("checkpoint --since kept --output steps").ok();
    let apart = |args: &[&str]| sandbox.args(args, "");
    let line = apart(&["--json", "verify-checkpoint", "steps", "--key", &key, "--since", "kept"]).ok();
    assert_eq!(line.lines()[0]["continues"], true);
    // Without a proof nothing is said, and a proof from elsewhere says nothing.
    sandbox.run("checkpoint --output later").ok();
    apart(&["verify-checkpoint", "later", "--key", &key, "--since", "kept"]).exits(2);
    apart(&["verify-checkpoint", "steps", "--key", &key, "--since", "later"]).exits(6);
    apart(&["verify-checkpoint", "kept", "--key", &key, "--since", "kept"]).ok();
    let line = sandbox.run("--json checkpoint --since kept").ok().lines()[0].clone();
    assert_eq!(line["proof"], sandbox.read("steps"));
}

#[test]
fn a_record_is_proved_to_somebody_without_a_store() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let id = sandbox.run("--json search * --limit 1").ok().lines()[0]["id"].as_str().unwrap().to_owned();
    let hit = sandbox.args(&["--store", "s", "--json", "get", &id], "").ok().lines()[0].clone();
    sandbox.run("checkpoint --output kept").ok();
    sandbox.run_with("add", LATER).ok();
    let proved = ["--store", "s", "proof", &id, "--checkpoint", "kept", "--output", "p.tlog-proof"];
    sandbox.args(&proved, "").ok();
    assert!(sandbox.read("p.tlog-proof").ends_with(&sandbox.read("kept")));
    let line = sandbox.args(&["--store", "s", "--json", "proof", &id], "").ok().lines()[0].clone();
    assert_eq!((&line["id"], &line["seq"]), (&hit["id"], &hit["seq"]));
    let apart = |args: &[&str]| sandbox.args(args, "");
    let seen = apart(&["--json", "verify-proof", "p.tlog-proof", "--key", &key]).ok().lines()[0].clone();
    assert_eq!((&seen["ok"], &seen["seq"]), (&Value::Bool(true), &hit["seq"]));
    for field in ["id", "conversation", "time", "channel", "kind", "tags", "body", "reply_to"] {
        assert_eq!(seen["record"][field], hit[field], "{field}");
    }
    // Who that is says her own record.
    let author = seen["record"]["author"].as_u64().unwrap();
    sandbox.args(&["--store", "s", "proof", &format!("person/{author}"), "--output", "who"], "").ok();
    let who = apart(&["--json", "verify-proof", "who", "--key", &key]).ok().lines()[0].clone();
    assert_eq!(who["record"]["person"]["identifiers"][0], hit["author"]);
    let text = sandbox.read("p.tlog-proof");
    let sabotage = |at: usize| {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        sandbox.write("bad", bytes);
        apart(&["verify-proof", "bad", "--key", &key]).exits(6);
    };
    (0..text.len()).step_by(41).for_each(sabotage);
    sandbox.run("proof late --checkpoint kept").exits(2);
    sandbox.run("proof nothing").exits(3);
}

#[test]
fn the_erased_have_no_proof_and_the_act_has() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let record = sandbox.run("--json search * --limit 1").ok().lines()[0].clone();
    let id = record["id"].as_str().unwrap();
    let erased = ["--store", "s", "erase", "--subject", record["author"].as_str().unwrap(), "--yes"];
    let certificate = sandbox.args(&erased, "").ok().lines()[0].clone();
    let unknown = sandbox.run("--json proof no-such-record").exits(3);
    let gone = sandbox.args(&["--store", "s", "--json", "proof", id], "").exits(3);
    assert_eq!(gone.err, unknown.err, "erased is unknown");
    let act = format!("erased/{}", certificate["request"].as_str().unwrap());
    sandbox.args(&["--store", "s", "proof", &act, "--output", "act"], "").ok();
    let seen = sandbox.args(&["--json", "verify-proof", "act", "--key", &key], "").ok().lines()[0].clone();
    assert_eq!(seen["record"]["kind"], "erased");
}

#[test]
fn verify_names_what_a_kept_checkpoint_has_and_the_folder_has_not() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    copy(&sandbox, "s", "old");
    sandbox.run_with("add", LATER).ok();
    sandbox.run("checkpoint --output kept").ok();
    let line = sandbox.run("--json verify --against kept").ok().lines()[0].clone();
    assert_eq!((&line["ok"], &line["continues"]), (&Value::Bool(true), &Value::Bool(true)));
    // Put back: a good store, but for what somebody remembers of it.
    let old = |args: &[&str]| sandbox.args(&[&["--store", "old"], args].concat(), "");
    old(&["verify", "--read-data"]).ok();
    let run = old(&["--json", "verify", "--against", "kept"]).exits(6);
    let line = &run.lines()[0];
    assert_eq!((&line["ok"], &line["continues"]), (&Value::Bool(false), &Value::Bool(false)));
    assert!(line["damage"][0].as_str().unwrap().contains("are missing"), "{line}");
    // And grown to another history of the same length: two texts that prove it to everybody.
    sandbox.args(&["--store", "old", "add"], LATER.replace("late\"}", "other\"}")).ok();
    old(&["verify", "--against", "kept"]).exits(6);
    old(&["checkpoint", "--output", "forked"]).ok();
    let run = sandbox.args(&["--json", "verify-checkpoint", "forked", "--key", &key, "--since", "kept"], "");
    let heads = run.exits(6).lines()[0]["two_heads"].clone();
    assert_eq!(heads, serde_json::json!([sandbox.read("kept"), sandbox.read("forked")]));
    // A checkpoint of another log.
    sandbox.args(&["--store", "t", "init"], "").ok();
    sandbox.args(&["--store", "t", "checkpoint", "--output", "foreign"], "").ok();
    sandbox.run("verify --against foreign").exits(6);
}

/// A policy wants witnesses; which of them are missing is said, and a log that signed two histories is
/// convicted without them.
#[test]
fn a_policy_asks_for_witnesses_and_says_which_are_missing() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    sandbox.run("checkpoint --output kept").ok();
    let kept = SignedCheckpoint::parse(sandbox.read("kept").as_bytes()).unwrap();
    let [ann, ben] =
        ["ann.example", "ben.example"].map(|name| Cosigner::new(name, &[name.as_bytes()[0]; 32]).unwrap());
    let lines = [ann.cosign(&kept, 1_700_000_000).unwrap(), ben.cosign(&kept, 1_700_000_060).unwrap()];
    let names = format!("witness ann {}\nwitness ben {}\n", ann.verifier_key(), ben.verifier_key());
    sandbox.write("both.policy", format!("log {key}\n{names}group both all ann ben\nquorum both\n"));
    sandbox.write("any.policy", format!("log {key}\n{names}group any 1 ann ben\nquorum any\n"));
    sandbox.write("one", kept.with(&lines[..1]).unwrap().to_string());
    sandbox.write("two", kept.with(&lines).unwrap().to_string());
    let check = |file: &str, policy: &str| {
        sandbox.args(&["--json", "verify-checkpoint", file, "--policy", policy], "")
    };
    let run = check("one", "both.policy").exits(6);
    assert!(run.err.contains("1 of 2 that both wants of 2; missing ben"), "{}", run.err);
    check("kept", "any.policy").exits(6);
    let seen = check("one", "any.policy").ok().lines()[0].clone();
    assert_eq!(
        seen["cosigned"],
        serde_json::json!([{"name": "ann.example", "time": "2023-11-14T22:13:20Z"}])
    );
    assert_eq!(check("two", "both.policy").ok().lines()[0]["cosigned"].as_array().unwrap().len(), 2);
    // The same for a record, which is proved in the head that was cosigned.
    let id = sandbox.run("--json search * --limit 1").ok().lines()[0]["id"].as_str().unwrap().to_owned();
    sandbox.args(&["--store", "s", "proof", &id, "--checkpoint", "two", "--output", "p"], "").ok();
    let apart = |args: &[&str]| sandbox.args(args, "");
    assert!(
        apart(&["verify-proof", "p", "--policy", "both.policy"])
            .ok()
            .out
            .contains("cosigned by ann.example at")
    );
    apart(&["verify-proof", "p", "--key", &key]).ok();
    sandbox.args(&["--store", "s", "proof", &id, "--checkpoint", "one", "--output", "q"], "").ok();
    apart(&["verify-proof", "q", "--policy", "both.policy"]).exits(6);
    // One of the two ways, and files that say something.
    apart(&["verify-proof", "p"]).exits(2);
    apart(&["verify-proof", "p", "--key", &key, "--policy", "any.policy"]).exits(2);
    apart(&["verify-proof", "p", "--key", &ann.verifier_key().to_string()]).exits(2);
    sandbox.write("no.policy", format!("log {key}\nquorum x\n"));
    let run = apart(&["verify-proof", "p", "--policy", "no.policy"]).exits(2);
    assert!(run.err.contains("line 2"), "{}", run.err);
    // A fork needs no witness to be told.
    copy(&sandbox, "s", "old");
    sandbox.run_with("add", LATER).ok();
    sandbox.run("checkpoint --output mine").ok();
    sandbox.args(&["--store", "old", "add"], LATER.replace("late\"}", "other\"}")).ok();
    sandbox.args(&["--store", "old", "checkpoint", "--output", "forked"], "").ok();
    let run = apart(&["--json", "verify-checkpoint", "forked", "--policy", "both.policy", "--since", "mine"]);
    assert_eq!(run.exits(6).lines()[0]["two_heads"].as_array().unwrap().len(), 2);
}

#[test]
fn a_certificate_is_checked_without_a_store_and_printed_again() {
    let sandbox = Sandbox::with_sample();
    let key = key(&sandbox);
    let erase = "erase --subject anna@example.org --basis consent-withdrawn --reason asked --yes --certificate c.json";
    let printed = sandbox.run(erase).ok();
    assert_eq!(sandbox.read("c.json"), printed.out);
    let certificate = printed.lines().remove(0);
    assert_eq!((&certificate["signed"], &certificate["basis"]), (&json!(true), &json!("consent-withdrawn")));
    let apart = |args: &[&str]| sandbox.args(args, "");
    let seen = apart(&["--json", "verify-certificate", "c.json", "--key", &key]).ok().lines().remove(0);
    assert_eq!(
        (&seen["ok"], &seen["erased"], &seen["handles"]),
        (&json!(true), &json!("person"), &certificate["handles"])
    );
    let told = apart(&["verify-certificate", "c.json", "--key", &key]).ok().out.clone();
    for words in
        ["proved: the log ", "a person was erased", "legal ground: consent-withdrawn", "not proved: copies"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let request = certificate["request"].as_str().unwrap();
    let again = sandbox.run(&format!("{erase} --request-id {request}")).ok();
    assert_eq!(again.out, printed.out, "the same bytes");
    // Without whom it was about: by its name, and in a later head that others may have signed.
    sandbox.run_with("add", LATER).ok();
    sandbox.run("checkpoint --output kept").ok();
    for more in ["", " --checkpoint kept"] {
        sandbox.run(&format!("certificate {request} --output d.json{more}")).ok();
        apart(&["verify-certificate", "d.json", "--key", &key]).ok();
    }
    assert!(sandbox.read("d.json").contains(sandbox.read("kept").lines().nth(2).unwrap()));
    sandbox.run("certificate 000102030405060708090a0b0c0d0e0f").exits(3);
    sandbox.run("certificate zz").exits(2);
    sandbox.run("erase --subject bob@example.org --basis because --yes").exits(2);
    apart(&["verify-certificate", "c.json"]).exits(2);
    for bad in ["", "{}", "hello"] {
        sandbox.write("bad", bad);
        apart(&["verify-certificate", "bad", "--key", &key]).exits(6);
    }
    let text = printed.out.clone().into_bytes();
    for at in (0..text.len()).step_by(67).chain([text.len() - 1]) {
        let mut bytes = text.clone();
        bytes[at] ^= 1;
        sandbox.write("bad", bytes);
        apart(&["verify-certificate", "bad", "--key", &key]).exits(6);
    }
}
