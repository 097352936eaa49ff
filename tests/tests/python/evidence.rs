//! A second verifier, in another language, written from `docs/FORMAT.md`: it takes what the engine
//! shows and refuses it with any bit turned. What is C2SP's own in it goes to somebody else's program too.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails where it stands, or says that it did not run"
)]

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;

use escrowdb::Store;
use escrowdb::id::Micros;
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::merkle::policy::Policy;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, SignedCheckpoint};
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::export::{Files, export};
use serde_json::Value;

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A script in a folder of its own, called many times in one process: a start of Python takes longer than
/// what is asked of it.
struct Script {
    python: String,
    path: PathBuf,
    // Before its folder, which nobody may be in when it goes.
    calls: RefCell<Calls>,
    dir: Folder,
}

/// `tests/calls.py`; it ends when nothing more can come.
struct Calls {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Drop for Calls {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// How a call ended.
#[derive(Debug, PartialEq)]
struct Answer {
    code: i64,
    out: String,
    err: String,
}

impl Script {
    /// Begins with a script of `tests`; or says, and does no more, that packages which it imports are not here.
    fn begin(script: &str, name: &str, imported: &str) -> Option<Self> {
        let python = std::env::var("ESCROW_PYTHON").unwrap_or_else(|_| "python3".into());
        let has = Command::new(&python).args(["-c", &format!("import {imported}")]).output();
        if !has.is_ok_and(|run| run.status.success()) {
            eprintln!("skipped: no Python that can import {imported} (ESCROW_PYTHON names one)");
            return None;
        }
        let name = format!("escrow-evidence-{name}-{}", std::process::id());
        let dir = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&dir.0).unwrap();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = tests.join(script);
        let mut child = Command::new(&python)
            .arg(tests.join("calls.py"))
            .arg(&path)
            .current_dir(&dir.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { python, path, calls: RefCell::new(Calls { child, to, from }), dir })
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.dir.0.join(name), bytes).unwrap();
    }

    fn run(&self, args: &[&str]) -> Answer {
        let Calls { to, from, .. } = &mut *self.calls.borrow_mut();
        writeln!(to.as_mut().unwrap(), "{}", serde_json::to_string(args).unwrap()).unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Answer { code: answer["code"].as_i64().unwrap(), out: text("out"), err: text("err") }
    }

    /// The same call in a process of its own.
    fn run_alone(&self, args: &[&str]) -> Answer {
        let run = Command::new(&self.python).arg(&self.path).args(args).current_dir(&self.dir.0).output();
        let Output { status, stdout, stderr } = run.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: status.code().unwrap().into(), out: text(stdout), err: text(stderr) }
    }

    fn accepted(&self, args: &[&str]) -> Value {
        let answer = self.run(args);
        assert_eq!(answer.code, 0, "{args:?}: {}", answer.err);
        serde_json::from_str(&answer.out).unwrap()
    }

    /// Refused with this word, and for no fault of the script.
    fn refused(&self, args: &[&str], word: &str, what: &str) {
        let answer = self.run(args);
        assert!(answer.code == 1 && answer.err.starts_with(word), "{what}: {answer:?}");
    }
}

/// What the second verifier says first of what it doesn't believe.
const REFUSED: &str = "not verified: ";

/// The second verifier.
fn begin(name: &str) -> Option<Script> {
    Script::begin("evidence.py", name, "blake3, cryptography")
}

