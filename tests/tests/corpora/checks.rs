//! One check a decoder: it must not panic, and what it accepts must be what was written. Each
//! says whether it accepted the bytes. Run by the fuzz targets and, over their seeds, by a test.

use std::io::{BufRead, Cursor};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use escrowdb::codec::Reader;
use escrowdb::crypto::{Entropy, Keys, OsEntropy, Secret};
use escrowdb::erase::certificate;
use escrowdb::export::{self, Digest, Line, Manifest, ProofFile, SignedManifest};
use escrowdb::id::{Epoch, FileId, Micros, PersonNumber, Seq, StoreId};
use escrowdb::index::column::Column;
use escrowdb::index::dictionary::Dictionary;
use escrowdb::index::file;
use escrowdb::index::filter::IdFilter;
use escrowdb::index::part::{Asked, Conjunction};
use escrowdb::index::tables::decode_blocks;
use escrowdb::index::{
    Field, IdQuery, Part, Pattern, Phrase, PhraseWord, Segment, SegmentFiles, Term, Wanted, page, postings,
};
use escrowdb::ingest::frame;
use escrowdb::journal::parity::file_name as journal_parity_name;
use escrowdb::journal::{FrameKind, Journal};
use escrowdb::keyring::entry::{self, Entry};
use escrowdb::keyring::free;
use escrowdb::keyring::node::Node;
use escrowdb::keyring::pending::Pending;
use escrowdb::keyring::{
    Changes, FileSlot, Keyring, LogHead, RootKey, Slot, head, log_keys, losses, progress,
};
use escrowdb::merkle::checkpoint::{Checkpoint, SignedCheckpoint};
use escrowdb::merkle::cosign::{self, Cosigner};
use escrowdb::merkle::hash::Hash;
use escrowdb::merkle::note::Note;
use escrowdb::merkle::policy::Policy;
use escrowdb::merkle::signer::{Signer, VerifierKey};
use escrowdb::merkle::text::{Advance, RecordProof};
use escrowdb::merkle::witness::Request;
use escrowdb::parity::{self, Repairs};
use escrowdb::query::cursor::Cursors;
use escrowdb::query::exec::Order;
use escrowdb::query::parse::parse;
use escrowdb::record::{Stored, time};
use escrowdb::segment::{OpenBlock, SubjectKeys};
use escrowdb::text::{Analyser, WORD_MAX};
use escrowdb::vfs::{MemoryVfs, Vfs};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::printed::printed;

pub(crate) type Check = fn(&[u8]) -> bool;

/// Every check by the name of its fuzz target.
pub(crate) const ALL: [(&str, Check); 24] = [
    ("block_table", block_table),
    ("body_block", body_block),
    ("column", column),
    ("cursor", cursor),
    ("dictionary", dictionary),
    ("evidence", evidence),
    ("frame", journal_frame),
    ("free_list", free_list),
    ("head", head_record),
    ("id_filter", id_filter),
    ("index_file", index_file),
    ("journal", journal),
    ("journal_parity", journal_parity),
    ("json_line", json_line),
    ("keyring_entry", keyring_entry),
    ("keyring_node", keyring_node),
    ("page", index_page),
    ("pending", pending),
    ("postings", posting_list),
    ("query", query),
    ("record_cbor", record_cbor),
    ("slot", slot),
    ("time", instant),
    ("words", words),
];

/// Canonical bytes are canonical: what decodes encodes to the same bytes.
pub(crate) fn record_cbor(bytes: &[u8]) -> bool {
    Stored::decode(bytes).map(|record| assert_eq!(record.encode(), bytes)).is_ok()
}

/// What a line says is what is printed: print, parse and print again give the same bytes.
pub(crate) fn json_line(line: &[u8]) -> bool {
    printed(line).map(|once| assert_eq!(printed(once.as_bytes()), Some(once))).is_some()
}

/// The records of a journal frame.
pub(crate) fn journal_frame(bytes: &[u8]) -> bool {
    let entries = frame::decode(bytes).ok().filter(|e| !e.is_empty());
    entries.map(|entries| assert_eq!(&frame::encode(&entries)[..], bytes)).is_some()
}

