//! What the engine writes today, as seeds of the fuzz targets. The files in `fuzz/corpus` are the
//! same, so a change of an encoding shows here; `ESCROW_WRITE_SEEDS=1` writes them anew.

use std::path::Path;
use std::sync::Arc;

use escrowdb::codec::Write;
use escrowdb::crypto::{Keys, OsEntropy, Secret};
use escrowdb::export::{FormLine, HEADER, HEADER_OF_FORM, Line, SignedManifest};
use escrowdb::id::{Epoch, FileId, Handle, Micros, PersonNumber, RequestId, SegmentId, Seq};
use escrowdb::index::filter::{IdFilter, IdHash};
use escrowdb::index::part::{Field, SortKey};
use escrowdb::index::terms::Terms;
use escrowdb::index::{IndexBuilder, column, dictionary, file, page, postings, write_index};
use escrowdb::ingest::frame;
use escrowdb::journal::parity::file_name as journal_parity_name;
use escrowdb::keyring::entry::{self, Entry};
use escrowdb::keyring::free;
use escrowdb::keyring::losses::{By, Loss, Losses, What};
use escrowdb::keyring::pending::{Done, Pending, Redacted, Target, Waiting};
use escrowdb::keyring::{FileSlot, RootKey, Slot, SlotRecord, progress::ImportProgress};
use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
use escrowdb::merkle::hash::{leaf_hash, node_hash};
use escrowdb::merkle::proof::Inclusion;
use escrowdb::merkle::signer::Signer;
use escrowdb::merkle::text::{Advance, Opening, RecordProof};
use escrowdb::query::cursor::Cursors;
use escrowdb::query::exec::Order;
use escrowdb::record::{Kind, Stored};
use escrowdb::segment::Location;
use escrowdb::segment::block::{BlockBuilder, BlockRef, Compressor};
use escrowdb::vfs::{MemoryVfs, Vfs};
use zeroize::Zeroizing;

use crate::checks::{JOURNAL, PAGE, ROOT, STORE_ID, Sevens, closed_journal, manifest, read_whole};

/// Target, name, bytes.
pub(crate) type Seed = (&'static str, &'static str, Vec<u8>);

pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = entries();
    seeds.extend(index_parts());
    seeds.extend(evidence());
    seeds.extend([
        ("frame", "two_records", frame::encode(&[record(7, "Guten Tag"), record(8, "")]).to_vec()),
        ("index_file", "a_hundred_documents", index_file()),
        ("free_list", "free_and_freed", [&9u32.to_le_bytes()[..], &free::encode(&[1, 2, 7], &[4])].concat()),
        ("journal_parity", "as_written", parity()),
        ("journal", "two_frames", b"\x01\x01\0\0\x05hello".to_vec()),
        ("page", "whole", vec![1]),
        ("body_block", "packed", block("many words, many words, many words, many words")),
        ("body_block", "stored", block("a")),
        ("slot", "first_record", slot()),
        ("head", "clear_part", [b"ESCDHEAD", &[1, 1, 0, 0, 0, 0, 0, 0][..], &STORE_ID.0].concat()),
        ("keyring_node", "leaf", b"\0\x02\0\x01a\x03one\x01b\0".to_vec()),
        ("keyring_node", "inner", [b"\x01\x01\0\x01a\x24".as_slice(), &[9; 36]].concat()),
        ("cursor", "token", cursor().into_bytes()),
        ("query", "words", br#"tag:dept:sales -(author:"Anna B" OR kind:file) after:2026-01"#.to_vec()),
        ("query", "all", b"*".to_vec()),
        ("words", "latin", "Größe  ﬁne e\u{301} x\u{30c} anna_b@example.org \u{212b}=\u{338}".into()),
        ("words", "signs", "東 京tower ｶﾞ々 ที่นี่ ក្សត្រ  မြန်မာ é".into()),
        ("words", "emoji", "❤\u{fe0f} 👩\u{200d}👧👍🏽  🇩🇪🇫 1\u{fe0f}\u{20e3} ΐ हिन्दी한국".into()),
        ("words", "capitals", "Ϊ\u{301} ΰ Ϋ\u{301}  ᾳ\u{301} \u{1fe2}".into()),
        ("words", "long", format!("{}  {}", "a".repeat(260), "ж".repeat(140)).into()),
        ("time", "zone", b"2026-01-31T12:00:00.125+05:30".to_vec()),
        ("time", "leap_day", b"2024-02-29T23:59:59Z".to_vec()),
    ]);
    seeds
}

