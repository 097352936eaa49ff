//! Stores of every format version that was ever released, as bytes in this repository: the engine
//! must open them, and a reader that was written from docs/FORMAT.md alone must list the same.
//!
//! `ESCROW_WRITE_FIXTURE=1` writes the fixture of the version of today, if there is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

#[path = "fixtures/evidence.rs"]
mod evidence;
#[path = "fixtures/rules.rs"]
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use escrowdb::id::Micros;
use escrowdb::record::{Kind, Record};
use escrowdb::session::Session;
use escrowdb::store::{
    ActOptions, AuditRules, EraseOptions, Exported, Hit, Level, Order, Preset, Selector, VerifyOptions,
};
use escrowdb::{ErrorKind, FORMAT_VERSION, Store};
use escrowdb_tests::clock::ManualClock;
use serde_json::{Value, json};

const START: i64 = 1_767_225_600_000_000;
const MINUTE: i64 = 60_000_000;
const CUSTOMERS: [&str; 6] =
    ["anna@example.org", "ben@example.org", "Zoë Müller", "東京 太郎", "مريم", "o'neil \"x\" <y>"];
const TEXTS: [&str; 7] = [
    "My parcel has not come yet.",
    "Grüße aus Bern – schön, daß es klappt",
    "東京の注文はどこですか",
    "أين الطلب؟",
    "👩‍👩‍👧 👍🏽 🇩🇪",
    "",
    "line one\nline two\ttab \u{202e}reversed\u{202c}",
];

/// Everything that a reader has to know: several names, tags, kinds, long posting lists and short
/// ones, texts that compress and texts that don't, blocks of two body files, what stays behind an
/// erasure of each sort, a second segment, a journal; and what evidence leaves.
fn write(dir: &Path) {
    let clock = Arc::new(ManualClock::new(Micros(START)));
    let store_dir = dir.join("store");
    let builder = || Store::builder(&store_dir).clock(Arc::clone(&clock) as Arc<dyn escrowdb::clock::Clock>);
    let store = builder().preset(Preset::Customer).origin("fixture.example").create().unwrap();
    for day in 0..40 {
        let batch: Vec<Record> = (0..25).map(|i| record(day, i)).collect();
        store.append(&batch).unwrap();
        if day == 24 {
            store.roll().unwrap();
        }
    }
    store.close().unwrap();
    let store = builder().audit(Level::All).open().unwrap();
    leave_acts(&store);
    store.link("ben@example.org", "Zoë Müller").unwrap();
    evidence::erase_and_keep(&store, &Selector::Person("anna@example.org".into()), dir);
    let record = Selector::Record { id: "m-3-4".into(), conversation: Some("talk 3/1".into()) };
    for selector in [Selector::Conversation("talk 7/2".into()), record] {
        store.erase(&selector, &EraseOptions::default()).unwrap();
    }
    leave_acts(&store);
    evidence::change_key_and_expire(&store, &clock, dir);
    leave_acts(&store);
    rules::leave(&store);
    let late: Vec<Record> = (0..30).map(|i| self::record(90, i)).collect();
    store.append(&late).unwrap();
    evidence::keep_head(&store, dir);
    store.close().unwrap();
}

/// Acts of every kind, most with details, of which the erasures take some. The store itself says that
/// none are recorded, so that asking it leaves it as it is.
fn leave_acts(store: &Store) {
    let rules = AuditRules::new(Level::Off).keep_acts(400).keep_details(30);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    let reading =
        store.session(Session::new().actor("leo@shop.example").purpose("Beschwerde\n\\ \"x\"").case("7"));
    let _ = reading.get("m-3-4", None).unwrap();
    let _ = reading.get("m-3-5", Some("talk 3/2")).unwrap();
    let _ = reading.conversation("talk 7/2").unwrap();
    let _ = reading.person("anna@example.org");
    let _ = reading.person("ben@example.org").unwrap();
    let _ = reading.count("anna@example.org").unwrap();
    let _ = reading.facet("parcel", "author").unwrap();
    let _ = reading.exporting(Exported::Person("Zoë Müller"), "subject:\"Zoë Müller\"").unwrap();
    reading.imported(5, 4, 3).unwrap();
    store.session(Session::new()).count("*").unwrap();
}

