//! Access packages: what a person gets, and what of others she doesn't.

use serde_json::{Value, json};

use crate::support::{Run, Sandbox};

/// Three talks: anna with staff, anna in bob's, and one that she has no part in.
const CHATS: &str = concat!(
    r#"{"id":"a1","conversation":"t1","author":"anna@example.org","subjects":["anna@example.org"],"time":"2026-05-01T10:00:00Z","tags":["lang:de"],"body":"Hallo"}"#,
    "\n",
    r#"{"id":"a2","conversation":"t1","author":"kim@shop.example","subjects":["anna@example.org"],"time":"2026-05-01T10:01:00Z","body":"Guten Tag, hier Kim","badge":"kim-4711"}"#,
    "\n",
    r#"{"id":"b1","conversation":"t2","author":"bob@example.org","subjects":["bob@example.org"],"time":"2026-05-01T11:00:00Z","body":"BOBS-SECRET"}"#,
    "\n",
    r#"{"id":"b2","conversation":"t2","author":"anna@example.org","subjects":["bob@example.org"],"time":"2026-05-01T11:01:00Z","body":"ANNA-TO-BOB"}"#,
    "\n",
    r#"{"id":"b3","conversation":"t2","author":"kim@shop.example","subjects":["bob@example.org"],"time":"2026-05-01T11:02:00Z","body":"KIM-TO-BOB"}"#,
    "\n",
    r#"{"id":"c1","conversation":"t3","author":"cid@example.org","subjects":["cid@example.org"],"time":"2026-05-01T12:00:00Z","body":"CIDS-SECRET"}"#,
    "\n",
    r#"{"id":"d1","conversation":"t4","author":"cid@example.org","subjects":["cid@example.org"],"time":"2026-05-01T13:00:00Z","body":"CID-IN-A-ROOM"}"#,
    "\n",
    r#"{"id":"d2","conversation":"t4","author":"anna@example.org","subjects":["anna@example.org"],"time":"2026-05-01T13:01:00Z","kind":"join","body":""}"#,
    "\n",
);

pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.run_with("import --lenient -", CHATS).ok();
    sandbox
}

pub(crate) fn key(sandbox: &Sandbox) -> String {
    sandbox.run("--json key public").ok().lines()[0]["key"].as_str().unwrap().to_owned()
}

pub(crate) fn package(sandbox: &Sandbox, others: &str, format: &str) -> Value {
    let line =
        format!("--json export --subject anna@example.org --others {others} --format {format} --output e");
    sandbox.run(&line).ok().lines().remove(0)
}

pub(crate) fn verify(sandbox: &Sandbox, key: &str) -> Run {
    sandbox.args(&["--json", "verify-export", "e", "--key", key], "")
}

/// The records of a package; what it says beside them is left out.
fn records(sandbox: &Sandbox) -> Vec<Value> {
    let lines = sandbox.read("e");
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line.get("section").is_none()).collect()
}

#[test]
fn others_are_called_by_names_of_this_export() {
    let sandbox = sandbox();
    let key = key(&sandbox);
    let told = package(&sandbox, "pseudonym", "jsonl");
    let numbers =
        ["count", "own", "of_others", "withheld", "people", "fields", "unproved"].map(|n| told[n].as_u64());
    assert_eq!(numbers, [7, 4, 3, 0, 3, 1, 5].map(Some));
    let who: Vec<_> =
        records(&sandbox).iter().map(|r| json!([r["id"], r["author"], r["subjects"]])).collect();
    assert_eq!(
        Value::from(who),
        json!([
            ["a1", "anna@example.org", ["anna@example.org"]],
            ["a2", "other-1", ["anna@example.org"]],
            ["b1", "other-2", ["other-2"]],
            ["b2", "anna@example.org", ["other-2"]],
            ["b3", "other-1", ["other-2"]],
            ["d1", "other-3", ["other-3"]],
            ["d2", "anna@example.org", ["anna@example.org"]],
        ])
    );
    for file in ["e", "e.proof", "e.manifest.json"] {
        let text = sandbox.read(file);
        for name in ["kim", "bob@", "cid", "4711", "CIDS"] {
            assert!(!text.contains(name), "{name} in {file}");
        }
        // Nor in what is written as base64.
        for line in text.lines().flat_map(|line| line.split(' ')) {
            let clear = String::from_utf8_lossy(&unbase64(line)).into_owned();
            for name in ["kim@", "bob@", "cid@", "4711"] {
                assert!(!clear.contains(name), "{name} in {file}");
            }
        }
    }
    let manifest: Value = serde_json::from_str(&sandbox.read("e.manifest.json")).unwrap();
    assert_eq!(
        manifest["package"],
        json!({
            "others": "pseudonym", "names": ["anna@example.org"], "own": 4, "of_others": 3, "withheld": 0, "people": 3,
            "fields": 1, "unproved": 5, "why": "their proof would open who the others are",
            "told": {"consents": 0, "requests": 0, "looks": 2, "recipients": 0},
        })
    );
    let seen = verify(&sandbox, &key).ok().lines().remove(0);
    assert_eq!((&seen["proved"], &seen["shown"], &seen["people"]), (&json!(2), &json!(5), &json!(1)));
    // A line that is the signer's word is signed all the same.
    sandbox.write("e", sandbox.read("e").replace("BOBS-SECRET", "BOBS-SECRETS"));
    let fault = verify(&sandbox, &key).exits(6).lines()[0]["first"][0].clone();
    assert_eq!((&fault["fault"], &fault["line"]), (&json!("changed"), &json!(3)));
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut n) = (Vec::new(), 0u32, 0);
    for c in text.chars() {
        let Some(digit) = digits.find(c) else { continue };
        (bits, n) = (bits << 6 | digit as u32, n + 6);
        if n >= 8 {
            n -= 8;
            bytes.push((bits >> n) as u8);
        }
    }
    bytes
}