#[test]
fn another_program_verifies_what_is_shown() {
    let Some(script) = begin("shown") else { return };
    let write = |name: &str, bytes: &[u8]| script.write(name, bytes);
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let key = store.verifier_key().unwrap();
    let say = |from: i64, to: i64| {
        let record =
            |n| Record::new("c", format!("p{}", n % 7), Micros(n), format!("text {n}")).id(format!("m{n}"));
        store.append(&(from..to).map(record).collect::<Vec<_>>()).unwrap();
    };
    let mut kept = vec![store.checkpoint().unwrap()];
    write("head0", kept[0].to_string().as_bytes());
    for step in 0..4 {
        say(step * 75, step * 75 + 75);
        match step {
            1 => store.roll().unwrap(),
            2 => drop(store.erase(&Selector::Person("p3".into()), &EraseOptions::default()).unwrap()),
            _ => {}
        }
        let head = store.checkpoint().unwrap();
        write(&format!("head{}", kept.len()), head.to_string().as_bytes());
        for (n, earlier) in kept.iter().enumerate() {
            write("steps", store.checkpoint_since(earlier).unwrap().to_string().as_bytes());
            let args = ["checkpoint", "steps", "--key", &key, "--since", &format!("head{n}")];
            let seen = script.accepted(&args);
            assert_eq!(seen["root"], head.unverified().root.to_string());
        }
        kept.push(head);
    }
    let reading = store.session(Session::new());
    for id in ["m0", "m1", "m200", "m299"] {
        let proof = reading.prove(id, None, None).unwrap().remove(0);
        write("proof", proof.to_text().as_bytes());
        let seen = script.accepted(&["proof", "proof", "--key", &key]);
        assert_eq!(seen["leaf"], proof.opening.leaf().to_string());
        assert_eq!(seen["seq"], proof.inclusion.index.0);
    }
    let reason = Some("she \"asked\"\t\u{1}\u{301}".into());
    let asked = EraseOptions { reason, ..EraseOptions::default() };
    let certificate = store.erase(&Selector::Person("p4".into()), &asked).unwrap();
    let certificate = certificate.to_json() + "\n";
    write("certificate", certificate.as_bytes());
    let seen = script.accepted(&["certificate", "certificate", "--key", &key]);
    assert_eq!((&seen["erased"], seen["handles"].as_array().map(Vec::len)), (&"person".into(), Some(1)));
    // Some bits are turned, of every part.
    let proof = reading.prove("m1", None, None).unwrap().remove(0).to_text();
    let steps = store.checkpoint_since(&kept[1]).unwrap().to_string();
    let texts = [
        ("proof", proof.as_str(), None),
        ("checkpoint", &*steps, Some("head1")),
        ("certificate", &*certificate, None),
    ];
    for (what, text, since) in texts {
        for at in (0..text.len()).step_by(5) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1 << (at % 7);
            write("bad", &bytes);
            let mut args = vec![what, "bad", "--key", &key];
            args.extend(since.iter().flat_map(|since| ["--since", since]));
            script.refused(&args, REFUSED, &format!("byte {at} of {text}"));
        }
    }
    // Witnesses: what is enough for the engine is enough for the page, and nothing else.
    let head = &kept[2];
    let witnesses: Vec<_> =
        (0..3).map(|n| Cosigner::new(&format!("w{n}.example"), &[n + 1; 32]).unwrap()).collect();
    let lines: Vec<_> = witnesses.iter().map(|w| w.cosign(head, 1_700_000_000).unwrap()).collect();
    let names = witnesses.iter().zip('a'..).map(|(w, name)| format!("witness {name} {}\n", w.verifier_key()));
    let names: String = format!("# \u{e9}\nlog {key}\n{}", names.collect::<String>());
    for quorum in ["none", "a", "two", "either"] {
        let groups = "group two 2 a b\ngroup either any two c\n";
        let policy = format!("{names}{groups}quorum {quorum}\n");
        write("policy", policy.as_bytes());
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        for chosen in 0..8 {
            let by: Vec<_> = (0..3).filter(|n| chosen >> n & 1 == 1).map(|n| lines[n].clone()).collect();
            let head = head.with(&by).unwrap();
            write("cosigned", head.to_string().as_bytes());
            let seen = script.run(&["checkpoint", "cosigned", "--policy", "policy"]).code == 0;
            assert_eq!(seen, policy.verify(&head).is_ok(), "{quorum} {chosen}");
        }
    }
    let text = head.with(&lines).unwrap().to_string();
    for at in (0..text.len()).step_by(5) {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1 << (at % 7);
        write("bad", &bytes);
        let refused = script.run(&["checkpoint", "bad", "--policy", "policy"]);
        let engine = SignedCheckpoint::parse(&bytes).and_then(|head| {
            Policy::parse(&std::fs::read(script.dir.0.join("policy")).unwrap())?.verify(&head).map(drop)
        });
        assert_eq!(refused.code == 0, engine.is_ok(), "byte {at}");
    }
    for bad in ["quorum x\n", "group g 3 a b\nquorum g\n", "witness d AAAA\nquorum d\n", "quorum none"] {
        write("policy", format!("{names}{bad}").as_bytes());
        script.refused(&["checkpoint", "head2", "--policy", "policy"], REFUSED, bad);
    }
    let fork = ["checkpoint", "head2", "--key", &key, "--since", "head1"];
    for args in [&fork[..], &fork[..4], &["checkpoint"]] {
        assert_eq!(
            script.run(args),
            script.run_alone(args),
            "one process of many calls says what one of its own says"
        );
    }
    script.refused(&fork, REFUSED, "no proof that it continues");
}

