//! Slots, folders and versions that are not the right ones: each is refused by its kind, says what
//! to do, and leaves every byte as it was.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]
#![cfg(unix)]

use std::fs;

use crate::support::{Run, SAMPLE, Sandbox, files};

/// Verbs that read and verbs that write.
const VERBS: [&str; 5] =
    ["count *", "import in.jsonl", "erase --subject anna@example.org --yes", "verify --read-data", "stats"];

/// Runs every verb: all end the same way and change nothing.
#[track_caller]
fn all_refuse(sandbox: &Sandbox, flags: &str, code: i32, kind: &str, message: &str) {
    let before = files(&sandbox.folder);
    for verb in VERBS {
        let words: Vec<&str> = flags.split(' ').chain(["--json"]).chain(verb.split(' ')).collect();
        refuses(&sandbox.args(&words, "").exits(code), kind, message);
        assert!(files(&sandbox.folder) == before, "{verb} {flags}: something changed");
    }
}

#[track_caller]
fn refuses(run: &Run, kind: &str, message: &str) {
    let error = run.error();
    assert_eq!(error["kind"], kind, "{error}");
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    assert_eq!(run.out, "");
}

/// Records in segment and journal, an index that was rewritten, and input for an import.
fn worn() -> Sandbox {
    let sandbox = Sandbox::with_sample();
    sandbox.run("roll").ok();
    sandbox.run("erase --record m4 --yes").ok();
    let more = SAMPLE.replace("\"m1\"", "\"n1\"").lines().next().unwrap().to_owned();
    sandbox.run_with("import -", more).ok();
    sandbox.write("in.jsonl", SAMPLE);
    sandbox
}

#[test]
fn a_wrong_slot_is_named_for_what_it_is() {
    let sandbox = Sandbox::with_sample();
    fs::copy(sandbox.folder.join("s.slot"), sandbox.folder.join("old.slot")).unwrap();
    sandbox.run("roll").ok();
    sandbox.run("erase --record m4 --yes").ok();
    sandbox.args(&["--store", "t", "init"], "").ok();
    let slot = fs::read(sandbox.folder.join("s.slot")).unwrap();
    sandbox.write("in.jsonl", SAMPLE);
    sandbox.write("zero.slot", vec![0; slot.len()]);
    sandbox.write("empty.slot", "");
    sandbox.write("text.slot", "my password is 1234".repeat(1000));
    // Cut within the record that counts, which is the one in the later half or the earlier one.
    let at = slot.chunks(4096).position(|c| c.iter().any(|b| *b != 0)).unwrap() * 4096;
    sandbox.write("cut.slot", &slot[..at + 60]);
    sandbox.write("half.slot", &slot[..at + 4096]);
    fs::create_dir(sandbox.folder.join("folder.slot")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.folder.join("dangling.slot")).unwrap();
    for (slot, code, kind, message) in [
        ("old", 5, "wrong_key", "the slot is older than the store"),
        ("t", 5, "wrong_key", "the slot is of another store"),
        ("none", 5, "wrong_key", "none.slot: the slot is missing"),
        ("dangling", 5, "wrong_key", "the slot is missing"),
        ("zero", 5, "wrong_key", "the slot holds no root key"),
        ("empty", 5, "wrong_key", "the slot holds no root key"),
        ("text", 5, "wrong_key", "the file named as slot is none"),
        ("cut", 6, "corrupt", "the slot holds no whole record"),
        ("folder", 1, "io", "open the slot"),
    ] {
        all_refuse(&sandbox, &format!("--store s --slot file:{slot}.slot"), code, kind, message);
    }
    // One whole copy of the record is enough.
    assert_eq!(sandbox.run("--slot file:half.slot --json count *").ok().out, "{\"count\":3}\n");
    // And a link leads to the slot.
    std::os::unix::fs::symlink("s.slot", sandbox.folder.join("link.slot")).unwrap();
    sandbox.run("--slot file:link.slot count *").ok();
}

#[test]
fn a_folder_from_before_an_erasure_is_told_from_a_wrong_slot() {
    let sandbox = Sandbox::with_sample();
    let copy =
        std::process::Command::new("cp").args(["-r", "s", "old"]).current_dir(&sandbox.folder).status();
    assert!(copy.unwrap().success());
    sandbox.run("erase --subject bob@example.org --yes").ok();
    sandbox.write("in.jsonl", SAMPLE);
    let flags = "--store old --slot file:s.slot";
    all_refuse(&sandbox, flags, 5, "wrong_key", "the slot is newer than the folder");
}