fn record(day: i64, i: i64) -> Record {
    let customer = CUSTOMERS[((day * 7 + i) % 6) as usize];
    let agent = if i % 4 == 0 { "nora@shop.example" } else { "leo@shop.example" };
    let author = if i % 2 == 0 { customer } else { agent };
    let mut body = TEXTS[((day + i) % 7) as usize].to_owned();
    if i == 11 {
        body = body.repeat(200);
    }
    if (day, i) == (0, 13) {
        // Positions of one byte, two and three, and a word that stands as its short name.
        body = (0..9000).map(|n| format!("n{n} ")).chain([" x".repeat(20), "x".repeat(300)]).collect();
    }
    let at = Micros(START + day * 1440 * MINUTE + (i * 37 % 25) * MINUTE + i % 3);
    let mut record = Record::new(format!("talk {day}/{}", (day * 7 + i) % 6), author, at, body)
        .id(format!("m-{day}-{i}"))
        .subject(customer)
        .channel(if day % 3 == 0 { "web" } else { "mail" })
        .tag("all")
        .tag(format!("day:{day}"))
        .kind([Kind::Message, Kind::Message, Kind::Action, Kind::File][(i % 4) as usize]);
    if i > 20 {
        record = record.reply_to(format!("m-{day}-{}", i - 20));
    }
    if i == 5 {
        record.extra = vec![("rating".into(), "{\"stars\":5}".into())];
        record.participants = vec![customer.to_owned(), "guest@example.org".into()];
    }
    record
}

/// What a store answers, as text: every record of every kind, then counts.
fn answers(store: &Store) -> String {
    let reading = store.session(Session::new().case(rules::CASE));
    let mut all: Vec<Value> = Vec::new();
    // Details of acts are found by no query.
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Detail) {
        let query = format!("version:all kind:{}", kind.name());
        reading
            .search_each(&query, Order::Oldest, |hit| {
                all.push(as_json(&hit));
                true
            })
            .unwrap();
    }
    all.sort_by_key(|record| record["seq"].as_u64());
    let mut out: String = all.iter().map(|record| format!("{record}\n")).collect();
    let old = [
        "*",
        "tag:all",
        "tag:day:24",
        "author:nora@shop.example",
        "subject:ben@example.org channel:web",
        "tag:all NOT channel:mail",
        "after:2026-01-10 before:2026-02-01",
        "id:m-3-4",
        "conversation:\"talk 7/2\"",
    ];
    let words: &[&str] = if has_words(store) { &WORDS } else { &[] };
    for query in old.iter().chain(words) {
        out += &format!("{}\n", json!({"query": query, "count": reading.count(query).unwrap()}));
    }
    out
}

/// Each finds something.
const WORDS: [&str; 8] = [
    "parcel",
    "\"parcel has not come\"",
    "GRUESSE OR grüße",
    "\"東京の\"",
    "أين",
    "👍🏽",
    "parc* NOT kind:file",
    "parzel~1",
];

/// Whether a store has words; one that isn't has to refuse words, and say what to do.
fn has_words(store: &Store) -> bool {
    let reading = store.session(Session::new());
    match (store.format(), reading.count(WORDS[0])) {
        (1, Err(e)) => {
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert!(e.hint_text().is_some_and(|hint| hint.contains("escrow upgrade")), "{e}");
            false
        }
        (2.., found) => {
            assert!(WORDS.iter().all(|words| reading.count(words).unwrap() > 0), "{found:?}");
            true
        }
        (format, found) => panic!("format {format}: {found:?}"),
    }
}

fn as_json(hit: &Hit) -> Value {
    json!({
        "seq": hit.seq.0, "id": hit.id, "conversation": hit.conversation, "author": hit.author,
        "subjects": hit.subjects, "time": escrowdb::record::time::format(hit.time), "channel": hit.channel,
        "kind": hit.kind.name(), "tags": hit.tags, "body": hit.body, "reply_to": hit.reply_to,
        "extra": hit.extra,
    })
}