/// Lines of every sort, in the hands of a program that has the page on formats and the key.
#[test]
fn another_program_verifies_exports() {
    let Some(script) = begin("export") else { return };
    let write = |files: &Files| {
        for (name, bytes) in
            [("e", &files.file), ("e.proof", &files.proof), ("e.manifest.json", &files.manifest)]
        {
            script.write(name, bytes);
        }
    };
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let key = store.verifier_key().unwrap();
    let say = |n: i64| {
        let who = format!("p{}", n % 7);
        let text = format!("Grüße {n}\n\u{1}\u{8}\u{7f}\"\\ \u{2028}👩‍👩‍👧");
        let record = Record::new("c", "agent", Micros(n * 1_500 - 9), text).id(format!("m{n}")).subject(who);
        record
            .tag("a:b")
            .reply_to("m0")
            .extra("mood", r#"{"b":[1, 2.50e3],"a":"\u00e9"}"#)
            .extra("Zeit", " 1 ")
    };
    store.append(&(0..60).map(say).collect::<Vec<_>>()).unwrap();
    store.roll().unwrap();
    store.append(&(60..90).map(say).collect::<Vec<_>>()).unwrap();
    let reading = store.session(Session::new().purpose("access"));
    let check = |query: &str| {
        let files = export(&reading, query, || ()).unwrap();
        write(&files);
        let seen = script.accepted(&["export", "e", "--key", &key]);
        assert_eq!(seen["proved"], reading.count(query).unwrap(), "{query}");
        files
    };
    for query in ["*", "subject:p3", "kind:person", "* OR kind:person", "id:nothing"] {
        check(query);
    }
    store.erase(&Selector::Person("agent".into()), &EraseOptions::default()).unwrap();
    check("* OR kind:erased");
    // Some bits are turned, of every part.
    let files = check("id:m3");
    for part in 0..3 {
        let len = [&files.file, &files.proof, &files.manifest][part].len();
        for at in (0..len).step_by(7) {
            let mut bad = files.clone();
            [&mut bad.file, &mut bad.proof, &mut bad.manifest][part][at] ^= 1 << (at % 7);
            write(&bad);
            let what = format!("byte {at} of part {part}");
            script.refused(&["export", "e", "--key", &key], REFUSED, &what);
        }
    }
}

/// Who believes the first key of a log gets to the last one, and everything that either signed verifies.
#[test]
fn another_program_follows_a_change_of_the_logs_key() {
    let Some(script) = begin("key") else { return };
    let write = |name: &str, bytes: &[u8]| script.write(name, bytes);
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let say = |n: i64| store.append(&[Record::new("c", "p", Micros(n), "x").id(format!("m{n}"))]).unwrap();
    let first = store.verifier_key().unwrap();
    let mut believed = first.clone();
    say(0);
    let kept = store.checkpoint().unwrap();
    write("kept", kept.to_string().as_bytes());
    let mut last = String::new();
    for n in 1..3 {
        let change = store.rotate_log_key().unwrap();
        last = change.to_string();
        write("change", last.as_bytes());
        let seen = script.accepted(&["log-key", "change", "--key", &believed]);
        let new = store.verifier_key().unwrap();
        assert_eq!((&seen["key"], &seen["continues"]), (&new.as_str().into(), &true.into()));
        assert_eq!(seen["root"], change.head().root.to_string());
        // The new one does not say of itself that it is the one to be believed.
        for key in [&new, &first] {
            let taken = script.run(&["log-key", "change", "--key", key]).code == 0;
            assert_eq!(taken, *key == believed, "{key}");
        }
        believed = new;
        say(n);
    }
    let before = store.log_keys().unwrap()[1].key.to_string();
    // Any byte of it, whatever it turns into.
    for at in 0..last.len() {
        let mut bytes = last.as_bytes().to_vec();
        bytes[at] ^= 1 << (at % 7);
        write("bad", &bytes);
        script.refused(&["log-key", "bad", "--key", &before], REFUSED, &format!("byte {at} of {last}"));
    }
    // Without either signature, with the signatures of another change.
    let lines: Vec<&str> = last.split_inclusive('\n').collect();
    for left_out in [lines.len() - 1, lines.len() - 2] {
        let text: String =
            lines.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, l)| *l).collect();
        write("bad", text.as_bytes());
        script.refused(&["log-key", "bad", "--key", &before], REFUSED, &text);
    }
    // Heads of the first key and of the last one are one log, for who believes both.
    write("steps", store.checkpoint_since(&kept).unwrap().to_string().as_bytes());
    write("policy", format!("log {first}\nlog {believed}\nquorum none\n").as_bytes());
    let args = ["checkpoint", "steps", "--policy", "policy", "--since", "kept"];
    assert_eq!(script.accepted(&args)["continues"], true);
    let one = ["checkpoint", "steps", "--key", &believed, "--since", "kept"];
    script.refused(&one, REFUSED, "the first head is of another key");
}

