//! Segments against the live index, against a fresh build, and against damage.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use roaring::RoaringBitmap;

use crate::crypto::{Keys, OsEntropy, Secret};
use crate::error::{ErrorKind, Result};
use crate::id::{FileId, Micros, PersonNumber, Seq, StoreId};
use crate::index::data::tests::{known, knows, records};
use crate::index::data::{IndexBuilder, IndexData};
use crate::index::file::{Encoded, encode, file_name, write_index, write_text};
use crate::index::filter::IdHash;
use crate::index::lists::FIELDS;
use crate::index::live::LiveIndex;
use crate::index::page::{self, PAGE_LEN, PageFile, TEXT_LEN};
use crate::index::part::{Asked, Conjunction, Field, IdQuery, Part, SortKey, Term};
use crate::index::phrase::{Pattern, Phrase, PhraseWord, Wanted};
use crate::index::reader::{Segment, SegmentFiles};
use crate::index::rewrite::{Removal, Target, rewrite};
use crate::index::shared::Hands;
use crate::index::tables::encode_blocks;
use crate::index::tier;
use crate::parity::pages_for;
use crate::record::{Kind, Stored};
use crate::segment::{BodyPlace, BodyWriter, SubjectKeys};
use crate::vfs::{MemoryVfs, Vfs};

mod lost_pages;

const DIR: &str = "/s";
const STORE: StoreId = StoreId([1; 16]);
const INDEX: FileId = FileId([2; 16]);
const BODY: FileId = FileId([3; 16]);
const NEXT_INDEX: FileId = FileId([4; 16]);
const NEXT_BODY: FileId = FileId([5; 16]);

/// Everybody but the named people has a key.
struct Without(Vec<PersonNumber>);

impl SubjectKeys for Without {
    fn content_key(&self, person: PersonNumber) -> Result<Option<Secret>> {
        Ok((!self.0.contains(&person)).then(|| Secret::from_bytes(&[person.0 as u8; 32])))
    }
}

fn everybody() -> Arc<dyn SubjectKeys> {
    Arc::new(Without(vec![]))
}

fn live_of(records: &[(Seq, Stored)]) -> LiveIndex {
    let mut live = LiveIndex::new(true);
    let mut by_seq: Vec<_> = records.iter().collect();
    by_seq.sort_by_key(|(seq, _)| *seq);
    for (seq, stored) in by_seq {
        live.add(*seq, [seq.0 as u8; 16], stored.encode(), stored, known(stored.author)).unwrap();
    }
    live
}

fn roll(disk: &MemoryVfs, live: &LiveIndex) -> IndexData {
    let (mut bodies, mut index) = (BodyWriter::new(), IndexBuilder::new(&knows, true));
    for n in live.in_order() {
        let doc = live.doc(n).unwrap();
        let stored = Stored::decode(doc.canonical).unwrap();
        let at = bodies.add(&stored, doc.key.seq, doc.salt, doc.canonical).unwrap();
        index.add(&stored, doc.key.seq, at).unwrap();
    }
    let place = BodyPlace { dir: Path::new(DIR), store: STORE, file: BODY, index: 0 };
    index.finish(bodies.finish(disk, place, &Without(vec![]), &OsEntropy).unwrap()).unwrap()
}

fn written(
    disk: &MemoryVfs,
    data: &IndexData,
    index: FileId,
    bodies: &[FileId],
    keys: Arc<dyn SubjectKeys>,
) -> Segment {
    let written = write_index(disk, Path::new(DIR), STORE, index, data, &OsEntropy).unwrap();
    open(disk, index, bodies, &written.key, keys).unwrap()
}

fn open(
    disk: &MemoryVfs,
    index: FileId,
    bodies: &[FileId],
    key: &[u8; 32],
    keys: Arc<dyn SubjectKeys>,
) -> Result<Segment> {
    let repairs = Arc::default();
    let files =
        SegmentFiles { dir: Path::new(DIR), store: STORE, index, bodies, pages: None, repairs: &repairs };
    Segment::open(disk, files, Keys::new().insert(key).unwrap(), keys)
}