#[test]
fn folders_that_are_no_stores() {
    let sandbox = Sandbox::with_sample();
    sandbox.write("in.jsonl", SAMPLE);
    fs::create_dir_all(sandbox.folder.join("foreign/deep")).unwrap();
    sandbox.write("foreign/photo.jpg", "x");
    fs::create_dir(sandbox.folder.join("empty")).unwrap();
    sandbox.write("file", "x");
    std::os::unix::fs::symlink("nowhere", sandbox.folder.join("dangling")).unwrap();
    for (store, kind, message) in [
        ("foreign", "unsupported", "the folder holds no store"),
        ("empty", "unsupported", "the folder holds no store"),
        ("none", "unsupported", "there is no folder of this name"),
        ("dangling", "unsupported", "there is no folder of this name"),
        ("file", "io", "look into the store's folder"),
        ("file/s", "io", "look into the store's folder"),
    ] {
        all_refuse(&sandbox, &format!("--store {store} --slot file:s.slot"), 1, kind, message);
    }
    for (store, kind) in [("foreign", "unsupported"), ("s", "unsupported"), ("file", "io"), ("file/s", "io")]
    {
        let before = files(&sandbox.folder);
        let run = sandbox.args(&["--json", "--store", store, "--slot", "file:new.slot", "init"], "").exits(1);
        refuses(&run, kind, "");
        assert!(files(&sandbox.folder) == before, "{store}");
    }
    // A slot that exists is never overwritten, a slot never lies in the folder.
    let run = sandbox.args(&["--json", "--store", "new", "--slot", "file:s.slot", "init"], "").exits(2);
    refuses(&run, "invalid", "the slot exists already");
    let run = sandbox.args(&["--json", "--store", "new", "--slot", "file:new/slot", "init"], "").exits(2);
    refuses(&run, "invalid", "the slot must not lie in the store's folder");
    assert!(!sandbox.has("new"));
    // A link to a store is the store.
    std::os::unix::fs::symlink("s", sandbox.folder.join("link")).unwrap();
    let run = sandbox.args(&["--store", "link", "--slot", "file:s.slot", "--json", "count", "*"], "").ok();
    assert_eq!(run.out, "{\"count\":4}\n");
}

/// A store of a newer program is refused by every kind of file that says so.
#[test]
fn newer_formats_are_refused() {
    // Where the version stands in a page of this file, and how far the next page is.
    for (name, first, step) in [
        ("s.slot", 8, 4096),
        ("HEAD", 8, 4096),
        ("keyring.", 3, 4096),
        (".idx", 4, 4096),
        (".seg", 4, usize::MAX),
        (".jrn", 4, usize::MAX),
    ] {
        let sandbox = worn();
        let mut changed = 0;
        for (path, mut bytes) in files(&sandbox.folder) {
            if name == ".jrn" && path.extension().is_some_and(|e| e == "par") {
                // A newer program would have written parity that fits; this one sets the byte right.
                fs::remove_file(path).unwrap();
                continue;
            }
            if !path.to_string_lossy().contains(name) {
                continue;
            }
            for page in bytes.chunks_mut(step).filter(|p| p[..2] != [0, 0]) {
                // Pages of indexes have two versions already, without words and with them; and one wrong
                // bit would be set right.
                page[first] = if name == ".idx" { 5 } else { 2 };
                changed += 1;
            }
            if name == ".seg" {
                // A newer program would have written parity that fits; else it sets the byte right.
                let pages = bytes.len() / 4096;
                bytes[(pages - pages.div_ceil(33)) * 4096 + first] ^= 1 ^ 2;
            }
            fs::write(path, bytes).unwrap();
        }
        assert!(changed > 0, "{name}");
        all_refuse(&sandbox, "--store s", 1, "unsupported", "newer format: ");
    }
}

/// Rights of files. Whoever may do everything gives his rights away for this test.
#[test]
fn a_store_without_rights_is_refused() {
    let sandbox = worn();
    let nobody = |words: &str| {
        let mut command = sandbox.command(&[]);
        if is_root() {
            let escrow = command.get_program().to_owned();
            command = std::process::Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(escrow);
            command.current_dir(&sandbox.folder);
        }
        let output = command.args(words.split(' ')).output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    let works = std::process::Command::new("setpriv").arg("--version").output().is_ok();
    if is_root() && !(works && nobody("--version").code == 0) {
        note("left out: rights of files; no way to run as somebody else");
        return;
    }
    let before = files(&sandbox.folder);
    for closed in ["s", "s/HEAD", "s.slot", "s/keyring.a"] {
        let path = sandbox.folder.join(closed);
        let kept = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        let run = nobody("--store s --json count *");
        fs::set_permissions(&path, kept).unwrap();
        let run = run.exits(1);
        refuses(&run, "io", "ermission denied");
    }
    assert!(files(&sandbox.folder) == before);
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[allow(clippy::print_stderr, reason = "what is left out says so")]
fn note(text: &str) {
    eprintln!("{text}");
}