#[test]
fn others_are_withheld_or_included() {
    let sandbox = sandbox();
    let key = key(&sandbox);
    let told = package(&sandbox, "withheld", "jsonl");
    let numbers = ["count", "own", "of_others", "withheld", "people"].map(|n| told[n].as_u64());
    assert_eq!(numbers, [4, 4, 0, 3, 2].map(Some));
    let text = sandbox.read("e") + &sandbox.read("e.proof");
    for word in ["BOBS", "KIM-TO", "CID-IN", "kim@", "bob@"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("ANNA-TO-BOB") && text.contains("hier Kim"), "what is hers, and what is about her");
    assert_eq!(verify(&sandbox, &key).ok().lines()[0]["withheld"], 3);
    let told = package(&sandbox, "included", "jsonl");
    assert_eq!((&told["count"], &told["unproved"], &told["people"]), (&json!(7), &json!(0), &json!(3)));
    let text = sandbox.read("e");
    assert!(text.contains("kim@shop.example") && text.contains("4711") && !text.contains("CIDS-SECRET"));
    let seen = verify(&sandbox, &key).ok().lines().remove(0);
    assert_eq!((&seen["proved"], &seen["shown"]), (&json!(7), &json!(0)));
    // Without it an export of a person is what it always was.
    sandbox.run("export --subject anna@example.org --output e").ok();
    let ids: Vec<_> = records(&sandbox).iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, ["a1", "a2", "d2"]);
    let manifest: Value = serde_json::from_str(&sandbox.read("e.manifest.json")).unwrap();
    assert_eq!((&manifest["version"], manifest.get("package")), (&json!(2), None));
}

#[test]
fn every_form_of_a_package_is_proved() {
    let sandbox = sandbox();
    let key = key(&sandbox);
    for (others, proved, shown) in [("pseudonym", 2, 5), ("withheld", 2, 2), ("included", 7, 0)] {
        for format in ["html", "csv", "vcon"] {
            package(&sandbox, others, format);
            let seen = verify(&sandbox, &key).ok().lines().remove(0);
            assert_eq!(
                (&seen["proved"], &seen["shown"], &seen["shows"]),
                (&json!(proved), &json!(shown), &json!(true)),
                "{others} {format}"
            );
            by_another_program(&sandbox, &key, proved, shown);
        }
        package(&sandbox, others, "jsonl");
        by_another_program(&sandbox, &key, proved, shown);
    }
}

/// The second verifier, which was written from the page on formats, says the same.
pub(crate) fn by_another_program(sandbox: &Sandbox, key: &str, proved: u64, shown: u64) {
    let Some(python) = std::env::var_os("ESCROW_PYTHON") else {
        eprintln!("left out: ESCROW_PYTHON names no Python with its packages");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/evidence.py");
    let run = || {
        let mut command = std::process::Command::new(&python);
        command.args([script, "export", "e", "--key", key]).current_dir(&sandbox.folder).output().unwrap()
    };
    let told = run();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["proved"], &told["words"]), (&json!(proved), &json!(shown)));
    let proof = sandbox.read("e.proof");
    sandbox.write("e.proof", proof.replacen("\np ", "\np 1", 1));
    assert!(!run().status.success());
    sandbox.write("e.proof", proof);
}