fn entries() -> Vec<Seed> {
    let secret = || Secret::from_bytes(&[3; 32]);
    let person = entry::Person {
        handle: Handle([1; 16]),
        content: secret(),
        evidence: secret(),
        state: 0,
        identifiers: 2,
        linked: vec![PersonNumber(4), PersonNumber(400)],
    };
    let segment = entry::Segment {
        key: secret(),
        index: FileId([2; 16]),
        index_pages: 9,
        bodies: vec![FileId([3; 16]), FileId([4; 16])],
        docs: 65_536,
        generation: 1,
        first: Micros(-1),
        last: Micros(1 << 50),
        min_seq: Seq(0),
        max_seq: Seq(70_000),
    };
    let settings = entry::Settings {
        origin: "escrowdb.local/x".into(),
        region: "eu".into(),
        preset: entry::Preset::Peer,
    };
    let counters =
        entry::Counters { person: PersonNumber(9), segment: Default::default(), seq: Seq(3), removed: 1 };
    let mut losses = Losses::default();
    let by = [By::Opening, By::Repair, By::Erasure(RequestId([4; 16])), By::Several];
    for (by, what) in by.into_iter().zip([What::Records, What::Leaves { root: [6; 32] }].into_iter().cycle())
    {
        let (at, segment) = (Micros(1 << 50), Some(SegmentId(2)));
        losses.add(Loss { what, by, at, segment, number: 3, first: Seq(4), last: Seq(400) });
    }
    let import = ImportProgress { digest: [7; 32], offset: 1000, lines: 10, records: 9 };
    let done = Done { what: 1, handles: vec![Handle([1; 16])], removed: 12, ..Done::default() };
    let waiting = |target| {
        Pending::Waiting(Waiting {
            target,
            reason: Some("asked by letter".into()),
            asked: Micros(5),
            progress: done.clone(),
            forgotten: Vec::new(),
            family: Vec::new(),
            further: Vec::new(),
        })
        .encode()
        .unwrap()
        .to_vec()
    };
    let record =
        Target::Record { conversation: "c".into(), id: "m1".into(), seq: Seq(4), joins: vec![Seq(2)] };
    let redacted =
        Redacted { by: PersonNumber(3), conversation: "c".into(), id: "m1".into(), seq: Seq(4), spans: 2 };
    let period =
        entry::AuditPeriod { class: entry::Class::Details, from: Micros(1 << 50), until: Micros(1 << 51) };
    vec![
        kind(0, "person", &person),
        kind(1, "identifier", &entry::Identifier(Zeroizing::new("anna@example.org".into()))),
        kind(2, "name", &PersonNumber(77)),
        kind(3, "evidence", &entry::Evidence { number: PersonNumber(7) }),
        kind(4, "segment", &segment),
        kind(5, "journal", &entry::Journal { file: FileId([5; 16]), key: secret() }),
        kind(6, "store_key", &entry::StoreKey(secret())),
        kind(7, "counters", &counters),
        kind(8, "settings", &settings),
        kind(9, "seen", &entry::Seen { believed: Micros(1 << 50), clock: Micros(-5), doubted: 1 << 40 }),
        kind(10, "import", &import),
        kind(11, "losses", &losses),
        kind(12, "audit_rules", &entry::AuditRules::new(entry::Level::All)),
        kind(13, "audit_period", &period),
        ("pending", "done", Pending::Done(done.clone()).encode().unwrap().to_vec()),
        ("pending", "persons", waiting(Target::Persons(vec![PersonNumber(1), PersonNumber(2)]))),
        ("pending", "conversation", waiting(Target::Conversation("c1".into()))),
        ("pending", "record", waiting(record)),
        (
            "pending",
            "acts",
            waiting(Target::Audit { class: entry::Class::Acts, numbers: vec![PersonNumber(3)] }),
        ),
        (
            "pending",
            "redaction",
            waiting(Target::Redact { of: Box::new(redacted.clone()), spans: vec![(0, 5), (9, 12)] }),
        ),
        (
            "pending",
            "rename",
            waiting(Target::Rename {
                of: Box::new(redacted.clone()),
                person: PersonNumber(300),
                stays: vec![2, 0],
            }),
        ),
        (
            "pending",
            "redacted",
            Pending::Done(Done { redacted: Some(redacted), ..done.clone() }).encode().unwrap().to_vec(),
        ),
    ]
}

