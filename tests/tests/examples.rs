//! The examples do what they say: compiled with every test run, and run here.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::Cursor;

#[path = "../../engine/examples/erase_person.rs"]
mod erase_person;
#[path = "../../engine/examples/import_file.rs"]
#[allow(dead_code, reason = "its `main` reads the arguments of a program")]
mod import_file;
#[path = "../../engine/examples/live_chat.rs"]
mod live_chat;
#[path = "../../engine/examples/search_pages.rs"]
mod search_pages;

#[test]
fn they_run() {
    live_chat::main().unwrap();
    erase_person::main().unwrap();
    search_pages::main().unwrap();
}

/// More lines than one batch, a bad one among them, each twice.
#[test]
fn a_file_is_imported() {
    let folder = std::env::temp_dir().join(format!("escrow-examples-{}", std::process::id()));
    let line = |n: usize| {
        format!(
            "{{\"id\":\"m{n}\",\"conversation\":\"c\",\"author\":\"a\",\"time\":\"2026-01-01T00:00:00Z\",\"body\":\"\"}}\n"
        )
    };
    let lines: String = (0..2500).map(|n| line(n % 2000)).chain(["bad\n".to_owned()]).collect();
    import_file::import(&folder.join("chats"), Box::new(Cursor::new(lines))).unwrap();
    let store = escrowdb::Store::builder(folder.join("chats")).open().unwrap();
    assert_eq!(store.session(Default::default()).count("*").unwrap(), 2000);
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}
