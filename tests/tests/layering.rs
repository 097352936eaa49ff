//! The house plan is kept: a room imports only from floors below, unsafe stands in two files,
//! the map's links lead somewhere. Read from the sources, so that a slip fails the build.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::path::{Path, PathBuf};

use source::{Token, tokens};

#[path = "layering/source.rs"]
mod source;

/// Rooms by floor; see `docs/ARCHITECTURE.md`.
const FLOORS: [&[&str]; 9] = [
    &["id", "text"],
    &["error", "session", "clock"],
    &["codec", "vfs", "crypto"],
    &["record", "merkle", "parity", "sealed", "env"],
    &["keyring", "journal", "segment", "index", "log", "policy", "register"],
    &["roll", "view", "receipts", "state"],
    &["ingest", "query", "compact", "erase", "export", "backup", "verify"],
    &["recover"],
    &["store"],
];

/// Imports between rooms of one floor: (importer, imported, why).
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("env", "parity", "what was set right is counted once for the whole store"),
    ("index", "segment", "an index holds the table of its segment's blocks"),
    ("register", "policy", "lengths of time, conditions and dates of rules are the policy's words"),
    ("state", "roll", "the committer publishes what a roll built"),
    ("state", "view", "the open store holds the view that readers share"),
    ("state", "receipts", "whose keys seal acts, and when they die, is settled under the committer's lock"),
    (
        "ingest",
        "query",
        "whether a hold's query finds what an edit is about, is asked while the edit comes in",
    ),
    ("query", "ingest", "what a reading does is appended before its answer leaves"),
    ("erase", "ingest", "an erasure is itself a record that is appended"),
    (
        "erase",
        "query",
        "a plan lists mentions as hits; queries that were typed go with what they could have found",
    ),
    ("export", "query", "what is exported is what a query finds"),
    ("verify", "ingest", "frames of records are read as ingest wrote them"),
];

/// The only files with unsafe code.
const UNSAFE: [&str; 2] = ["engine/src/vfs/mapped.rs", "engine/src/crypto/arena.rs"];

