//! A store keeps to its region: it is opened and exported elsewhere on a named basis only, and says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use escrowdb::ErrorKind;
use escrowdb::export::Snapshot;
use escrowdb::id::Micros;
use escrowdb::merkle::checkpoint::SignedCheckpoint;
use escrowdb::merkle::signer::VerifierKey;
use escrowdb::query::breach::{Lost, Readable};
use escrowdb::record::Kind;
use escrowdb::register::Event;
use escrowdb::register::disclosure::{self, About, Given};
use escrowdb::register::transfer::What;
use escrowdb::session::Session;
use escrowdb::store::{ActOptions, Builder, EraseOptions, Exported, Level, Reading, Record, Selector, Store};
use escrowdb::verify::residency::SignedResidency;
use escrowdb::vfs::MemoryVfs;
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;

const START: i64 = 1_767_225_600_000_000;
const BASIS: &str = "GDPR 46 (2) (c)";

fn builder(disk: &MemoryVfs) -> Builder {
    // One opening draws other names than the next.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(ManualClock::new(Micros(START))))
        .entropy(Arc::new(SeededEntropy::new(NEXT.fetch_add(1, Ordering::Relaxed))))
        .background(false)
        .audit(Level::Acts)
}

fn made(region: &str) -> MemoryVfs {
    let disk = MemoryVfs::new();
    let store = builder(&disk).region(region).create().unwrap();
    let say = |id: &str, who: &str| Record::new("c", who, Micros(START), "hello").id(id);
    store.append(&[say("a", "anna"), say("b", "ben")]).unwrap();
    store.close().unwrap();
    disk
}

fn dana() -> Session {
    Session::new().actor("dana").purpose("test")
}

fn transfers(store: &Store) -> Vec<(What, String, String)> {
    let of = |made: &escrowdb::register::transfer::Made| {
        (made.transfer.what, made.transfer.region.clone(), made.transfer.basis.clone())
    };
    store.registers().transfers.iter().map(of).collect()
}

#[test]
fn a_store_is_opened_elsewhere_on_a_basis_only() {
    let disk = made("eu");
    let before = disk.snapshot();
    let refused = builder(&disk).here("us").open().map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    // Read only: nothing of the store was changed.
    assert_eq!(disk.snapshot(), before);
    for builder in [builder(&disk), builder(&disk).here("EU"), builder(&disk).transfer_basis(BASIS, &dana())]
    {
        let store = builder.open().unwrap();
        assert_eq!(transfers(&store), []);
        store.close().unwrap();
    }
    let store = builder(&disk).here("us").transfer_basis(BASIS, &dana()).open().unwrap();
    let opened = (What::Opened, "us".to_owned(), BASIS.to_owned());
    assert_eq!(transfers(&store), std::slice::from_ref(&opened));
    let acts = store.session(dana()).acts("kind:transfer", &ActOptions::new()).unwrap();
    assert_eq!(acts[0].actor_name.as_deref(), Some("dana"));
    store.close().unwrap();
    // It is folded from the log, and outlives whoever is erased.
    let store = builder(&disk).open().unwrap();
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(transfers(&store), [opened]);
    for wrong in ["e u", "", "x/y"] {
        let refused = builder(&made("eu")).here(wrong).transfer_basis(BASIS, &dana()).open().map(drop);
        assert!(refused.is_err(), "{wrong}");
    }
    assert!(builder(&MemoryVfs::new()).region("e u").create().is_err());
}

#[test]
fn a_store_without_region_is_at_home_everywhere() {
    let disk = made("");
    let store = builder(&disk).here("us").open().unwrap();
    let reading = store.session(dana()).sending_to("br", None);
    reading.exporting(Exported::Query, "*").unwrap();
    assert_eq!(transfers(&store), []);
    assert_eq!(store.checkpoint().unwrap().region(), None);
}

#[test]
fn records_leave_on_a_basis_only_and_a_refusal_is_a_record() {
    let disk = made("eu");
    let store = builder(&disk).open().unwrap();
    let to = |region: &str, basis: Option<&'static str>| store.session(dana()).sending_to(region, basis);
    let export =
        |reading: &Reading<'_>| reading.exporting(Exported::Conversation("c"), "conversation:c").map(drop);
    export(&store.session(dana())).unwrap();
    export(&to("eu", None)).unwrap();
    assert_eq!(transfers(&store), []);
    for what in [export, |reading: &Reading<'_>| Snapshot::take(reading)?.each("*", |_| true)] {
        assert_eq!(what(&to("us", None)).unwrap_err().kind(), ErrorKind::Refused);
    }
    let refusals = store.session(dana()).acts("kind:refused", &ActOptions::new()).unwrap();
    assert_eq!((refusals.len(), refusals[0].kind), (2, Kind::Refused));
    assert_eq!(refusals[0].actor_name.as_deref(), Some("dana"));
    export(&to("us", Some(BASIS))).unwrap();
    assert_eq!(transfers(&store), [(What::Exported, "us".to_owned(), BASIS.to_owned())]);
    store.close().unwrap();
    // Where the program runs elsewhere, what it exports goes there.
    let store = builder(&disk).here("us").transfer_basis("GDPR 45", &dana()).open().unwrap();
    store.session(dana()).exporting(Exported::Query, "*").unwrap();
    let (what, region, basis) = transfers(&store).pop().unwrap();
    assert_eq!((what, &*region, &*basis), (What::Exported, "us", "GDPR 45"));
}