/// A program that was written elsewhere, for any log of this kind.
#[test]
fn somebody_elses_program_believes_it_too() {
    let packages = "tlog_scales.signing, tlog_scales.tlog";
    let Some(script) = Script::begin("second_opinion.py", "second-opinion", packages) else { return };
    let write = |name: &str, text: &str| script.write(name, text);
    let believed = |args: &[&str]| {
        let answer = script.run(args);
        assert_eq!(answer.code, 0, "{args:?}: {}", answer.err);
    };
    let refused = |args: &[&str], what: &str| script.refused(args, "refused: ", what);
    let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
    let key = store.verifier_key().unwrap();
    let witnesses: Vec<_> =
        (1..3).map(|n| Cosigner::new(&format!("w{n}.example"), &[n; 32]).unwrap()).collect();
    let keys: Vec<String> = witnesses.iter().map(|w| w.verifier_key().to_string()).collect();
    let mut kept: Vec<SignedCheckpoint> = Vec::new();
    for (step, more) in [1, 6, 1, 119, 300].into_iter().enumerate() {
        let record = |n| Record::new("c", "p", Micros(n), format!("text {n}")).id(format!("m{step}.{n}"));
        store.append(&(0..more).map(record).collect::<Vec<_>>()).unwrap();
        let head = store.checkpoint().unwrap();
        for (n, earlier) in kept.iter().enumerate() {
            write("steps", &store.checkpoint_since(earlier).unwrap().to_string());
            believed(&["steps", "--key", &key, "--since", &format!("head{n}")]);
        }
        let lines: Vec<_> = witnesses.iter().map(|w| w.cosign(&head, 1_800_000_000).unwrap()).collect();
        write(&format!("head{step}"), &head.with(&lines).unwrap().to_string());
        believed(&[&format!("head{step}"), "--key", &key, "--witness", &keys[0], "--witness", &keys[1]]);
        let id = format!("m{step}.{}", more / 2);
        let proof = store.session(Session::new()).prove(&id, None, None).unwrap().remove(0);
        write("proof", &proof.to_text());
        let leaf = proof.opening.leaf().to_string();
        believed(&["proof", "--key", &key, "--leaf", &leaf]);
        let other = if let Some(rest) = leaf.strip_prefix('0') {
            format!("1{rest}")
        } else {
            format!("0{}", &leaf[1..])
        };
        refused(&["proof", "--key", &key, "--leaf", &other], "another leaf");
        kept.push(head);
    }
    refused(&["head4", "--key", &keys[0]], "a witness is no log");
    let stranger = Cosigner::new("w1.example", &[3; 32]).unwrap().verifier_key().to_string();
    refused(&["head4", "--key", &key, "--witness", &stranger], "another key of that name");
    refused(&["head4", "--key", &key, "--since", "head3"], "no proof that it continues");
    // Some bytes are changed, of all that is signed or hashed.
    for name in ["head4", "steps"] {
        let text = std::fs::read_to_string(script.dir.0.join(name)).unwrap();
        let until = text.find("\n\n\u{2014}").unwrap();
        for at in (4..until).step_by(5).filter(|at| text.as_bytes()[*at].is_ascii_alphanumeric()) {
            let mut bad = text.clone().into_bytes();
            bad[at] = if bad[at] == b'4' { b'5' } else { b'4' };
            script.write("bad", bad);
            refused(&["bad", "--key", &key, "--since", "head3"], &format!("byte {at} of {name}"));
        }
    }
}