/// What the parity says of the journal that the check closes: a file that is not turned.
fn parity() -> Vec<u8> {
    let name = journal_parity_name(JOURNAL);
    let bytes = read_whole(&closed_journal(), &name.to_string_lossy());
    // Bytes and number of the frames stand at 24.
    [&[1][..], &bytes[24..40], &bytes[2 * PAGE..]].concat()
}

/// The text of the index of a few records.
fn index_file() -> Vec<u8> {
    let mut builder = IndexBuilder::new(&|_| Ok(true), true);
    for i in 0..100u16 {
        let stored = Stored {
            id: format!("m{i}"),
            conversation: "c1".into(),
            time: Micros(i64::from(i)),
            author: PersonNumber(1),
            subjects: vec![PersonNumber(1)],
            tags: vec!["all".into(), format!("n:{}", i % 7)],
            ..Stored::default()
        };
        builder.add(&stored, Seq(i.into()), Location { block: 0, slot: i }).unwrap();
    }
    let block = BlockRef {
        file: 0,
        offset: 8,
        len: 9000,
        r_block: Zeroizing::new([4; 16]),
        subjects: vec![PersonNumber(1)],
        class: 0,
        expiry: 0,
    };
    let data = builder.finish(vec![block]).unwrap();
    let (disk, id) = (MemoryVfs::new(), FileId([7; 16]));
    disk.create_dir(Path::new("/s")).unwrap();
    let written = write_index(&disk, Path::new("/s"), STORE_ID, id, &data, &OsEntropy).unwrap();
    let file = disk.open(&Path::new("/s").join(file::file_name(id))).unwrap();
    let mut text = Vec::new();
    for number in 0..written.pages {
        let mut sealed = vec![0; PAGE];
        file.read_exact_at(&mut sealed, u64::from(number) * PAGE as u64).unwrap();
        let of = page::PageFile { store: STORE_ID, file: id, version: page::VERSION };
        text.extend_from_slice(page::open(of, &written.key, number, &mut sealed).unwrap());
    }
    text.truncate(text.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1));
    text
}

fn kind(number: u8, name: &'static str, entry: &impl Entry) -> Seed {
    ("keyring_entry", name, [&[number][..], &entry.encode().unwrap()].concat())
}

fn index_parts() -> Vec<Seed> {
    let many: Vec<u32> = (0..100).map(|i| i * 3).collect();
    let mut terms = Terms::default();
    terms.push(Field::Tag, b"dept:sales", [1, 5, 9].into_iter());
    terms.push(Field::Tag, b"dept:support", many.iter().copied());
    let list = |list: &[u32], docs: u16| {
        let mut out = Vec::new();
        out.put_u16(list.len() as u16);
        out.put_u16(docs);
        postings::encode(&mut out, list, docs.into());
        out
    };
    let mut numbers = vec![3, 0];
    column::encode(&mut numbers, 10, 300, [10, 300, 11].into_iter());
    let mut table = Vec::new();
    table.put_u32(1);
    table.put_u8(0);
    table.put_varint(4096);
    table.put_varint(5000);
    table.put_bytes(&[8; 16]);
    // Class, expiry, two subjects by their differences.
    for n in [0, 0, 2, 6, 1] {
        table.put_varint(n);
    }
    vec![
        ("dictionary", "two_terms", dictionary::encode(&terms, 300).dictionary.to_vec()),
        ("postings", "differences", list(&[1, 5, 9], 5000)),
        ("postings", "bitmap", list(&many, 300)),
        ("column", "two_bytes_wide", numbers),
        ("id_filter", "three_ids", IdFilter::build(3, (1..4).map(|i| (i, i))).as_bytes().to_vec()),
        ("block_table", "one_block", table),
    ]
}

fn record(seq: u64, body: &str) -> frame::Entry {
    let stored = Stored {
        id: format!("m{seq}"),
        conversation: "c1".into(),
        author: PersonNumber(2),
        subjects: vec![PersonNumber(1), PersonNumber(2)],
        time: Micros(1_000_000),
        kind: Kind::Message,
        body: body.into(),
        ..Stored::default()
    };
    let identity = IdHash::of(&stored.id, &stored.conversation);
    frame::Entry { seq: Seq(seq), salt: [4; 16], canonical: stored.encode(), stored, identity }
}