#[test]
fn an_export_of_any_level_asks() {
    let disk = MemoryVfs::new();
    let store = builder(&disk).audit(Level::Off).region("eu").create().unwrap();
    store.append(&[Record::new("c", "anna", Micros(START), "hello")]).unwrap();
    let refused = store.session(dana()).sending_to("us", None).exporting(Exported::Query, "*");
    assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn signed_heads_and_reports_name_the_region() {
    let disk = made("eu");
    let store = builder(&disk).here("us").transfer_basis(BASIS, &dana()).open().unwrap();
    let key: VerifierKey = store.verifier_key().unwrap().parse().unwrap();
    let head = SignedCheckpoint::parse(store.checkpoint().unwrap().to_string().as_bytes()).unwrap();
    head.verify(&key).unwrap();
    assert_eq!(head.region(), Some("eu"));
    // Proofs stand in such heads as in others.
    let proof = store.session(dana()).prove("a", None, None).unwrap().remove(0).to_text();
    let proof = escrowdb::store::RecordProof::parse(proof.as_bytes()).unwrap();
    assert_eq!(proof.checkpoint.region(), Some("eu"));
    proof.verify(&key).unwrap();
    let report = store.residency().unwrap().to_string();
    let read = SignedResidency::parse(report.as_bytes()).unwrap();
    let said = read.verify(&key).unwrap();
    assert_eq!((&*said.region, &*said.grade, said.transfers.len()), ("eu", "C", 1));
    assert_eq!(said.transfers[0].2.basis, BASIS);
    assert!(said.size >= head.unverified().size);
    assert!(read.to_string().contains("does not prove where disks stand"));
}

/// Names of files of a disk, without their folders.
fn names(disk: &MemoryVfs) -> BTreeSet<String> {
    disk.snapshot().keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

#[test]
fn a_theft_lays_open_who_stands_in_what_was_lost() {
    let disk = made("");
    let store = builder(&disk).open().unwrap();
    store.roll().unwrap();
    store.append(&[Record::new("d", "carl", Micros(START), "hi").id("x")]).unwrap();
    let reading = store.session(dana());
    let readable = |lost: &Lost| -> Vec<(String, Readable, u64)> {
        let breach = reading.breach(lost).unwrap();
        let of = |of: &escrowdb::query::breach::Reached| (of.identifiers.join(","), of.what, of.records);
        breach.people.iter().map(of).collect()
    };
    let all = names(&disk);
    let ending = |end: &str| all.iter().filter(|name| name.ends_with(end)).cloned().collect::<BTreeSet<_>>();
    let lost = |root_key, files: &[&BTreeSet<String>]| Lost {
        root_key,
        files: files.iter().flat_map(|of| of.iter().cloned()).collect(),
        ..Lost::default()
    };
    // Whatever was stolen: without the root key nobody, and with the root key alone nobody.
    assert_eq!(readable(&lost(false, &[&all])), []);
    assert_eq!(readable(&lost(true, &[])), []);
    assert_eq!(readable(&lost(true, &[&ending(".seg"), &ending(".idx"), &ending(".jrn")])), []);
    let keys: BTreeSet<String> = ["HEAD", "keyring.b"].map(str::to_owned).into();
    // Anna and Ben stand in the key tree since the roll, Carl in the journal; dana is who asked.
    let of = |found: &[(String, Readable, u64)], who: &str| {
        found.iter().find(|(name, ..)| name == who).map(|(_, what, records)| (*what, *records > 0))
    };
    let named = readable(&lost(true, &[&keys]));
    assert_eq!(of(&named, "anna"), Some((Readable::Name, false)));
    assert_eq!(of(&named, "carl"), None);
    let index = readable(&lost(true, &[&keys, &ending(".idx")]));
    assert_eq!(of(&index, "ben"), Some((Readable::Index, true)));
    let texts = readable(&lost(true, &[&keys, &ending(".idx"), &ending(".seg")]));
    assert_eq!((of(&texts, "ben"), of(&texts, "carl")), (Some((Readable::Records, true)), None));
    // Bodies without their index stay shut: the second lock stands there.
    assert_eq!(of(&readable(&lost(true, &[&keys, &ending(".seg")])), "ben"), Some((Readable::Name, false)));
    let journal = readable(&lost(true, &[&keys, &ending(".jrn")]));
    assert_eq!(of(&journal, "carl"), Some((Readable::Records, true)));
    let everybody = readable(&lost(true, &[&all]));
    assert!(["anna", "ben", "carl"].iter().all(|who| of(&everybody, who) == Some((Readable::Records, true))));
    // What this store never had is said so.
    let older: BTreeSet<String> = ["0123.seg"].map(str::to_owned).into();
    assert_eq!(reading.breach(&lost(true, &[&keys, &older])).unwrap().unknown, ["0123.seg"]);
    // The erased are in none of it.
    store.erase(&Selector::Person("anna".into()), &EraseOptions::default()).unwrap();
    assert_eq!(of(&readable(&lost(true, &[&names(&disk)])), "anna"), None);
    assert!(!store.session(dana()).acts("kind:opened", &ActOptions::new()).unwrap().is_empty());
}

/// Of several body files of a segment one is lost: whose texts stand in it can be read, of the others the index.
#[test]
fn a_lost_body_file_lays_open_whose_records_stand_in_it() {
    let disk = made("");
    let store = builder(&disk).open().unwrap();
    let say = |id: &str, who: &str| Record::new("c", who, Micros(START), "hello").id(id);
    store.append(&[say("a2", "anna"), say("a3", "anna"), say("b2", "ben")]).unwrap();
    store.roll().unwrap();
    let bodies = || names(&disk).into_iter().filter(|name| name.ends_with(".seg")).collect::<BTreeSet<_>>();
    let before = bodies();
    // What is left of Anna's block is formed anew, in a file of its own; Ben's stays where it is.
    let record = Selector::Record { id: "a2".into(), conversation: None };
    store.erase(&record, &EraseOptions::default()).unwrap();
    let after = bodies();
    let new: BTreeSet<String> = after.difference(&before).cloned().collect();
    let old: BTreeSet<String> = after.intersection(&before).cloned().collect();
    assert!(!new.is_empty() && !old.is_empty(), "{before:?} {after:?}");
    let readable = |files: &BTreeSet<String>, who: &str| {
        let keys = names(&disk).into_iter().filter(|name| !name.ends_with(".seg") && !name.ends_with(".jrn"));
        let lost =
            Lost { files: keys.chain(files.iter().cloned()).collect(), root_key: true, ..Lost::default() };
        let breach = store.session(dana()).breach(&lost).unwrap();
        let of = breach.people.into_iter().find(|of| of.identifiers == [who]).unwrap();
        (of.what, of.records > of.whole, of.whole > 0)
    };
    assert_eq!(readable(&after, "anna"), (Readable::Records, false, true));
    assert_eq!(readable(&new, "anna").0, Readable::Records);
    assert_eq!(readable(&new, "ben"), (Readable::Index, true, false));
    assert_eq!(readable(&old, "ben").0, Readable::Records);
    assert_eq!(readable(&BTreeSet::new(), "anna"), (Readable::Index, true, false));
    let anna = (readable(&old, "anna"), readable(&new, "anna"));
    assert!(anna.0.1 || anna.1.1, "her texts stand in the one or the other: {anna:?}");
}

#[test]
fn of_two_journals_either_counts_for_both_and_says_so() {
    let disk = made("");
    let store = builder(&disk).open().unwrap();
    store.append(&[Record::new("d", "carl", Micros(START), "hi").id("x")]).unwrap();
    let all = names(&disk);
    let journals: Vec<&String> = all.iter().filter(|name| name.ends_with(".jrn")).collect();
    assert_eq!(journals.len(), 2, "{all:?}");
    let at_most = |without: &[&String]| {
        let files = all.iter().filter(|name| !without.contains(name)).cloned().collect();
        let lost = Lost { files, root_key: true, ..Lost::default() };
        store.session(dana()).breach(&lost).unwrap().at_most
    };
    assert_eq!((at_most(&[]), at_most(&journals[..1]), at_most(&journals)), (false, true, false));
}

#[test]
fn a_lost_export_lays_open_whom_it_is_about() {
    let disk = made("");
    let store = builder(&disk).open().unwrap();
    let give = |code: &str, about: About| {
        let given = Given {
            code: code.into(),
            about,
            records: 1,
            format: "jsonl".into(),
            digest: String::new(),
            recipient: "court".into(),
            expires: None,
        };
        store.change(&dana(), Event::Disclosure(disclosure::Event::Give(given))).unwrap();
    };
    give("one", About::Person(store.number_of("anna").unwrap().0));
    give("many", About::Many);
    let codes = ["one", "many", "none"].map(str::to_owned).into();
    let breach = store.session(dana()).breach(&Lost { disclosures: codes, ..Lost::default() }).unwrap();
    assert_eq!(breach.people.len(), 1);
    let anna = &breach.people[0];
    assert_eq!((anna.identifiers.as_slice(), anna.what), (&["anna".to_owned()][..], Readable::Records));
    assert_eq!(anna.disclosures, ["one"]);
    assert_eq!(
        (breach.of_anybody, breach.no_such_disclosure),
        (vec!["many".to_owned()], vec!["none".to_owned()])
    );
}
