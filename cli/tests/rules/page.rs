//! What docs/COMPLIANCE.md shows is what the program prints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, page};

/// The rows of the table of articles: article, commands, tests.
fn rows() -> Vec<[String; 3]> {
    let page = fs::read_to_string(root().join("docs/COMPLIANCE.md")).unwrap();
    let table = page.split("## Articles, commands, tests").nth(1).unwrap().to_owned();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Article"));
    rows.map(|row| {
        let row = row.trim_matches('|').replace("\\|", "\u{0}");
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        cells.try_into().unwrap()
    })
    .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks.
fn spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let mut named = 0;
    for [article, _, tests] in rows() {
        assert!(article.chars().next().unwrap().is_ascii_digit(), "{article}");
        assert!(tests.contains("::") || tests == "the same", "{article}: no test");
        for span in spans(&tests) {
            let package = if span.contains("-p escrowdb-tests") { "tests" } else { "cli" };
            let words: Vec<&str> = span.split(' ').collect();
            let program = words.windows(2).find(|pair| pair[0] == "--test").map_or("rules", |pair| pair[1]);
            for (module, name) in words.iter().filter_map(|word| word.split_once("::")) {
                let file = root().join(package).join("tests").join(program).join(format!("{module}.rs"));
                let source = fs::read_to_string(&file)
                    .unwrap_or_else(|e| panic!("{article}: {}: {e}", file.display()));
                assert!(source.contains(&format!("fn {name}")), "{article}: {module}::{name}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn every_command_that_the_table_names_is_there() {
    let sandbox = Sandbox::new();
    let mut seen = BTreeSet::new();
    for [article, commands, _] in rows() {
        for span in spans(&commands) {
            let words: Vec<&str> = span.split(' ').collect();
            let verbs = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
            let (before, last) = words[..verbs].split_at(verbs.saturating_sub(1));
            // Of a verb with several below it each is asked for.
            for last in last.first().map_or(vec![""], |last| last.split('|').collect()) {
                let verb: Vec<&str> =
                    before.iter().copied().chain([last]).filter(|w| !w.is_empty()).collect();
                let help = sandbox.args(&[verb.as_slice(), &["--help"]].concat(), "").ok().out;
                for option in words[verbs..].iter().filter(|word| word.starts_with("--")) {
                    assert!(help.contains(option), "{article}: {verb:?} has no {option}");
                }
                seen.insert(verb.join(" "));
            }
        }
    }
    for verb in
        ["notice publish", "consent give", "correct", "hold place", "request run", "aggregate publish"]
    {
        assert!(seen.contains(verb), "{verb} stands in no row: {seen:?}");
    }
}

#[test]
fn the_page_shows_what_is_printed() {
    page::check("COMPLIANCE.md", 60);
}