/// A journal file, replayed. The first byte says whether the rest is the file itself, or payloads
/// of frames behind their kinds and lengths, which must replay as they were written.
pub(crate) fn journal(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let (disk, id, key) = (MemoryVfs::new(), FileId([7; 16]), || Keys::new().insert(&ROOT).unwrap());
    let dir = Path::new(DIR);
    disk.create_dir(dir).unwrap();
    let replay = || Journal::replay(&disk, dir, STORE_ID, id, key());
    if how % 2 == 0 {
        let file = disk.create(&dir.join(format!("{id}.jrn"))).unwrap();
        file.write_at(rest, 0).unwrap();
        return replay().is_ok_and(|replayed| !replayed.frames.is_empty());
    }
    let mut writer = Journal::create(&disk, dir, STORE_ID, id, key()).unwrap();
    let mut written = Vec::new();
    let mut r = Reader::new(rest);
    while let (Ok(kind), Ok(len)) = (r.u8(), r.u8()) {
        let kind = [FrameKind::Batch, FrameKind::Opened, FrameKind::Closed][usize::from(kind % 3)];
        let payload = r.bytes(r.remaining().min(len.into())).unwrap();
        writer.append(&OsEntropy, kind, payload).unwrap();
        written.push((kind, payload));
    }
    let replayed = replay().unwrap();
    assert_eq!(replayed.frames.len(), written.len());
    for (frame, (kind, payload)) in replayed.frames.iter().zip(&written) {
        assert_eq!((frame.kind, &frame.payload[..]), (*kind, *payload));
    }
    !written.is_empty()
}

/// The parity of a closed journal. Its checksum has no key, so whoever writes the file makes it fit.
/// The first byte says whether the rest is the file itself or what it says (bytes and number of
/// frames, eight bytes each, then parity), and which page of the journal is lost, if any. Whatever
/// it says, a whole journal is read whole or refused, and no frame appears that was not written.
pub(crate) fn journal_parity(bytes: &[u8]) -> bool {
    static CLOSED: LazyLock<(MemoryVfs, Vec<u8>)> = LazyLock::new(|| {
        let disk = closed_journal();
        let whole = read_whole(&disk, &format!("{JOURNAL}.jrn"));
        (disk, whole)
    });
    let Some((how, rest)) = bytes.split_first() else { return false };
    let (disk, whole) = &*CLOSED;
    let dir = Path::new(DIR);
    let path = dir.join(journal_parity_name(JOURNAL));
    drop(disk.remove(&path));
    let parity = disk.create(&path).unwrap();
    parity.write_at(&if how % 2 == 0 { rest.to_vec() } else { parity_file(rest) }, 0).unwrap();
    let lost = usize::from(how >> 1);
    let mut journal = whole.clone();
    if let Some(page) = lost.checked_sub(1).and_then(|page| journal.chunks_mut(PAGE).nth(page)) {
        page.fill(0xA5);
    }
    let file = disk.open(&dir.join(format!("{JOURNAL}.jrn"))).unwrap();
    file.write_at(&journal, 0).unwrap();
    let Ok(replayed) = Journal::replay(disk, dir, STORE_ID, JOURNAL, Keys::new().insert(&ROOT).unwrap())
    else {
        return false;
    };
    let batches: Vec<_> = replayed.frames.iter().filter(|f| f.kind == FrameKind::Batch).collect();
    assert!(journal != *whole || batches.len() == FRAMES, "frames of a whole journal are gone");
    for (n, frame) in batches.iter().enumerate() {
        assert_eq!(&frame.payload[..], &[n as u8; 3000]);
    }
    true
}

pub(crate) const JOURNAL: FileId = FileId([7; 16]);
const FRAMES: usize = 3;

/// A journal that was closed, and its parity.
pub(crate) fn closed_journal() -> MemoryVfs {
    let (disk, dir) = (MemoryVfs::new(), Path::new(DIR));
    disk.create_dir(dir).unwrap();
    let key = Keys::new().insert(&ROOT).unwrap();
    let mut writer = Journal::create(&disk, dir, STORE_ID, JOURNAL, key).unwrap();
    for n in 0..FRAMES {
        writer.append(&Sevens, FrameKind::Batch, &[n as u8; 3000]).unwrap();
    }
    writer.close(&disk, dir, &Sevens).unwrap();
    // The room ahead is zeros; without it an input takes a thousandth of the time.
    let name = format!("{JOURNAL}.jrn");
    let used = read_whole(&disk, &name).iter().rposition(|b| *b != 0).unwrap() + 1;
    disk.open(&dir.join(name)).unwrap().set_len(used as u64).unwrap();
    disk
}