fn seqs_of(part: &dyn Part, docs: impl IntoIterator<Item = u32>) -> BTreeSet<Seq> {
    docs.into_iter().map(|d| part.key(d).unwrap().seq).collect()
}

fn keys_of(found: Vec<(SortKey, u32)>) -> Vec<SortKey> {
    found.into_iter().map(|(key, _)| key).collect()
}

/// Both answer every question alike, up to the numbers of documents.
fn assert_alike(a: &dyn Part, b: &dyn Part, records: &[(Seq, Stored)]) {
    assert_eq!(a.doc_count(), b.doc_count());
    assert_eq!(a.time_span(), b.time_span());
    for field in FIELDS {
        assert_eq!(a.terms(field).unwrap(), b.terms(field).unwrap());
        let values = a.terms(field).unwrap().into_iter().map(|(value, _)| value);
        for value in values.chain([vec![], b"none".to_vec()]) {
            let term = Term { field, value };
            let (in_a, in_b) = (a.postings(&term).unwrap(), b.postings(&term).unwrap());
            assert_eq!(seqs_of(a, &in_a), seqs_of(b, &in_b));
            assert_eq!(a.frequency(&term).unwrap(), in_a.len());
            assert_eq!(b.frequency(&term).unwrap(), in_b.len());
            assert_eq!(a.seqs(&in_a).unwrap(), b.seqs(&in_b).unwrap());
            for part in [a, b] {
                let of_term = part.postings(&term).unwrap();
                for step in [1, 70, 500] {
                    let some: RoaringBitmap = (0..part.doc_count()).step_by(step).collect();
                    let sifted = |wanted| {
                        let mut docs = some.clone();
                        part.sift(&term, wanted, &mut docs).unwrap();
                        docs
                    };
                    assert_eq!(sifted(true), &some & &of_term);
                    assert_eq!(sifted(false), &some - &of_term);
                }
            }
            for (k, bound) in [(0, None), (2, None), (9, Some(7)), (99, Some(20))] {
                let bound = bound
                    .and_then(|i: usize| records.get(i))
                    .map(|(seq, s)| SortKey { time: s.time, seq: *seq });
                assert_eq!(
                    keys_of(a.newest(&in_a, k, bound).unwrap()),
                    keys_of(b.newest(&in_b, k, bound).unwrap())
                );
                assert_eq!(
                    keys_of(a.oldest(&in_a, k, bound).unwrap()),
                    keys_of(b.oldest(&in_b, k, bound).unwrap())
                );
            }
        }
    }
    assert_eq!(a.default_docs().unwrap(), b.default_docs().unwrap());
    for (from, before) in [(-30, 30), (0, 0), (-3, 9), (9, -3), (i64::MIN, i64::MAX)] {
        let (from, before) = (Micros(from), Micros(before));
        for part in [a, b] {
            if let Some(range) = part.time_range(from, before).unwrap() {
                assert_eq!(part.in_time(from, before).unwrap(), range.collect());
            }
        }
        assert_eq!(
            seqs_of(a, a.in_time(from, before).unwrap()),
            seqs_of(b, b.in_time(from, before).unwrap())
        );
    }
    for (seq, stored) in records {
        for conversation in [None, Some(stored.conversation.as_str()), Some("none")] {
            let find =
                |p: &dyn Part| seqs_of(p, p.id_candidates(&IdQuery::new(&stored.id, conversation)).unwrap());
            assert_eq!(find(a), find(b));
            assert_eq!(find(a).contains(seq), conversation != Some("none"));
        }
        for part in [a, b] {
            let doc = part.doc_of(*seq).unwrap().unwrap();
            assert_eq!(part.key(doc).unwrap(), SortKey { time: stored.time, seq: *seq });
            assert!(part.record(doc).unwrap() == *stored);
            assert_eq!(part.doc_of(Seq(seq.0 + 1)).unwrap(), None);
        }
    }
    let n = a.doc_count();
    for part in [a, b] {
        assert!(part.key(n).is_err() && part.record(n).is_err());
        let beyond: RoaringBitmap = [n, n + 7, u32::MAX].into_iter().collect();
        assert!(part.newest(&beyond, 9, None).unwrap().is_empty());
        assert!(part.oldest(&beyond, 9, None).unwrap().is_empty());
    }
}