fn block(body: &str) -> Vec<u8> {
    let mut builder = BlockBuilder::new();
    builder.add(Seq(7), &[4; 16], &record(7, body).canonical).unwrap();
    Compressor::default().text(&builder.finish()).unwrap().to_vec()
}

fn slot() -> Vec<u8> {
    let disk = MemoryVfs::new();
    let record = SlotRecord { store: STORE_ID, epoch: Epoch(3), root: RootKey::from_bytes(&ROOT) };
    FileSlot::new(Arc::new(disk.clone()), "slot").create(&record).unwrap();
    let mut page = vec![0; PAGE];
    disk.open(Path::new("slot")).unwrap().read_exact_at(&mut page, 0).unwrap();
    page.truncate(page.iter().rposition(|b| *b != 0).unwrap() + 1);
    page
}

/// What is shown of a log of three leaves, of which the second is a record.
fn evidence() -> Vec<Seed> {
    let signer = Signer::new("log.example", &ROOT).unwrap();
    let opening =
        Opening { salt: Zeroizing::new([3; 16]), canonical: Zeroizing::new(record(1, "yes").canonical) };
    let leaves = [leaf_hash(b"a"), opening.leaf(), leaf_hash(b"c")];
    let pair = node_hash(&leaves[0], &leaves[1]);
    let head = |size, root| {
        SignedCheckpoint::sign(Checkpoint { origin: "log.example".into(), size, root }, &signer).unwrap()
    };
    let later = head(3, node_hash(&pair, &leaves[2]));
    let inclusion = Inclusion { index: Seq(1), size: 3, path: vec![leaves[0], leaves[2]] };
    let proof = RecordProof { opening, inclusion, checkpoint: later.clone() };
    let advance = Advance { from: 2, path: vec![leaves[2]], checkpoint: later };
    let key = signer.verifier_key();
    proof.verify(&key).unwrap();
    advance.verify(&head(2, pair), &key).unwrap();
    vec![
        ("evidence", "key", key.to_string().into_bytes()),
        ("evidence", "checkpoint", head(2, pair).to_string().into_bytes()),
        ("evidence", "proof", proof.to_text().as_bytes().to_vec()),
        ("evidence", "advance", advance.to_string().into_bytes()),
        (
            "evidence",
            "export_manifest",
            SignedManifest::sign(manifest(), &signer).unwrap().to_string().into_bytes(),
        ),
        ("evidence", "export_proof", export_proof().into_bytes()),
        ("evidence", "export_proof_of_form", export_proof_of_form().into_bytes()),
    ]
}

/// Two records, who one of their people is, and a node.
fn export_proof() -> String {
    let opening =
        || Opening { salt: Zeroizing::new([3; 16]), canonical: Zeroizing::new(record(1, "yes").canonical) };
    let line = |author: u64, more: &str| {
        let text = format!(
            "r {author} AwMDAwMDAwMDAwMDAwMDAw== AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= AQEBAQEB {author} {more}"
        );
        Line::parse(text.as_bytes()).unwrap()
    };
    let lines = [
        Line::Person { seq: Seq(0), opening: opening() },
        Line::Named { number: PersonNumber(2), name: "ben".into() },
        line(1, "1,2"),
        line(2, "-"),
        Line::Node(leaf_hash(b"a")),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{HEADER}\nsize 3\n{lines}")
}

/// The same of a file without lines: one record that is proved, one that is said.
fn export_proof_of_form() -> String {
    let canonical = Zeroizing::new(record(1, "yes").canonical);
    let opening = Opening { salt: Zeroizing::new([3; 16]), canonical };
    let form = FormLine { name: "vcon".into(), version: 1, salt: Some([4; 16]) };
    let line = r#"{"id":"m2","conversation":"c","author":"other-1","subjects":[],"time":"1970-01-01T00:00:00Z","channel":"","kind":"message","tags":[],"body":"","reply_to":null}"#;
    let lines =
        [Line::Opened { seq: Seq(1), opening }, Line::Shown(line.to_owned()), Line::Node(leaf_hash(b"a"))];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{HEADER_OF_FORM}\nsize 3\n{form}\n{lines}")
}

fn cursor() -> String {
    let key = Keys::new().insert(&ROOT).unwrap();
    let at = SortKey { time: Micros(5), seq: Seq(6) };
    Cursors::new(&key, &Sevens, "*", Order::Newest).seal(at, 0).unwrap()
}