/// The bytes of a file of the folder.
pub(crate) fn read_whole(disk: &MemoryVfs, name: &str) -> Vec<u8> {
    let file = disk.open(&Path::new(DIR).join(name)).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Randomness that writes the same file each time.
pub(crate) struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        out.fill(7);
        Ok(())
    }
}

/// A file of parity that says what these bytes say, with a checksum that fits.
fn parity_file(says: &[u8]) -> Vec<u8> {
    let mut says = says.to_vec();
    says.resize(says.len().max(16), 0);
    let (numbers, parity) = says.split_at(16);
    let mut parity = parity.to_vec();
    parity.resize(parity.len().next_multiple_of(PAGE), 0);
    let mut header = [b"EDPR", &[1, 1, 0, 0][..], &JOURNAL.0, numbers].concat();
    let sum = blake3::Hasher::new().update(&header).update(&parity).finalize();
    header.extend_from_slice(sum.as_bytes());
    header.resize(PAGE, 0);
    [&header[..], &header, &parity].concat()
}

/// The pages of the key tree that are free, behind the number of its pages, four bytes.
pub(crate) fn free_list(bytes: &[u8]) -> bool {
    let mut r = Reader::new(bytes);
    let Ok(pages) = r.u32() else { return false };
    let Ok((free, freed)) = free::decode(&bytes[4..], pages) else { return false };
    assert!(free.iter().chain(&freed).all(|place| *place < pages));
    assert_eq!(free::decode(&free::encode(&free, &freed), pages).unwrap(), (free, freed));
    true
}

/// The text of a whole index file, sealed as it is into pages and then asked for everything.
pub(crate) fn index_file(bytes: &[u8]) -> bool {
    let of = page::PageFile { store: STORE_ID, file: FileId([7; 16]), version: page::VERSION };
    let mut text = bytes.to_vec();
    text.resize(bytes.len().max(1).next_multiple_of(page::TEXT_LEN), 0);
    let pages = text.len() / page::TEXT_LEN;
    // Else nothing but the number of pages would ever be refused.
    text[..4].copy_from_slice(&(pages as u32).to_le_bytes());
    let mut file = vec![0; pages * PAGE];
    for ((part, page), number) in text.chunks(page::TEXT_LEN).zip(file.as_chunks_mut().0).zip(0..) {
        page::text_mut(page).copy_from_slice(part);
        page::seal_in_place(of, &ROOT, number, page).unwrap();
    }
    let mut parity = parity::Encoder::new(pages as u64);
    parity.update(&file);
    file.extend_from_slice(&parity.finish());
    let disk = MemoryVfs::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.create(&Path::new(DIR).join(file::file_name(of.file))).unwrap().write_at(&file, 0).unwrap();
    let repairs = Arc::new(Repairs::default());
    let dir = Path::new(DIR);
    let files =
        SegmentFiles { dir, store: STORE_ID, index: of.file, bodies: &[], pages: None, repairs: &repairs };
    let key = Keys::new().insert(&ROOT).unwrap();
    let Ok(segment) = Segment::open(&disk, files, key, Arc::new(Nobody)) else { return false };
    ask_segment(&segment);
    let whole = segment.decode_all().is_ok();
    drop(segment.rebuild(&|_| Ok(true)));
    drop(segment.verify(true));
    whole
}

/// Every question that a part answers; whatever it answers, it answers.
fn ask_segment(segment: &Segment) {
    let all = segment.in_time(Micros(i64::MIN), Micros(i64::MAX)).unwrap_or_default();
    for field in [Field::Tag, Field::Author, Field::Subject, Field::Conversation, Field::Channel, Field::Kind]
    {
        for (value, _) in segment.terms(field).unwrap_or_default().into_iter().take(8) {
            let term = Term { field, value };
            drop(segment.postings(&term));
            drop(segment.frequency(&term));
        }
    }
    ask_words(segment);
    drop(segment.id_candidates(&IdQuery::new("m1", Some("c1"))));
    drop(segment.newest(&all, 5, None));
    drop(segment.oldest(&all, 5, None));
    for doc in [0, 1, segment.doc_count()] {
        drop(segment.key(doc));
        drop(segment.record(doc));
        drop(segment.words_in(doc));
    }
    drop(segment.doc_of(Seq(3)));
}