#[test]
fn a_page_says_what_it_is() {
    let sandbox = sandbox();
    for (others, words) in [
        (
            "pseudonym",
            &["called other-1", "4 records by you or about you; 3 records of others", "further fields"][..],
        ),
        ("withheld", &["was left out", "Left out: 3 records that others wrote", "Article 15(4)"]),
        ("included", &["under their names", "kim@shop.example"]),
    ] {
        package(&sandbox, others, "html");
        let page = sandbox.read("e");
        for word in
            ["<html lang=\"en\">", "Article 15", "Article 20", "2016/679", "Made on <time", "was erased"]
                .iter()
                .chain(words)
        {
            assert!(page.contains(word), "{others}: {word}\n{page}");
        }
        assert_eq!(page.contains("kim@shop.example"), others == "included");
        assert!(!page.contains("CIDS-SECRET") && page.contains("<div dir=\"auto\" lang=\"de\">Hallo"));
        assert_eq!(page.matches("<em>by you</em>").count(), 3);
        assert_eq!(page.matches("<em>about you</em>").count(), 1);
        let of_others = if others == "withheld" { 0 } else { 3 };
        assert_eq!(page.matches("<em>of somebody else</em>").count(), of_others);
    }
    package(&sandbox, "pseudonym", "csv");
    let table = sandbox.read("e");
    assert!(table.lines().next().unwrap().ends_with(",extra,target,whose"), "{table}");
    assert_eq!((table.matches(",own\r\n").count(), table.matches(",other\r\n").count()), (4, 3));
}

#[test]
fn a_package_is_of_a_person() {
    let sandbox = sandbox();
    sandbox.run("export --conversation t1 --others pseudonym --output e").exits(2);
    sandbox.run("export --subject anna@example.org --others everybody --output e").exits(2);
    sandbox.run("export --subject nobody --others withheld --output e").exits(3);
    assert!(!sandbox.has("e"));
    // Without a value others are pseudonyms.
    let told =
        sandbox.run("--json export --subject anna@example.org --output e --others").ok().lines().remove(0);
    assert_eq!(told["others"], "pseudonym");
    // Somebody may be called as others are.
    let line =
        r#"{"id":"x1","conversation":"t9","author":"other-1","time":"2026-05-02T10:00:00Z","body":"I am"}"#;
    let reply = r#"{"id":"x2","conversation":"t9","author":"bob@example.org","time":"2026-05-02T10:01:00Z","body":"so?"}"#;
    sandbox.run_with("import -", format!("{line}\n{reply}\n")).ok();
    sandbox.run("export --subject other-1 --others --output e").ok();
    let who: Vec<_> = records(&sandbox).iter().map(|r| r["author"].clone()).collect();
    assert_eq!(who, ["other-1", "other-2"]);
    // Two names of one person are hers in both.
    sandbox.run("subject link anna@example.org bob@example.org").ok();
    let told = package(&sandbox, "pseudonym", "jsonl");
    assert!(sandbox.read("e").contains("bob@example.org") && told["own"].as_u64() > Some(4));
}

/// A package of somebody who is restricted said 0 records, and not why.
#[test]
fn what_is_restricted_and_left_out_is_counted() {
    let sandbox = sandbox();
    let told = package(&sandbox, "pseudonym", "jsonl");
    assert_eq!((&told["own"], told.get("restricted")), (&json!(4), None));
    sandbox.run("restrict place r1 --subject anna@example.org --matter M --ground G --as dana").ok();
    let run = sandbox.run("export --subject anna@example.org --others --output e").ok();
    assert!(run.err.contains("3 records are restricted") && run.err.contains("--case"), "{}", run.err);
    // Hers in a record about another is restricted with him, and with nobody else.
    let told = package(&sandbox, "pseudonym", "jsonl");
    assert_eq!((&told["own"], &told["restricted"]), (&json!(1), &json!(3)));
    for word in ["Hallo", "hier Kim"] {
        assert!(!sandbox.read("e").contains(word));
    }
    let told = sandbox.run("--json --case r1 export --subject anna@example.org --others --output e").ok();
    assert_eq!((&told.lines()[0]["own"], told.lines()[0].get("restricted")), (&json!(4), None));
    assert!(!told.err.contains("restricted"), "{}", told.err);
    let told = sandbox.run("--json export --subject anna@example.org --output e").ok().lines().remove(0);
    assert_eq!((&told["count"], &told["restricted"]), (&json!(0), &json!(3)));
    let told = sandbox.run("--json export --subject bob@example.org --output e").ok().lines().remove(0);
    assert_eq!((&told["count"], told.get("restricted")), (&json!(3), None));
}