#[test]
fn rooms_import_from_floors_below() {
    let root = repo().join("engine/src");
    let mut faults = Vec::new();
    for file in files(&root, "rs") {
        let name = relative(&file, &root);
        faults.extend(import_faults(&name, &read(&file)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_stands_in_two_files() {
    let root = repo();
    let with_unsafe: Vec<_> = files(&root, "rs")
        .into_iter()
        .filter(|f| tokens(&read(f)).iter().any(|t| t.text == "unsafe"))
        .map(|f| relative(&f, &root))
        .filter(|f| !UNSAFE.contains(&f.as_str()))
        .collect();
    assert!(with_unsafe.is_empty(), "unsafe code in {with_unsafe:?}");
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let root = repo();
    let mut documents = files(&root.join("docs"), "md");
    documents.extend([root.join("README.md")].into_iter().filter(|f| f.exists()));
    let mut faults = Vec::new();
    for document in documents {
        let folder = document.parent().unwrap();
        for link in links(&read(&document)) {
            if !folder.join(&link).exists() {
                faults.push(format!("{}: {link}", relative(&document, &root)));
            }
        }
    }
    assert!(faults.is_empty(), "dead links:\n{}", faults.join("\n"));
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let root = repo();
    let faults: Vec<_> = files(&root, "")
        .iter()
        .filter(|f| names_a_machine(&String::from_utf8_lossy(&fs::read(f).unwrap())))
        .map(|f| relative(f, &root))
        .collect();
    assert!(faults.is_empty(), "paths of a machine in {faults:?}");
}

/// Faults of one source file of the engine; `name` is its path below `engine/src`.
fn import_faults(name: &str, source: &str) -> Vec<String> {
    let room = name.split('/').next().unwrap_or(name).trim_end_matches(".rs");
    let is_root = name == "lib.rs";
    let Some(floor) = floor(room).or(is_root.then_some(FLOORS.len())) else {
        return vec![format!("{name}: room `{room}` is not in the house plan")];
    };
    // In `log.rs` and `merkle/mod.rs`, unlike in `merkle/tree.rs`, `super` is the crate's root.
    let super_is_root = !name.contains('/') || name.matches('/').count() == 1 && name.ends_with("/mod.rs");
    let tokens = tokens(source);
    let mut faults = Vec::new();
    let mut fault = |t: &Token, what: String| faults.push(format!("{name}:{}: {what}", t.line));
    for (i, token) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(i + n).map_or("", |t| t.text);
        match (token.text, next(1)) {
            ("crate", "::") if is_root => {}
            ("crate", "::") => match self::floor(next(2)) {
                None => {
                    fault(token, format!("`crate::{}` is taken from the root, not from its room", next(2)))
                }
                Some(_) if next(2) == room => {}
                Some(below) if below < floor || token.in_test && below == floor => {}
                Some(same)
                    if same == floor && NEIGHBOURS.iter().any(|(a, b, _)| (*a, *b) == (room, next(2))) => {}
                Some(above) => fault(
                    token,
                    format!("`{room}` (floor {}) imports `{}` (floor {})", floor + 1, next(2), above + 1),
                ),
            },
            ("crate", "as") => fault(token, "the crate gets another name".into()),
            ("super", "::") if next(2) == "super" => fault(token, "`super::super`".into()),
            ("super", "::") if super_is_root && token.inline_mods == 0 => {
                fault(token, "`super` reaches the root".into());
            }
            ("cfg", "!") if next(3) == "test" => fault(token, "behaves otherwise under test".into()),
            ("aes_gcm_siv", _) if room != "crypto" => fault(token, "only `crypto` imports the AEAD".into()),
            ("std", "::") if next(2) == "fs" && room != "vfs" && !token.in_test => {
                fault(token, "only `vfs` touches files".into());
            }
            _ => {}
        }
    }
    faults
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Relative targets of a Markdown text, without anchors; code is skipped.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // Every second part stands between backticks.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for rest in prose.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or("").split('#').next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

fn names_a_machine(text: &str) -> bool {
    // In halves, so that this file does not name one.
    let places = [
        ("/ho", "me/"),
        ("/ro", "ot/"),
        ("/Us", "ers/"),
        ("/wo", "rk/"),
        ("/tmp/ta", "rget"),
        ("C:\\Us", "ers"),
    ];
    places.iter().any(|(a, b)| {
        let place = format!("{a}{b}");
        text.match_indices(&place)
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~}".contains(c)))
    })
}

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

fn relative(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

/// Files below `folder` whose name ends with `extension` (all if it is empty), what is built or
/// belongs to the version control apart.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    const SKIPPED: [&str; 6] = [".git", "target", "corpus-run", "artifacts", "coverage", "__pycache__"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()) {
            continue;
        }
        if kind.is_dir() {
            found.extend(files(&path, extension));
        } else if kind.is_file() && (extension.is_empty() || path.extension().is_some_and(|e| e == extension))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

// The test can fail.

#[track_caller]
fn refused(name: &str, source: &str, word: &str) {
    let faults = import_faults(name, source);
    assert!(faults.len() == 1 && faults[0].contains(word), "{faults:?}");
}

#[track_caller]
fn accepted(name: &str, source: &str) {
    assert_eq!(import_faults(name, source), Vec::<String>::new());
}

#[test]
fn upward_and_sideways_imports_are_found() {
    accepted("log.rs", "use crate::vfs::Vfs; use crate::merkle::{hash::Hash, tree};");
    accepted("merkle/tree.rs", "use crate::merkle::hash::Hash;");
    refused("merkle/tree.rs", "use crate::log::Log;", "imports `log`");
    refused("merkle/tree.rs", "fn f() { crate::store::open() }", "merkle/tree.rs:1: ");
    refused("log.rs", "\n\npub(crate) use crate::journal::Frame;", "log.rs:3: ");
    refused("attic.rs", "", "`attic` is not in the house plan");
}

#[test]
fn the_root_is_no_room() {
    refused("log.rs", "use crate::Error;", "`crate::Error`");
    refused("log.rs", "use crate::{error::Error, id::Seq};", "`crate::{`");
    refused("log.rs", "use crate::*;", "`crate::*`");
    refused("log.rs", "use super::journal;", "root");
    refused("merkle/mod.rs", "use super::journal;", "root");
    refused("merkle/tree.rs", "use super::super::log;", "super::super");
    accepted("lib.rs", "pub use crate::store::Store;");
    accepted("merkle/tree.rs", "use super::hash::Hash;");
    accepted("log.rs", "mod row { use super::Log; }");
}

#[test]
fn tests_may_look_at_their_own_floor() {
    accepted("log.rs", "#[cfg(test)] mod tests { use super::*; use crate::journal::Frame; }");
    accepted("log.rs", "#[cfg(test)] use crate::journal::Frame;");
    refused("log.rs", "#[cfg(test)] mod tests { use crate::store::Store; }", "imports `store`");
    refused("log.rs", "#[cfg(test)] mod tests {} use crate::journal::Frame;", "imports `journal`");
    refused("log.rs", "#[cfg(test)] fn f(a: [u8; 2]); use crate::journal::Frame;", "imports `journal`");
    refused("log.rs", "#[cfg(not(test))] use crate::journal::Frame;", "imports `journal`");
    refused("log.rs", "fn f() { if cfg!(test) {} }", "under test");
}

#[test]
fn some_crates_belong_to_one_room() {
    refused("log.rs", "use aes_gcm_siv::Aes256GcmSiv;", "AEAD");
    refused("log.rs", "use std::fs::File;", "files");
    accepted("vfs/disk.rs", "use std::fs::File;");
    accepted("log.rs", "#[cfg(test)] mod tests { use std::fs::File; }");
}

#[test]
fn comments_and_literals_are_no_imports() {
    accepted("log.rs", "// crate::store\n/* crate::store /* */ crate::store */ //! crate::store");
    accepted(
        "log.rs",
        r####"const A: &str = "crate::store \" crate::store"; const B: &str = r#"" crate::store"#;"####,
    );
    accepted("log.rs", "const A: char = '\"'; // crate::store\nfn f<'a>(b: &'a u8) -> char { '\\'' }");
    refused("log.rs", "fn f<'a>(b: &'a u8) { '\"'; crate::store::f() }", "imports `store`");
}

#[test]
fn links_and_places_are_found() {
    let text = "[a](A.md#x) ![b](img/b.svg \"t\") [c](https://example.org) [d](#e) `[f](F.md)`\n```\n[g](G.md)\n```\n";
    assert_eq!(links(text), ["A.md", "img/b.svg"]);
    let place = |a: &str, b: &str| names_a_machine(&format!("see {a}{b}"));
    assert!(place("/ho", "me/anna/x") && place("(/ro", "ot/x"));
    assert!(!place("keyring/ro", "ot/x") && !place("./wo", "rk/x"));
}

#[test]
fn every_neighbour_has_a_reason() {
    for (from, to, why) in NEIGHBOURS {
        assert_eq!(floor(from), floor(to), "{from} and {to} are no neighbours");
        assert!(floor(from).is_some() && !why.is_empty());
    }
}