/// The same for words, and for conjunctions of terms.
fn ask_words(segment: &Segment) {
    let mut terms = Vec::new();
    for field in [Field::Tag, Field::Kind, Field::Word] {
        let values = segment.terms(field).unwrap_or_default().into_iter().take(4);
        terms.extend(values.map(|(value, _)| Term { field, value }));
    }
    terms.push(Term::word(b"hello"));
    let docs: Vec<u32> = (0..segment.doc_count().min(100)).collect();
    let all = docs.iter().copied().collect();
    let (mut found, mut keys, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for (a, b) in terms.iter().zip(terms.iter().rev()) {
        for (default_only, wanted) in [(false, true), (true, false)] {
            let mut of = Conjunction::of_terms(vec![Asked::new(a, true), Asked::new(b, wanted)]);
            of.default_only = default_only;
            drop(segment.conjunction(&of, 0..segment.doc_count(), &mut found));
            drop((segment.keys(&found, &mut keys), segment.seqs_of(&found, &mut seqs)));
            drop((segment.conjunction_count(&of, &mut found), segment.common(&of)));
        }
        drop(segment.occurrences(a, &docs));
        let like = Pattern::Prefix(b.value.get(..1).unwrap_or_default().to_vec());
        let [a, b] = [a, b].map(|term| Wanted::Word(term.clone()));
        for (first, second) in [(a.clone(), b), (a, Wanted::Like(like))] {
            let words = [(0, first), (1, second)].map(|(offset, what)| PhraseWord { offset, what }).to_vec();
            drop(segment.phrase(&Phrase { words }, &all));
        }
    }
    for like in [Pattern::Prefix(vec![]), Pattern::near("hallo")] {
        drop(segment.like(&like, &mut |_| Ok(())));
    }
    drop((segment.check_words(), segment.word_totals(), segment.default_docs()));
}

struct Nobody;

impl SubjectKeys for Nobody {
    fn content_key(&self, _: PersonNumber) -> escrowdb::Result<Option<Secret>> {
        Ok(None)
    }
}

/// A sealed page of an index. The first byte says whether the rest stands in the place of a page,
/// or is turned (xor) into a page that opens: then only the page itself may open.
pub(crate) fn index_page(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let of = page::PageFile { store: STORE_ID, file: FileId([7; 16]), version: page::VERSION };
    if how % 2 == 0 {
        return page::open(of, &ROOT, 0, &mut rest.to_vec()).is_ok();
    }
    static PAGE_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut out = [0; PAGE];
        let of = page::PageFile { store: STORE_ID, file: FileId([7; 16]), version: page::VERSION };
        page::text_mut(&mut out).fill(9);
        page::seal_in_place(of, &ROOT, 0, &mut out).unwrap();
        out.to_vec()
    });
    let mut turned = PAGE_BYTES.clone();
    for (byte, by) in turned.iter_mut().zip(rest) {
        *byte ^= by;
    }
    let same = turned == *PAGE_BYTES;
    assert_eq!(page::open(of, &ROOT, 0, &mut turned).is_ok(), same);
    same
}

/// A value of the key tree behind a byte that says its kind.
pub(crate) fn keyring_entry(bytes: &[u8]) -> bool {
    let Some((kind, value)) = bytes.split_first() else { return false };
    match kind {
        0 => entry_of::<entry::Person>(value),
        1 => entry_of::<entry::Identifier>(value),
        2 => entry_of::<PersonNumber>(value),
        3 => entry_of::<entry::Evidence>(value),
        4 => entry_of::<entry::Segment>(value),
        5 => entry_of::<entry::Journal>(value),
        6 => entry_of::<entry::StoreKey>(value),
        7 => entry_of::<entry::Counters>(value),
        8 => entry_of::<entry::Settings>(value),
        9 => entry_of::<entry::Seen>(value),
        10 => entry_of::<progress::ImportProgress>(value),
        11 => entry_of::<losses::Losses>(value),
        12 => entry_of::<entry::AuditRules>(value),
        13 => entry_of::<entry::AuditPeriod>(value),
        20 => entry_of::<log_keys::LogKeys>(value),
        21 => entry_of::<log_keys::SignedHead>(value),
        _ => false,
    }
}

