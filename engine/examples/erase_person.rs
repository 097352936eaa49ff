//! Somebody asks to be forgotten: look at the plan, erase, keep the certificate.
//!
//! Run it with `cargo run -p escrowdb --example erase_person`. It works in a temporary folder and
//! removes it at the end.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::path::Path;

use escrowdb::record::time;
use escrowdb::session::Session;
use escrowdb::store::{EraseOptions, Record, Selector, Store};
use escrowdb::{Error, ErrorKind, Result};

pub(crate) fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("escrowdb-erase-{}", std::process::id()));
    let result = forget(&folder);
    // Only what this example made.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn forget(folder: &Path) -> Result<()> {
    let store = Store::builder(folder.join("chats")).create()?;
    let at = time::parse("2026-01-31T12:00:00Z")?;
    store.append(&[
        Record::new("c1", "anna@example.org", at, "My order is late").id("m1"),
        Record::new("c2", "ben@example.org", at, "anna@example.org recommended your shop").id("m2"),
    ])?;

    let anna = Selector::Person("anna@example.org".into());
    let plan = store.plan(&anna)?;
    println!("would go: {} records; likely mentions by others: {}", plan.records, plan.mention_total);

    // When this returns, the key is destroyed: also a copy of the folder opens nothing of hers.
    let options = EraseOptions { reason: Some("asked on 1 February".into()), ..EraseOptions::default() };
    let certificate = store.erase(&anna, &options)?;
    let file = folder.join("anna.certificate.json");
    std::fs::write(&file, certificate.to_json()).map_err(|e| Error::io("write the certificate", e))?;
    println!("erased: {} records; slot grade {}", certificate.records_removed, certificate.slot_grade);

    // Who asks again with the name of the request has the same answer again.
    let options = EraseOptions { request: Some(certificate.request), ..options };
    assert_eq!(store.erase(&anna, &options)?.committed, certificate.committed);

    let reading = store.session(Session::new().actor("dana").purpose("control"));
    let unknown = reading.person("anna@example.org").map(|p| p.records).map_err(|e| e.kind());
    assert_eq!(unknown, Err(ErrorKind::NotFound));
    println!("left: {} records", reading.count("*")?);
    store.close()
}
