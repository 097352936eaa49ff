//! The small store that is damaged: everything a store can hold, in as few pages as it fits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use escrowdb::id::{Micros, RequestId};
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::session::Session;
use escrowdb::store::{
    AuditRules, Builder, EraseOptions, Exported, Level, Record, Selector, SignedCheckpoint, Store,
};
use escrowdb::vfs::{MemoryVfs, Vfs};

use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;

/// Its folder.
pub const DIR: &str = "/s";
/// Its slot.
pub const SLOT: &str = "/s.slot";
/// Who was erased before the damage.
pub const ERASED: &str = "dora@canary.example";
/// Who is erased after it: stands in the segment and in the journal.
pub const DOOMED: &str = "carla@canary.example";
/// The request for that.
pub const REQUEST: RequestId = RequestId([7; 16]);

/// The request that erased [`ERASED`].
pub const REQUEST_BEFORE: RequestId = RequestId([6; 16]);

/// A head of the small store, which an auditor keeps.
static KEPT: OnceLock<SignedCheckpoint> = OnceLock::new();

/// The head that an auditor kept.
///
/// # Panics
/// Before the store was made.
pub fn kept() -> &'static SignedCheckpoint {
    KEPT.get().expect("the store was made")
}

/// Files by path.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A word that stands in one record only.
pub fn word(id: &str) -> String {
    format!("canary{id}z")
}

/// The records whose words must never be seen again once [`ERASED`] is gone.
pub const ERASED_IDS: [&str; 3] = ["dora0", "dora1", "dora2"];
/// The records that go with [`DOOMED`].
pub const DOOMED_IDS: [&str; 3] = ["carla0", "carla1", "carla2"];

fn record(id: &str, who: &str, conversation: &str, day: i64) -> Record {
    let body = format!("The word of this record is {}, and it was said on day {day}.", word(id));
    Record::new(conversation, format!("{who}@canary.example"), Micros(day * 86_400_000_000), body)
        .id(id)
        .tag(format!("of:{who}"))
        .tag("dept:sales")
        .channel(if day % 2 == 0 { "web" } else { "mail" })
}

/// A builder on `disk`; `salt` tells this opening's randomness from others'.
pub fn builder(disk: Arc<dyn Vfs>, salt: u64) -> Builder {
    Store::builder(DIR)
        .vfs(disk)
        .entropy(Arc::new(SeededEntropy::new(salt)))
        .clock(Arc::new(ManualClock::default()))
        .background(false)
}

/// Somebody looks for a word of a record, opens it and hands out what a query finds, for a purpose.
fn looked(store: &Store, id: &str) {
    let reading = store.session(Session::new().actor("dana@canary.example").purpose("complaint").case("7"));
    reading.count(&format!("\"{}\"", word(id))).unwrap();
    reading.get(id, None).unwrap();
    reading.exporting(Exported::Query, &format!("id:{id}")).unwrap();
}

/// Nine people, one of them erased; one rolled segment (with the body file of the erasure beside
/// its own), a log, a journal with records of old and new people; acts with what was typed in both, a
/// head that was cosigned, a second key of the log. Closed cleanly, and from then on no acts are kept:
/// what is asked changes nothing.
///
/// # Panics
/// If the engine can't do that.
pub fn files() -> Files {
    let disk = MemoryVfs::new();
    let store = builder(Arc::new(disk.clone()), 1).audit(Level::All).create().unwrap();
    let mut batch: Vec<Record> = Vec::new();
    for i in 0..2 {
        for (n, who) in (0..).zip(["anna", "ben", "carla", "dora", "emil"]) {
            let conversation = if n % 2 == 0 { "c1" } else { "c2" };
            batch.push(record(&format!("{who}{i}"), who, conversation, 10 * i + n));
        }
    }
    batch.push(record("dora2", "dora", "c1", 30).subject("ben@canary.example").subject(ERASED));
    batch.push(record("agent0", "agent", "c1", 31).subject("anna@canary.example"));
    store.append(&batch).unwrap();
    ["dora0", "carla0"].iter().for_each(|id| looked(&store, id));
    store.roll().unwrap();
    let options = EraseOptions { request: Some(REQUEST_BEFORE), ..EraseOptions::default() };
    store.erase(&Selector::Person(ERASED.into()), &options).unwrap();
    store.append(&[record("ben2", "ben", "c2", 40), record("carla2", "carla", "c1", 41)]).unwrap();
    store.append(&[record("fay0", "fay", "c3", 5), record("gus0", "gus", "c3", 42)]).unwrap();
    looked(&store, "ben2");
    let head = store.checkpoint().unwrap();
    let line = Cosigner::new("w.example", &[1; 32]).unwrap().cosign(&head, 1_800_000_000).unwrap();
    store.keep_cosigned(&head.with(&[line]).unwrap()).unwrap();
    let _ = KEPT.set(head);
    store.set_audit_rules(&Session::new(), &AuditRules::new(Level::Off)).unwrap();
    store.rotate_log_key().unwrap();
    store.close().unwrap();
    disk.snapshot()
}

/// What a file is, for tables and lists of promises.
pub fn kind_of(path: &Path) -> &'static str {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    match (name.as_str(), end) {
        ("HEAD", _) => "HEAD",
        ("LOCK", _) => "LOCK",
        ("RESERVE", _) => "RESERVE",
        ("keyring.a" | "keyring.b", _) => "keyring",
        (_, "slot") => "slot",
        (_, "idx") => "index",
        (_, "seg") => "segment",
        (_, "jrn" | "par") => "journal",
        _ if name.starts_with("level-") => "log",
        _ if name.starts_with("parity-") => "parity",
        _ => "other",
    }
}