/// An erasure that waits or is done.
pub(crate) fn pending(bytes: &[u8]) -> bool {
    entry_of::<Pending>(bytes)
}

fn entry_of<T: Entry>(value: &[u8]) -> bool {
    T::decode(value).map(|entry| assert_eq!(&entry.encode().unwrap()[..], value)).is_ok()
}

/// The text of a page of the key tree; shorter input is padded.
pub(crate) fn keyring_node(bytes: &[u8]) -> bool {
    let mut text = bytes.to_vec();
    text.resize(text.len().max(4040), 0);
    Node::decode(Zeroizing::new(text)).is_ok()
}

/// A HEAD file whose first record, in both its copies, begins with these bytes.
pub(crate) fn head_record(bytes: &[u8]) -> bool {
    static STORE: LazyLock<(MemoryVfs, Vec<u8>)> = LazyLock::new(|| {
        let disk = MemoryVfs::new();
        make_keyring(&disk);
        let bytes = read_whole(&disk, head::HEAD_FILE);
        (disk, bytes)
    });
    let (disk, whole) = &*STORE;
    let mut file = whole.clone();
    let len = bytes.len().min(PAGE);
    let first = whole.iter().position(|b| *b != 0).unwrap();
    for copy in [first, first + PAGE] {
        file[copy..copy + len].copy_from_slice(&bytes[..len]);
    }
    disk.open(&Path::new(DIR).join(head::HEAD_FILE)).unwrap().write_at(&file, 0).unwrap();
    let root = RootKey::from_bytes(&ROOT);
    let vfs = Arc::new(disk.clone());
    Keyring::open(vfs, Path::new(DIR), Arc::new(OsEntropy), STORE_ID, &root, Epoch(1)).is_ok()
}

/// A keyring with nothing in it.
pub(crate) fn make_keyring(disk: &MemoryVfs) {
    disk.create_dir(Path::new(DIR)).unwrap();
    let root = RootKey::from_bytes(&ROOT);
    let (vfs, entropy) = (Arc::new(disk.clone()), Arc::new(OsEntropy));
    let (changes, log) = (Changes::new(), LogHead { size: 0, root: [0; 32] });
    Keyring::create(vfs, Path::new(DIR), entropy, STORE_ID, &root, Epoch(1), &changes, log).unwrap();
}

pub(crate) const DIR: &str = "/store";
pub(crate) const ROOT: [u8; 32] = [5; 32];
pub(crate) const STORE_ID: StoreId = StoreId([6; 16]);
pub(crate) const PAGE: usize = 4096;

/// The first page of a slot; the others are empty.
pub(crate) fn slot(bytes: &[u8]) -> bool {
    let disk = MemoryVfs::new();
    let file = disk.create(Path::new("slot")).unwrap();
    file.set_len(4 * PAGE as u64).unwrap();
    file.write_at(&bytes[..bytes.len().min(PAGE)], 0).unwrap();
    FileSlot::new(Arc::new(disk), "slot").load().is_ok_and(|record| record.is_some())
}

/// The text of a body block.
pub(crate) fn body_block(bytes: &[u8]) -> bool {
    OpenBlock::decode(bytes).map(|block| assert_eq!(block.iter().count(), block.len())).is_ok()
}

/// The table of body blocks in an index.
pub(crate) fn block_table(bytes: &[u8]) -> bool {
    decode_blocks(bytes).is_ok()
}

/// The dictionary of an index, walked to its end; keys ascend or a find must not loop.
pub(crate) fn dictionary(bytes: &[u8]) -> bool {
    let Ok(dictionary) = Dictionary::decode(Zeroizing::new(bytes.to_vec())) else { return false };
    let mut cursor = dictionary.cursor();
    loop {
        match cursor.advance() {
            Ok(Some(_)) => drop(dictionary.find(cursor.key())),
            Ok(None) => return cursor.finish().is_ok(),
            Err(_) => return false,
        }
    }
}