/// Every conjunction of one and of two terms against the lists themselves, everywhere, in a span of
/// time, and among some documents.
fn assert_conjunctions(part: &dyn Part, terms: &[Term]) {
    let mut default: RoaringBitmap = (0..part.doc_count()).collect();
    part.sift_default(&mut default).unwrap();
    for (a, b) in terms.iter().flat_map(|a| terms.iter().map(move |b| (a, b))) {
        for (wanted, default_only) in
            [(true, true), (true, false), (false, true), (false, true), (false, false)]
        {
            let terms = if a == b && wanted {
                vec![Asked::new(a, true)]
            } else {
                vec![Asked::new(b, wanted), Asked::new(a, true)]
            };
            let (mut truth, of_b) = (part.postings(a).unwrap(), part.postings(b).unwrap());
            if wanted {
                truth &= of_b
            } else {
                truth -= of_b
            }
            if default_only {
                truth &= &default;
            }
            let (first, last) = part.time_span().unwrap_or((Micros(0), Micros(9)));
            let (third, half) = (Micros(first.0 + (last.0 - first.0) / 3), part.doc_count() / 2);
            for time in [Micros(i64::MIN)..Micros(i64::MAX), third..last, first..third, last..first] {
                let of = Conjunction { terms: terms.clone(), default_only, time: time.clone() };
                let of_time = &truth & part.in_time(time.start, time.end).unwrap();
                let mut docs = vec![7, 9];
                for among in [0..part.doc_count(), half..part.doc_count(), 0..half, half..half] {
                    assert!(part.conjunction(&of, among.clone(), &mut docs).unwrap());
                    assert_eq!(docs, of_time.iter().filter(|doc| among.contains(doc)).collect::<Vec<_>>());
                }
                assert_eq!(part.conjunction_count(&of, &mut docs).unwrap(), Some(of_time.len()));
                let map = part.common(&of).unwrap();
                assert!(map.is_none_or(|map| map == of_time));
                part.conjunction(&of, 0..part.doc_count(), &mut docs).unwrap();
                let (mut keys, mut seqs) = (Vec::new(), Vec::new());
                part.keys(&docs, &mut keys).unwrap();
                assert_eq!(keys, keys_of(part.oldest(&of_time, usize::MAX, None).unwrap()));
                part.seqs_of(&docs, &mut seqs).unwrap();
                assert!(seqs.iter().copied().eq(docs.iter().map(|doc| part.key(*doc).unwrap().seq)));
                assert!(!part.is_in_order() || seqs.iter().eq(keys.iter().map(|key| &key.seq)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_roll_changes_no_answer(records in records(150)) {
        let disk = MemoryVfs::new();
        let mut live = live_of(&records);
        let data = roll(&disk, &live);
        let segment = written(&disk, &data, INDEX, &[BODY], everybody());
        assert_alike(&live, &segment, &records);
        for mut docs in [RoaringBitmap::new(), (0..live.doc_count()).collect::<RoaringBitmap>()] {
            let mut same = docs.clone();
            segment.sift_default(&mut docs).unwrap();
            live.sift_default(&mut same).unwrap();
            prop_assert_eq!(seqs_of(&segment, docs), seqs_of(&live, same));
        }
        prop_assert_eq!(segment.sections.opened.spread.bytes() + segment.sections.opened.known.list_bytes(), 0);
        let mut terms: Vec<Term> = Vec::new();
        for field in [Field::Tag, Field::Channel, Field::Kind] {
            terms.extend(live.terms(field).unwrap().into_iter().map(|(value, _)| Term { field, value }));
        }
        terms.truncate(12);
        terms.push(Term { field: Field::Tag, value: b"nobody has this".to_vec() });
        assert_conjunctions(&live, &terms);
        assert_conjunctions(&segment, &terms);
        segment.clear();
        prop_assert!(segment.sections.opened.known.is_empty());
        prop_assert_eq!(segment.sections.opened.spread.bytes(), 0);
        assert_alike(&segment, &live, &records);
        prop_assert!(segment.decode_all().unwrap() == data);
        prop_assert!(segment.rebuild(&knows).unwrap() == data);
        prop_assert_eq!(segment.verify(true).unwrap(), Vec::<String>::new());
        for (seq, stored) in &records {
            prop_assert!(segment.may_contain(IdHash::of(&stored.id, &stored.conversation)));
            let found = segment.stored_with_salt(segment.doc_of(*seq).unwrap().unwrap()).unwrap();
            prop_assert!(found.stored == *stored && *found.salt == [seq.0 as u8; 16] && found.seq == *seq);
            prop_assert_eq!(&*found.canonical, &stored.encode());
        }
        live.clear();
        prop_assert_eq!(live.doc_count(), 0);
        prop_assert_eq!(live.bytes(), 0);
    }

    #[test]
    fn a_rewrite_equals_a_store_that_never_held_them(
        records in records(120), gone: Vec<bool>, dead in 0u64..9, reform_all: bool, alone: bool,
    ) {
        let disk = MemoryVfs::new();
        let dead = PersonNumber(dead);
        let is_gone = |i: usize| gone.get(i).copied().unwrap_or(false) || records[i].1.subjects.contains(&dead);
        let removed: RoaringBitmap = (0..records.len()).filter(|i| is_gone(*i)).map(|i| i as u32).collect();
        let rest: Vec<_> = (0..records.len()).filter(|i| !is_gone(*i)).map(|i| records[i].clone()).collect();
        let segment = written(&disk, &roll(&disk, &live_of(&records)), INDEX, &[BODY], everybody());
        // The dead person's key is gone before the rewrite: nobody needs it any more.
        let keys: Arc<dyn SubjectKeys> = Arc::new(Without(vec![dead]));
        let body = BodyPlace { dir: Path::new(DIR), store: STORE, file: NEXT_BODY, index: 1 };
        let hands = if alone { Hands::One } else { Hands::Two };
        let target = Target { vfs: &disk, body, keys: &*keys, entropy: &OsEntropy, hands };
        let asked = (0..records.len() as u32).filter(|i| gone.get(*i as usize) == Some(&true)).collect();
        let removal = Removal { docs: &asked, people: &[dead], reform_all };
        let old = segment.decode_all().unwrap();
        let new = rewrite(&segment, &removal, &target).unwrap();
        prop_assert_eq!(new.body_written, new.data.blocks.iter().any(|b| b.file == 1));
        prop_assert!(!reform_all || new.data.blocks.iter().all(|b| b.file != 0));

        let is_known = |p| Ok(known(p) && p != dead);
        let mut fresh = IndexBuilder::new(&is_known, true);
        for ((seq, stored), entry) in rest.iter().zip(&new.data.docs) {
            fresh.add(stored, *seq, entry.at).unwrap();
        }
        let fresh = fresh.finish(new.data.blocks.clone()).unwrap();
        prop_assert!(encode(&fresh).unwrap() == new.text);
        let mut first = new.data.docs.iter().map(|d| d.at.block).collect::<Vec<_>>();
        let mut seen = BTreeSet::new();
        first.retain(|b| seen.insert(*b));
        prop_assert!(first.iter().copied().eq(0..new.data.blocks.len() as u32), "blocks by first document, all used");
        for block in &old.blocks {
            let (held, lost): (Vec<_>, Vec<_>) = old.docs.iter().zip(0u32..)
                .filter(|(d, _)| old.blocks[d.at.block as usize] == *block).partition(|(_, n)| !removed.contains(*n));
            if !lost.is_empty() || held.is_empty() {
                prop_assert!(new.data.blocks.iter().all(|b| b.r_block != block.r_block), "the second lock is gone");
            }
        }
        let bodies: &[FileId] = if new.body_written { &[BODY, NEXT_BODY] } else { &[BODY] };
        let segment = written(&disk, &fresh, NEXT_INDEX, bodies, keys);
        prop_assert_eq!(segment.verify(true).unwrap(), Vec::<String>::new());
        for (seq, stored) in &rest {
            let found = segment.stored_with_salt(segment.doc_of(*seq).unwrap().unwrap()).unwrap();
            prop_assert!(found.stored == *stored && *found.salt == [seq.0 as u8; 16]);
        }
    }

    #[test]
    fn damaged_plaintext_never_panics(
        records in records(60), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), wide: bool,
    ) {
        let disk = MemoryVfs::new();
        let data = roll(&disk, &live_of(&records));
        let mut text = encode(&data).unwrap().to_vec();
        let len = text.len();
        for (at, byte) in &hits {
            // Most of a small file is padding: aim at the sections, at times anywhere.
            let at = if wide { at.index(len) } else { at.index(len / TEXT_LEN) * TEXT_LEN + at.index(97) };
            text[at] = *byte;
        }
        write_text(&disk, Path::new(DIR), PageFile { store: STORE, file: INDEX, version: page::VERSION }, &[7; 32], &Encoded::whole(text), Hands::Two).unwrap();
        let Ok(segment) = open(&disk, INDEX, &[BODY], &[7; 32], everybody()) else { return Ok(()) };
        let _ = segment.decode_all().map(|data| data.without(&RoaringBitmap::new(), &[]));
        let body = BodyPlace { dir: Path::new(DIR), store: STORE, file: NEXT_BODY, index: 1 };
        let target = Target { vfs: &disk, body, keys: &Without(vec![]), entropy: &OsEntropy, hands: Hands::Two };
        let asked = (0..7).collect();
        let _ = rewrite(&segment, &Removal { docs: &asked, people: &[PersonNumber(2)], reform_all: wide }, &target);
        let _ = segment.rebuild(&knows);
        let _ = segment.verify(true);
        let all: RoaringBitmap = (0..100).collect();
        for field in FIELDS {
            for (value, _) in segment.terms(field).unwrap_or_default() {
                let term = Term { field, value };
                let _ = (segment.postings(&term), segment.frequency(&term));
            }
        }
        let _ = (segment.in_time(Micros(-5), Micros(5)), segment.newest(&all, 9, None), segment.oldest(&all, 9, None));
        ask_words(&segment);
        for doc in 0..70 {
            let _ = (segment.words_in(doc), segment.key(doc), segment.record(doc), segment.doc_of(Seq(u64::from(doc))));
            let _ = segment.id_candidates(&IdQuery::new(&format!("m{doc}"), None));
            let _ = segment.id_candidates(&IdQuery::new("m1", Some("c1")));
        }
    }
}

/// Asks for words and for conjunctions in every way, whatever is answered.
fn ask_words(part: &dyn Part) {
    let mut terms: Vec<Term> = Vec::new();
    for field in FIELDS.into_iter().chain([Field::Word]) {
        let values = part.terms(field).unwrap_or_default().into_iter().take(5);
        terms.extend(values.map(|(value, _)| Term { field, value }));
    }
    terms.extend([Term::word(b"body"), Term::word(b"0"), Term::word(b"of")]);
    let all: RoaringBitmap = (0..part.doc_count().min(100)).collect();
    let docs: Vec<u32> = all.iter().collect();
    let (mut found, mut keys, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for (a, b) in terms.iter().zip(terms.iter().rev()) {
        for (default_only, wanted) in [(false, true), (true, false), (true, true)] {
            let mut of = Conjunction::of_terms(vec![Asked::new(a, true), Asked::new(b, wanted)]);
            of.default_only = default_only;
            let _ = (part.conjunction(&of, 0..part.doc_count(), &mut found), part.common(&of));
            let _ = (part.keys(&found, &mut keys), part.seqs_of(&found, &mut seqs));
            let _ = part.conjunction_count(&of, &mut found);
            of.time = Micros(-3)..Micros(9);
            let _ = part.conjunction(&of, 3..9, &mut found);
        }
        let mut sifted = all.clone();
        let _ = (part.sift(a, true, &mut sifted), part.sift_default(&mut sifted), part.default_docs());
        let _ = part.occurrences(a, &docs);
        let like = Pattern::Prefix(b.value.get(..1).unwrap_or_default().to_vec());
        let whats = [Wanted::Word(a.clone()), Wanted::Word(b.clone()), Wanted::Like(like)];
        for (first, second) in [(0, 1), (0, 2), (2, 0)] {
            let word = |offset, n: usize| PhraseWord { offset, what: whats[n].clone() };
            let _ = part.phrase(&Phrase { words: vec![word(0, first), word(1, second)] }, &all);
        }
    }
    for like in [Pattern::Prefix(vec![]), Pattern::Prefix(b"bo".to_vec()), Pattern::near("bod")] {
        let _ = part.like(&like, &mut |_| Ok(()));
    }
    let _ = (part.check_words(), part.word_totals(), part.terms(Field::Word));
}

/// Lists that conjunctions spread out are counted with the postings. The first lists that are asked for
/// are read by single pages, which opens no postings; they were kept all the same, counted by nobody, so
/// that a store of many segments kept more than its bound.
#[test]
fn spread_lists_are_kept_where_they_are_counted() {
    let disk = MemoryVfs::new();
    let mut records = some_records(4000);
    for (seq, stored) in &mut records {
        // Neither rare nor bits.
        stored.tags = vec![format!("every:{}", seq.0 % 20)];
    }
    let segment = written(&disk, &roll(&disk, &live_of(&records)), INDEX, &[BODY], everybody());
    let opened = &segment.sections.opened;
    let mut docs = Vec::new();
    for n in 0..40 {
        let term = Term { field: Field::Tag, value: format!("every:{}", n % 20).into_bytes() };
        let of = Conjunction::of_terms(vec![Asked::new(&term, true)]);
        assert!(segment.conjunction(&of, 0..4000, &mut docs).unwrap());
        assert_eq!(docs.len(), 200);
        let kept = opened.spread.bytes() + opened.known.list_bytes();
        assert!(kept <= segment.bytes_kept(), "{kept} bytes are kept, {} counted", segment.bytes_kept());
    }
    assert!(opened.spread.bytes() > 0, "it is kept in the end");
}

fn some_records(n: u64) -> Vec<(Seq, Stored)> {
    let one = |i: u64| Stored {
        id: format!("m{i}"),
        conversation: format!("c{}", i / 20),
        author: PersonNumber(i % 200),
        subjects: vec![PersonNumber(1000 + i / 20)],
        time: Micros(i as i64 * 1_000_000),
        channel: "web".into(),
        kind: Kind::Message,
        tags: (0..5).map(|t| format!("tag{t}:{}", i.wrapping_mul(0x9e37_79b9) >> 7 & (0xfff >> t))).collect(),
        body: format!("hello {i}, your order {} left our house and will be with you soon", i * 7919)
            .repeat(2),
        ..Stored::default()
    };
    (0..n).map(|i| (Seq(i), one(i))).collect()
}

#[test]
fn a_tier_knows_the_ids_of_all_its_segments_and_ends_with_them() {
    let disks = [MemoryVfs::new(), MemoryVfs::new(), MemoryVfs::new()];
    let sets = [some_records(10), some_records(300), some_records(80)];
    let of = |(disk, records): (&MemoryVfs, &Vec<(Seq, Stored)>)| {
        Arc::new(written(disk, &roll(disk, &live_of(records)), INDEX, &[BODY], everybody()))
    };
    let segments: Vec<_> = disks.iter().zip(&sets).map(of).collect();
    assert!(segments.iter().all(|s| !s.has_tier() && s.tier().is_none()));
    tier::build(&segments);
    let tier = segments[0].tier().unwrap();
    assert!(segments.iter().all(|s| Arc::ptr_eq(s.tier().unwrap(), tier)));
    for stored in sets.iter().flatten().map(|(_, stored)| stored) {
        let identity = IdHash::of(&stored.id, &stored.conversation);
        assert!(tier.may_contain(identity.id, identity.conversation));
    }
    let others = (0..1000).map(|n| IdHash::of(&format!("other{n}"), "c"));
    assert!(others.filter(|i| tier.may_contain(i.id, i.conversation)).count() < 20);
    let again = segments[1].under(Keys::new().insert(&[1; 32]).unwrap(), everybody());
    assert!(again.is_err() || !again.unwrap().has_tier());
    let weak = Arc::downgrade(tier);
    drop(segments);
    assert!(weak.upgrade().is_none(), "a tier is held by its segments only");
}

/// A few ids are sought by the pages on which they should stand, many in the whole table.
#[test]
fn ids_are_found_by_single_pages_as_in_the_whole_table() {
    let disk = MemoryVfs::new();
    let mut records = some_records(3_000);
    // Many entries of one hash, further than one part reaches.
    for (_, stored) in records.iter_mut().skip(1_000).step_by(2) {
        stored.id = "same".into();
    }
    let segment = written(&disk, &roll(&disk, &live_of(&records)), INDEX, &[BODY], everybody());
    let whole = segment.sections.load_ids().unwrap();
    for (_, stored) in records.iter().step_by(37) {
        let query = IdQuery::new(&stored.id, None);
        let wanted = whole.iter().filter(|(id, _, _)| *id == query.hash.id).count();
        assert_eq!(segment.id_candidates(&query).unwrap().len(), wanted, "{}", stored.id);
    }
    assert!(segment.id_candidates(&IdQuery::new("same", None)).unwrap().len() >= 1_000);
    // Nothing stands there, at either end or between.
    for id in ["", "nobody", "x1", "x2", "x3", "x4"] {
        assert!(segment.id_candidates(&IdQuery::new(id, None)).unwrap().is_empty());
    }
    let part = segment.sections.ids_around(7).unwrap();
    assert_eq!(part.iter().count(), whole.iter().count(), "it was read whole after so many");
    segment.clear();
    let part = segment.sections.ids_around(7).unwrap();
    assert!(part.iter().count() < whole.iter().count() / 2, "and by pages again");
}

#[test]
fn a_wiped_key_revokes_what_was_not_opened() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(100)));
    let written = write_index(&disk, Path::new(DIR), STORE, INDEX, &data, &OsEntropy).unwrap();
    let keys = Keys::new();
    let repairs = Arc::default();
    let files = SegmentFiles {
        dir: Path::new(DIR),
        store: STORE,
        index: INDEX,
        bodies: &[BODY],
        pages: None,
        repairs: &repairs,
    };
    let segment = Segment::open(&disk, files, keys.insert(&written.key).unwrap(), everybody()).unwrap();
    keys.wipe();
    assert_eq!(segment.record(0).map(|_| ()).unwrap_err().kind(), ErrorKind::Revoked);
}

#[test]
fn nothing_stands_in_clear() {
    let disk = MemoryVfs::new();
    let data = roll(&disk, &live_of(&some_records(500)));
    written(&disk, &data, INDEX, &[BODY], everybody());
    for (path, bytes) in disk.snapshot() {
        for word in [&b"hello"[..], b"tag1:", b"order", b"message"] {
            let found = bytes.windows(word.len()).filter(|w| *w == word).count();
            assert_eq!(found, 0, "{} in {}", String::from_utf8_lossy(word), path.display());
        }
    }
}