#[test]
fn stores_of_every_version_open_and_answer_as_they_did() {
    for version in 1..=FORMAT_VERSION {
        let copy = Copy::of(version);
        let wanted = fs::read_to_string(fixture(version).join("answers.jsonl")).unwrap();
        let store = Store::builder(copy.store()).open().unwrap();
        assert_eq!(store.format(), version);
        assert!(wanted.lines().count() > 500, "a fixture that holds nothing proves nothing");
        assert_eq!(answers(&store), wanted, "version {version}");
        let report = store.verify(&VerifyOptions::new().read_data(true)).unwrap();
        assert!(report.damage.is_empty(), "{:?}", report.damage);

        // It goes on living: appends, erases, rolls, opens again.
        let before = store.session(Session::new()).count("*").unwrap();
        let gone = store.session(Session::new()).count("subject:مريم").unwrap();
        store.append(&[Record::new("new", "new@example.org", Micros(START), "x")]).unwrap();
        store.erase(&Selector::Person("مريم".into()), &EraseOptions::default()).unwrap();
        store.roll().unwrap();
        store.close().unwrap();
        let store = Store::builder(copy.store()).open().unwrap();
        assert!(gone > 0);
        assert_eq!(store.format(), version, "only an upgrade changes it");
        has_words(&store);
        assert_eq!(store.session(Session::new()).count("*").unwrap(), before + 1 - gone);
    }
}

#[test]
fn a_reader_written_from_the_page_lists_the_same() {
    let python = std::env::var("ESCROW_PYTHON").unwrap_or_else(|_| "python3".into());
    let usable = Command::new(&python)
        .args(["-c", "import blake3; from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV"])
        .output()
        .is_ok_and(|out| out.status.success());
    if !usable {
        eprintln!("skipped: no Python with the packages cryptography and blake3 (ESCROW_PYTHON names one)");
        return;
    }
    for version in 1..=FORMAT_VERSION {
        let copy = Copy::of(version);
        let out = read_by(&python, &copy);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{said}");
        if version >= 3 {
            evidence::reader_found_it(&said);
        }
        let listed: Vec<Value> = String::from_utf8(out.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let wanted: Vec<Value> = fs::read_to_string(fixture(version).join("answers.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|answer| answer.get("seq").is_some())
            .collect();
        assert_eq!(listed.len(), wanted.len());
        for (got, want) in listed.iter().zip(&wanted) {
            assert_eq!(got, want);
        }
    }
    // What is written today of what is asked.
    let copy = Copy::of(FORMAT_VERSION);
    let store = Store::builder(copy.store()).open().unwrap();
    let rules = AuditRules::new(Level::All);
    store.set_audit_rules(&Session::new(), &rules).unwrap();
    let dana = store.session(Session::new().actor("dana").purpose("a complaint").case("2026-17"));
    let found = dana.count("kind:message").unwrap();
    dana.acts("complaint kind:searched", &ActOptions::new().details(true)).unwrap();
    store.close().unwrap();
    let out = read_by(&python, &copy);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let listed = String::from_utf8(out.stdout).unwrap();
    assert!(listed.lines().count() as u64 >= found + 6, "two acts, and what was asked and what for of each");
}

fn read_by(python: &str, copy: &Copy) -> Output {
    Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("reader.py"))
        .args([copy.store(), copy.store().with_extension("slot")])
        .output()
        .unwrap()
}

#[test]
fn a_version_without_fixture_is_not_released() {
    let dir = fixture(FORMAT_VERSION);
    if std::env::var_os("ESCROW_WRITE_FIXTURE").is_some() && !dir.exists() {
        fs::create_dir_all(&dir).unwrap();
        write(&dir);
        let copy = Copy::of(FORMAT_VERSION);
        let store = Store::builder(copy.store()).open().unwrap();
        fs::write(dir.join("answers.jsonl"), answers(&store)).unwrap();
        // Room on the disk, and who has it open: neither is part of the format.
        for name in ["RESERVE", "LOCK"] {
            let _ = fs::remove_file(dir.join("store").join(name));
        }
    }
    for name in ["answers.jsonl", "store/HEAD", "store/keyring.a", "store/keyring.b", "store.slot"] {
        assert!(dir.join(name).is_file(), "{name} is missing in the fixture");
    }
}

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{version}"))
}

/// A copy of a fixture in a temporary folder, since opening a store writes to it.
struct Copy(PathBuf);

impl Copy {
    fn of(version: u32) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let to = std::env::temp_dir().join(format!("escrowdb-fixture-{}-{n}", std::process::id()));
        copy_folder(&fixture(version), &to);
        Self(to)
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