/// A list of documents behind its frequency and the number of documents, two bytes each.
pub(crate) fn posting_list(bytes: &[u8]) -> bool {
    let mut r = Reader::new(bytes);
    let (Ok(frequency), Ok(docs)) = (r.u16(), r.u16()) else { return false };
    let (frequency, docs) = (frequency.into(), docs.into());
    let list = r.clone();
    let Ok(decoded) = postings::decode(&mut r, frequency, docs) else { return false };
    assert_eq!(decoded.len(), u64::from(frequency));
    assert_eq!(postings::decode_vec(&mut list.clone(), frequency, docs).unwrap(), Vec::from_iter(&decoded));
    let mut again = Vec::new();
    postings::encode(&mut again, &Vec::from_iter(&decoded), docs);
    assert_eq!(again, &bytes[list.position()..r.position()]);
    r.finish().is_ok()
}

/// A column behind its number of documents, two bytes.
pub(crate) fn column(bytes: &[u8]) -> bool {
    let mut r = Reader::new(bytes);
    let Ok(docs) = r.u16() else { return false };
    let Ok(column) = Column::decode(&mut r, docs.into()) else { return false };
    assert_eq!(column.iter().count(), usize::from(docs));
    r.finish().is_ok()
}

/// A filter of record ids.
pub(crate) fn id_filter(bytes: &[u8]) -> bool {
    IdFilter::decode(bytes).map(|filter| filter.may_contain(1, 2)).is_ok()
}

/// A query; what is printed of it means the same.
pub(crate) fn query(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(ast) = parse(text, Micros(0)) else { return false };
    let printed = ast.to_string();
    assert_eq!(parse(&printed, Micros(0)).map(|again| again.to_string()).ok(), Some(printed));
    true
}

/// A cursor; none is accepted but what was sealed for the query.
pub(crate) fn cursor(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let key = Keys::new().insert(&ROOT).unwrap();
    Cursors::new(&key, &OsEntropy, "*", Order::Newest).open(text).is_ok()
}

/// A key, note, checkpoint, proof or continuation: there is one form, so it prints as it was read.
/// Verifying what nobody signed fails and doesn't panic.
pub(crate) fn evidence(bytes: &[u8]) -> bool {
    let key = Signer::new("log.example", &ROOT).unwrap().verifier_key();
    let mut accepted = false;
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let _ = note.verify(&[&key]);
        accepted = true;
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
        assert_eq!(checkpoint.to_string().as_bytes(), bytes);
        let _ = checkpoint.verify(&key);
    }
    if let Ok(proof) = RecordProof::parse(bytes) {
        assert_eq!(proof.to_text().as_bytes(), bytes);
        let _ = proof.inclusion.verify(&proof.opening.leaf(), &proof.checkpoint.unverified().root);
        let _ = proof.verify(&key);
        accepted = true;
    }
    if let Ok(advance) = Advance::parse(bytes) {
        assert_eq!(advance.to_string().as_bytes(), bytes);
        let _ = advance.verify(&advance.checkpoint, &key);
        accepted = true;
    }
    if let Ok(lines) = cosign::lines(bytes) {
        assert_eq!(lines.iter().map(ToString::to_string).collect::<String>().as_bytes(), bytes);
        let _ = lines.iter().map(cosign::time).count();
        accepted = true;
    }
    if let Ok(policy) = Policy::parse(bytes) {
        let head = Checkpoint { origin: "log.example".into(), size: 0, root: Hash::empty_root() };
        let head = SignedCheckpoint::sign(head, &Signer::new("log.example", &ROOT).unwrap()).unwrap();
        let _ = policy.verify(&head);
        accepted = true;
    }
    if let Some(request) = Request::parse(bytes) {
        let _ = request.decide(std::slice::from_ref(&key), None);
        let _ = Cosigner::from_secret(bytes);
    }
    let text = std::str::from_utf8(bytes).ok();
    if let Some(read) = text.and_then(|text| text.parse::<VerifierKey>().ok()) {
        assert_eq!(read.to_string().as_bytes(), bytes);
        accepted = true;
    }
    let _ = certificate::verify(bytes, &key);
    accepted | exported(bytes, &key)
}

