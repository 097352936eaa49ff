//! Whoever ships EscrowDB may ship everything it is built from; and every dependency says why
//! it is there.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use expression::satisfied;
use serde_json::Value;

#[path = "licences/expression.rs"]
mod expression;

/// Licences under which code may come in: permissive ones that ask for a notice at most.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // Asks for its notice in sources only. Comes with the clipboard of the line editor, on Windows only.
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    // Asks for nothing. Comes with the validator of JSON Schema, for tests only.
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn every_package_may_be_shipped() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 20, "only {} packages", packages.len());
    let faults: Vec<_> = packages
        .iter()
        .filter(|p| !satisfied(p["license"].as_str().unwrap_or(""), &ALLOWED))
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(faults.is_empty(), "not allowed:\n{}", faults.join("\n"));
}

/// What only measures us, on the machine of whoever wants to: never shipped, and not built unless asked for.
const ALLOWED_BESIDE: [&str; 2] = ["WTFPL", "blessing"];

#[test]
fn peers_of_the_comparison_may_be_built() {
    // They are there where everything of the lock was fetched.
    let Some(metadata) = metadata_with(&["--features", "escrowdb-benches/peers"]) else { return };
    let allowed: Vec<&str> = ALLOWED.iter().chain(&ALLOWED_BESIDE).copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.iter().any(|p| p["name"] == "tantivy"));
    let strange = |p: &&Value| !satisfied(p["license"].as_str().unwrap_or(""), &allowed);
    let faults: Vec<_> =
        packages.iter().filter(strange).map(|p| format!("{}: {}", p["name"], p["license"])).collect();
    assert!(faults.is_empty(), "not allowed:\n{}", faults.join("\n"));
}

#[test]
fn our_own_licences_lie_beside() {
    let cargo = fs::read_to_string(repo().join("Cargo.toml")).unwrap();
    assert!(cargo.contains("license = \"Apache-2.0 OR MIT\""));
    for (file, words) in
        [("LICENSE-APACHE", "Apache License"), ("LICENSE-MIT", "Permission is hereby granted")]
    {
        assert!(fs::read_to_string(repo().join(file)).unwrap().contains(words), "{file}");
    }
}

#[test]
fn every_dependency_states_its_reason() {
    let metadata = metadata();
    let members = metadata["workspace_members"].as_array().unwrap();
    let mut manifests: Vec<_> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| members.contains(&p["id"]))
        .map(|p| PathBuf::from(p["manifest_path"].as_str().unwrap()))
        .collect();
    manifests.extend([repo().join("fuzz/Cargo.toml")].into_iter().filter(|f| f.exists()));
    assert!(manifests.len() >= 4);
    let faults: Vec<_> = manifests
        .iter()
        .flat_map(|m| {
            let silent = without_reason(&fs::read_to_string(m).unwrap());
            silent.into_iter().map(move |d| format!("{}: {d}", m.display()))
        })
        .collect();
    assert!(faults.is_empty(), "no comment directly above:\n{}", faults.join("\n"));
}

/// Dependencies of a manifest that have no comment directly above.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut in_dependencies, mut depth, mut above) = (false, 0i32, "");
    for line in manifest.lines().map(str::trim) {
        if depth == 0 && line.starts_with('[') {
            let section = line.trim_matches(['[', ']']);
            let (table, last) = section.rsplit_once('.').unwrap_or(("", section));
            in_dependencies = last.ends_with("dependencies");
            // `[dependencies.name]` is one dependency.
            if table.ends_with("dependencies") && !above.starts_with('#') {
                found.push(last.to_owned());
            }
        } else if depth == 0
            && in_dependencies
            && !above.starts_with('#')
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once('=')
        {
            found.push(name.trim().to_owned());
        }
        if !line.starts_with('#') && !line.starts_with('[') {
            depth += line.matches(['[', '{']).count() as i32 - line.matches([']', '}']).count() as i32;
        }
        above = line;
    }
    found
}

/// What cargo says of all packages, of other platforms too if they were fetched.
fn metadata() -> Value {
    let all = cargo(&[]);
    let output = if all.status.success() { all } else { cargo(&["--filter-platform", &host()]) };
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same with more arguments; `None` where something it names was not fetched.
fn metadata_with(more: &[&str]) -> Option<Value> {
    let output = cargo(&[more, &["--filter-platform", &host()]].concat());
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

fn cargo(more: &[&str]) -> Output {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let fixed = ["metadata", "--format-version", "1", "--locked", "--offline"];
    Command::new(program).current_dir(repo()).args(fixed).args(more).output().unwrap()
}

fn host() -> String {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Output { stdout, .. } = Command::new(program).arg("-vV").output().unwrap();
    text(&stdout).lines().find_map(|l| l.strip_prefix("host: ").map(str::to_owned)).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn a_silent_dependency_is_found() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# Why.\na = \"1\"\nb = { version = \"1\" }\n\
        # Why.\nc = { version = \"1\", features = [\n  \"d\",\n] }\n\ne.workspace = true\n\
        [dev-dependencies.f]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\ng = \"1\"\n\
        [[bin]]\nname = \"h\"\n[lints]\nworkspace = true\n";
    assert_eq!(without_reason(manifest), ["b", "e.workspace", "f", "g"]);
}

#[test]
fn what_is_not_allowed_is_refused() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(satisfied(good, &ALLOWED), "{good}");
    }
    for bad in ["", "MPL-2.0", "LGPL-2.1-or-later", "MIT AND GPL-3.0-only", "SSPL-1.0", "GPL-2.0 WITH MIT"] {
        assert!(!satisfied(bad, &ALLOWED), "{bad}");
    }
}
