//! The whole life of a store: make, append, find, show, plan, erase, check, open again.
//!
//! Run it with `cargo run -p escrowdb --example live_chat`. It works in a folder of its own below
//! the system's temporary folder and removes it at the end.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::path::Path;

use escrowdb::record::time;
use escrowdb::session::Session;
use escrowdb::store::{
    EraseOptions, Order, Outcome, Preset, Record, SearchOptions, Selector, Store, VerifyOptions,
};
use escrowdb::{ErrorKind, Result};

const ANNA: &str = "anna@example.org";
const BEN: &str = "ben@example.org";
const AGENT: &str = "nora@shop.example";

pub(crate) fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("escrowdb-live-chat-{}", std::process::id()));
    let result = life(&folder.join("chats"));
    // Only what this example made: its own folder, named by its process.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn life(dir: &Path) -> Result<()> {
    // The slot with the root key lies beside the folder: `chats.slot`. Never keep both in one backup.
    let store = Store::builder(dir).preset(Preset::Customer).create()?;
    println!("made a store, slot of grade {}", store.key_status().grade);

    // One call is one batch: on disk and found when it returns, or not there at all. The customer
    // opens each talk, so the preset makes the customer the subject of every message in it.
    let outcomes = store.append(&[
        said("c1", "m1", ANNA, "2026-03-01T09:00:00Z", "My parcel has not come yet.")?,
        said("c1", "m2", AGENT, "2026-03-01T09:01:00Z", "It left the depot this morning.")?,
        said("c2", "m1", BEN, "2026-03-01T10:00:00Z", "Anna told me about your shop. Do you ship to Bern?")?,
        said("c2", "m2", AGENT, "2026-03-01T10:02:00Z", "Yes, in three days.")?,
    ])?;
    let added = outcomes.iter().filter(|o| matches!(o, Outcome::Added(_))).count();
    println!("appended {added} records");

    let reading = store.session(Session::new().actor("nora").purpose("support"));
    let page = SearchOptions::new().order(Order::Newest).limit(10);
    for hit in reading.search("tag:dept:sales after:2026-03-01 before:2026-04-01", &page)? {
        println!("  found {} {}: {}", time::format(hit.time), hit.author.unwrap_or_default(), hit.body);
    }
    println!("by author: {:?}", reading.facet("*", "author")?);
    println!("talk c1 has {} messages", reading.conversation("c1")?.len());

    // A plan changes nothing. What others wrote about her stays theirs; it is listed, not removed.
    let anna = Selector::Person(ANNA.into());
    let plan = store.plan(&anna)?;
    println!("erasing Anna would take {} records, {} mention by others", plan.records, plan.mention_total);

    let options = EraseOptions { reason: Some("her request of 2 March".into()), ..Default::default() };
    let certificate = store.erase(&anna, &options)?;
    println!("certificate: {}", certificate.to_json());

    // From here on she is unknown, like somebody who never wrote.
    assert_eq!(reading.count("conversation:c1")?, 0);
    assert_eq!(reading.person(ANNA).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
    assert_eq!(reading.conversation("c2")?.len(), 2);

    let report = store.verify(&VerifyOptions::new().read_data(true))?;
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let stats = store.stats()?;
    println!("verified; {} records of {} people, log of {}", stats.records, stats.people, stats.log_size);

    store.close()?;
    let again = Store::builder(dir).open()?;
    println!("opened again: {} records", again.session(Session::new()).count("*")?);
    again.close()
}

fn said(conversation: &str, id: &str, author: &str, at: &str, body: &str) -> Result<Record> {
    Ok(Record::new(conversation, author, time::parse(at)?, body).id(id).channel("web").tag("dept:sales"))
}