/// A manifest, or the proof of an export. A check of a file by it doesn't panic, and doesn't call it good.
fn exported(bytes: &[u8], key: &VerifierKey) -> bool {
    let mut accepted = false;
    if let Ok(manifest) = SignedManifest::parse(bytes) {
        assert_eq!(manifest.to_string().as_bytes(), bytes);
        let _ = manifest.verify(key, None);
        accepted = true;
    }
    let mut lines = bytes.split(|b| *b == b'\n');
    let headers = [export::HEADER, export::HEADER_OF_FORM];
    let is_proof = lines.next().is_some_and(|first| headers.iter().any(|header| header.as_bytes() == first))
        && lines.next().is_some();
    for line in lines {
        if let Ok(read) = Line::parse(line) {
            assert_eq!(read.to_string().as_bytes(), line);
            accepted |= is_proof;
        }
    }
    let source = |bytes: &[u8]| -> Box<dyn BufRead> { Box::new(Cursor::new(bytes.to_vec())) };
    for format in ["jsonl", "vcon"] {
        let manifest = Manifest { format: format.into(), ..manifest() };
        let report =
            export::check(&manifest, &|| Ok(source(b"{}\n")), Some(&|| Ok(source(bytes))), 3).unwrap();
        assert!(report.faults > 0 && report.first.len() <= 3);
    }
    let _ = export::shown(&|| Ok(source(bytes)), |_| Ok::<_, escrowdb::Error>(true));
    accepted
}

/// What somebody says of another file.
pub(crate) fn manifest() -> Manifest {
    static HEAD: LazyLock<SignedCheckpoint> = LazyLock::new(|| {
        let head = Checkpoint { origin: "log.example".into(), size: 3, root: Hash([1; 32]) };
        SignedCheckpoint::sign(head, &Signer::new("log.example", &ROOT).unwrap()).unwrap()
    });
    let digest = Digest { bytes: 1, sha256: [2; 32] };
    Manifest {
        file: "e.jsonl".into(),
        format: "jsonl".into(),
        count: 1,
        digest,
        proof: Some(ProofFile { file: "e.jsonl.proof".into(), digest, people: 1, named: 0 }),
        asked: export::Asked::Subject("anna".into()),
        handle: None,
        actor: None,
        purpose: Some("access".into()),
        case: None,
        at: Micros(5),
        complete: true,
        terms: export::Terms::default(),
        checkpoint: HEAD.clone(),
    }
}

/// An instant; what is printed of it is the same instant.
pub(crate) fn instant(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(instant) = time::parse(text) else { return false };
    assert_eq!(time::parse(&time::format(instant)).ok(), Some(instant));
    true
}

/// A text; its words come in order from where they say, and what stands apart may be cut apart.
pub(crate) fn words(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut analyser = Analyser::new();
    let mut cut = |text: &str| {
        let mut words = Vec::new();
        analyser.words(text, |word| words.push((word.value.to_vec(), word.position)));
        words
    };
    let all = cut(text);
    let mut with_places = Vec::new();
    let mut places = Vec::new();
    Analyser::new().words_with_places(text, |word, place| {
        with_places.push((word.value.to_vec(), word.position));
        places.push(place);
    });
    assert_eq!(all, with_places);
    assert!(all.first().is_none_or(|(_, position)| *position == 0));
    assert!(all.windows(2).all(|w| matches!(w[1].1 - w[0].1, 1 | 2)));
    assert!(places.windows(2).all(|w| w[0].start <= w[1].start && w[0].end <= w[1].end));
    assert!(all.iter().all(|(word, _)| (1..=WORD_MAX).contains(&word.len())));
    for (word, _) in &all {
        // A short name is no text; what was folded isn't normalised again, and where it could be, its
        // parts compose to another letter.
        if let Some(word) = std::str::from_utf8(word).ok().filter(|word| word.nfkc().eq(word.chars())) {
            assert_eq!(cut(word), [(word.as_bytes().to_vec(), 0)]);
        }
    }
    if let Some((word, place)) = all.get(all.len() / 2).zip(places.get(all.len() / 2)) {
        assert!(cut(&text[..place.end]).contains(word));
    }
    // Nothing composes over two spaces; the first of them ends what stands before.
    if let Some(apart) = text.find("  ") {
        let (before, behind) = (cut(&text[..=apart]), cut(&text[apart + 1..]));
        let both: Vec<_> = before.iter().chain(&behind).map(|(word, _)| word).collect();
        assert_eq!(both, all.iter().map(|(word, _)| word).collect::<Vec<_>>());
        assert!(all.starts_with(&before));
    }
    true
}
