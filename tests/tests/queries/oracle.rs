//! The oracle: after an erasure a store answers like one that never held what was erased, and the
//! plaintext of its indexes is that of indexes built afresh from the survivors. Two stores with
//! other randomness live the same history, one with and one without; log positions and the acts
//! of the store itself are left aside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what can't go on is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use escrowdb::crypto::Keys;
use escrowdb::env::Env;
use escrowdb::id::{Micros, PersonNumber};
use escrowdb::index::{Field, IndexData, file};
use escrowdb::keyring::{FileSlot, Keyring, Slot, Tree, catalog};
use escrowdb::record::Record;
use escrowdb::record::jsonl;
use escrowdb::session::Session;
use escrowdb::state::commit::open_segment_in;
use escrowdb::state::keys::ContentKeys;
use escrowdb::store::{
    Around, CompactOptions, EraseOptions, Order, Outcome, Preset, SearchOptions, Selector, Snippet,
    VerifyOptions,
};
use escrowdb::vfs::{MemoryVfs, Vfs};
use escrowdb::{ErrorKind, Store};
use escrowdb_tests::chats::ask::{Answers, Plain, Words};
use escrowdb_tests::chats::model::Model;
use escrowdb_tests::chats::{ChatOptions, Chats};
use escrowdb_tests::clock::ManualClock;
use escrowdb_tests::entropy::SeededEntropy;
use escrowdb_tests::rng::Rng;

const NOW: Micros = Micros(1_767_225_600_000_000);

/// Where the records stand when the erasure begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// In the journal.
    Live,
    /// In one segment.
    Rolled,
    /// In several segments.
    Several,
    /// In several segments and the journal.
    Mixed,
}

const LAYOUTS: [Layout; 4] = [Layout::Live, Layout::Rolled, Layout::Several, Layout::Mixed];

impl Layout {
    /// Whether the journal is rolled behind record `i` of `n`.
    fn rolls_behind(self, i: usize, n: usize) -> bool {
        match self {
            Self::Live => false,
            Self::Rolled => i + 1 == n,
            Self::Several => i % 23 == 22 || i + 1 == n,
            Self::Mixed => i % 31 == 30,
        }
    }
}

struct Case {
    chats: Chats,
    layout: Layout,
    selector: Selector,
    rng: Rng,
}

fn queries() -> usize {
    if std::env::var("ESCROW_TEST").is_ok_and(|v| v == "full") { 2_000 } else { 50 }
}

/// A history in which people also take part in what others wrote. Everybody is known from the
/// beginning: who was named by others first would not be forgotten with them.
fn history(seed: u64) -> Chats {
    let mut chats =
        Chats::new(ChatOptions { people: 6, agents: 2, records: 110, seed, ..ChatOptions::default() });
    let mut rng = Rng::new(seed);
    let names: Vec<String> = chats.people.iter().map(|p| p.identifier.clone()).collect();
    for record in &mut chats.records {
        if rng.chance(25) {
            let two = [rng.pick(&names).clone(), rng.pick(&names).clone()];
            record.participants.extend(two);
        }
    }
    let greeting = |n: &String| Record::new("hall", n, Micros(0), "hello").id(format!("hello {n}"));
    chats.records.splice(0..0, names.iter().map(greeting));
    chats
}

fn cases(seeds: u64, selector: impl Fn(&Chats, &mut Rng) -> Selector, run: impl Fn(Case)) {
    for seed in 0..seeds {
        for layout in LAYOUTS {
            let chats = history(seed);
            let mut rng = Rng::new(seed ^ 0x5eed);
            let selector = selector(&chats, &mut rng);
            run(Case { chats, layout, selector, rng });
        }
    }
}

fn store(disk: &MemoryVfs, seed: u64) -> escrowdb::store::Builder {
    Store::builder("/s")
        .vfs(Arc::new(disk.clone()))
        .clock(Arc::new(ManualClock::new(NOW)))
        .entropy(Arc::new(SeededEntropy::new(seed)))
        .background(false)
}

impl Case {
    /// The records as a store that never held the erased would have got them; `None` where it
    /// would have got nothing, so that the borders of segments stay where they are.
    fn without(&self) -> Vec<Option<Record>> {
        let keep = |record: &Record| match &self.selector {
            Selector::Person(name) if record.subjects.is_empty() => record.author != *name,
            Selector::Person(name) => !record.subjects.contains(name),
            Selector::Conversation(name) => record.conversation != *name,
            Selector::Record { id, .. } => record.id.as_ref() != Some(id),
            _ => panic!("another selector"),
        };
        let one = |record: &Record| {
            let mut record = record.clone();
            if let Selector::Person(name) = &self.selector {
                record.participants.retain(|p| p != name);
            }
            record
        };
        self.chats.records.iter().map(|r| keep(r).then(|| one(r))).collect()
    }

    /// A join of somebody whom several records with the same subjects name in one conversation goes
    /// with the first of them. A person's erasure, and a conversation's, takes all of these; for that
    /// of one record, only it names anybody there.
    fn keep_joins_apart(&mut self) {
        let Selector::Record { id, .. } = &self.selector else { return };
        let Some(gone) = self.chats.records.iter().find(|r| r.id.as_ref() == Some(id)).cloned() else {
            return;
        };
        for record in self.chats.records.iter_mut().filter(|r| r.id != gone.id) {
            if record.conversation == gone.conversation && record.subjects == gone.subjects {
                record.participants.clear();
            }
        }
    }

    fn fill(&self, store: &Store, records: &[Option<Record>]) {
        for (i, record) in records.iter().enumerate() {
            if let Some(record) = record {
                let outcomes = store.append(std::slice::from_ref(record)).unwrap();
                assert!(matches!(outcomes[..], [Outcome::Added(_)]));
            }
            if self.layout.rolls_behind(i, records.len()) {
                store.roll().unwrap();
            }
        }
    }

    fn run(mut self) {
        self.keep_joins_apart();
        let all: Vec<_> = self.chats.records.iter().cloned().map(Some).collect();
        let without = self.without();
        let (with_disk, without_disk) = (MemoryVfs::new(), MemoryVfs::new());
        let (a, b) = (store(&with_disk, 1).create().unwrap(), store(&without_disk, 2).create().unwrap());
        self.fill(&a, &all);
        self.fill(&b, &without);
        // Positive control: as long as nothing is erased, the two differ.
        assert_ne!(answers(&a, "*"), answers(&b, "*"));
        a.erase(&self.selector, &EraseOptions::default()).unwrap();
        self.compare(&a, &b);
        self.repeat(&a, &b, &without);
        self.compare(&a, &b);
        a.close().unwrap();
        b.close().unwrap();
        let (indexes_a, indexes_b) = (indexes(&with_disk), indexes(&without_disk));
        if matches!(self.layout, Layout::Rolled | Layout::Several) {
            assert!(indexes_a == indexes_b, "{:?}: the indexes say different things", self.layout);
            assert!(!indexes_a.is_empty());
        }
        let (a, b) = (store(&with_disk, 3).open().unwrap(), store(&without_disk, 4).open().unwrap());
        self.compare(&a, &b);
        // A kill, so that both journals are rolled.
        drop((a.append(&[back("r1", "zoe")]).unwrap(), b.append(&[back("r1", "zoe")]).unwrap()));
        let disks = [&with_disk, &without_disk].map(|d| MemoryVfs::from_files(d.snapshot()));
        let (a, b) = (store(&disks[0], 5).open().unwrap(), store(&disks[1], 6).open().unwrap());
        self.compare(&a, &b);
        // Who returns is new.
        if let Selector::Person(name) = &self.selector {
            let record = back("r2", name);
            a.append(std::slice::from_ref(&record)).unwrap();
            b.append(std::slice::from_ref(&record)).unwrap();
            self.compare(&a, &b);
        }
        self.merge(a, b, &disks);
    }

    /// What is compacted answers as before, and the terms and words of all indexes together are those
    /// of a store that never held the erased, as often as there.
    fn merge(&mut self, a: Store, b: Store, disks: &[MemoryVfs; 2]) {
        let merge = |store: &Store| store.compact(&CompactOptions::new(), |_| ()).unwrap().steps;
        let steps = merge(&a) + merge(&b);
        assert!(steps > 0 || self.layout != Layout::Several, "nothing was to be merged");
        self.compare(&a, &b);
        let damage = a.verify(&VerifyOptions::new().read_data(true)).unwrap().damage;
        assert_eq!(damage, Vec::<String>::new());
        a.close().unwrap();
        b.close().unwrap();
        let [of_a, of_b] = disks.each_ref().map(frequencies);
        assert!(of_a == of_b, "{:?}: the terms of all indexes differ", self.layout);
    }

    /// Everything that can be asked.
    fn compare(&mut self, a: &Store, b: &Store) {
        let words = Words::of(&self.chats.records);
        for _ in 0..queries() {
            let query = words.query(&mut self.rng).to_string();
            assert_eq!(answers(a, &query), answers(b, &query), "{:?}: {query}", self.layout);
            assert_eq!(ranked(a, &query), ranked(b, &query), "{:?}: {query}", self.layout);
        }
        let (s, t) = (a.stats().unwrap(), b.stats().unwrap());
        assert_eq!((s.records, s.people), (t.records, t.people));
        assert_eq!(export(a), export(b));
        let (ra, rb) = (a.session(Session::new()), b.session(Session::new()));
        for person in &self.chats.people {
            let view = |r: &escrowdb::store::Reading| match r.person(&person.identifier) {
                Ok(p) => Ok((p.identifiers, p.linked, p.records, p.first, p.last)),
                Err(e) => Err((e.kind(), e.to_string())),
            };
            assert_eq!(view(&ra), view(&rb));
        }
        for record in &self.chats.records {
            let get = |r: &escrowdb::store::Reading| match r.get(record.id.as_ref().unwrap(), None) {
                Ok(hits) => Ok(hits.iter().map(Plain::from).collect::<Vec<_>>()),
                Err(e) => Err((e.kind(), e.to_string())),
            };
            assert_eq!(get(&ra), get(&rb));
            // Who stood beside the erased has other neighbours, the same as if they had never been.
            let around = |r: &escrowdb::store::Reading| {
                let found = r.around(record.id.as_ref().unwrap(), Some(&record.conversation), 2).unwrap();
                let marked = |a: &Around| a.all().map(|h| (Plain::from(h), a.is_here(h))).collect::<Vec<_>>();
                found.iter().map(marked).collect::<Vec<_>>()
            };
            assert_eq!(around(&ra), around(&rb));
        }
        // What is erased is as unknown as what never was.
        let (e, f) = (a.plan(&self.selector).map(drop), b.plan(&self.selector).map(drop));
        assert_eq!(e.map_err(|e| e.to_string()), f.map_err(|e| e.to_string()));
    }

    /// A repeated append counts as many duplicates here as there.
    fn repeat(&self, a: &Store, b: &Store, without: &[Option<Record>]) {
        let records: Vec<Record> = without.iter().flatten().cloned().collect();
        let duplicates = |store: &Store| {
            let outcomes = store.append(&records).unwrap();
            outcomes.iter().filter(|o| matches!(o, Outcome::Duplicate(_))).count()
        };
        assert_eq!(duplicates(a), records.len());
        assert_eq!(duplicates(b), records.len());
    }
}

fn back(id: &str, who: &str) -> Record {
    Record::new("c-back", who, NOW, "here again").id(id)
}

fn answers(store: &Store, query: &str) -> Answers {
    Answers::of_store(&store.session(Session::new()), query, 64)
}

/// Every hit by relevance with its score, bit by bit, and what is shown of it; or the error.
fn ranked(store: &Store, query: &str) -> Result<Vec<(u64, Plain, Option<Snippet>)>, String> {
    let options = SearchOptions::new().order(Order::Relevance).limit(1_000).snippets(true);
    let hits = store.session(Session::new()).search(query, &options).map_err(|e| e.to_string())?;
    Ok(hits.iter().map(|h| (h.score.unwrap().to_bits(), Plain::from(h), h.snippet.clone())).collect())
}

fn export(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    let reading = store.session(Session::new());
    let each = |hit: escrowdb::store::Hit| {
        let mut line = String::new();
        hit.with_view(|view| jsonl::print_record(&mut line, view));
        lines.push(line);
        true
    };
    reading.search_each("* OR kind:system", Order::Oldest, each).unwrap();
    lines
}

/// Documents and positions of a term.
type Lists = (Vec<u32>, Vec<u8>);

/// What the index of a segment says, people by name.
#[derive(PartialEq, Eq)]
struct Index {
    times: Vec<Micros>,
    /// Field, value, documents and positions.
    terms: Vec<(u8, Vec<u8>, Lists)>,
    /// How many words each document has.
    lengths: Vec<u32>,
}

/// Every index of a closed store: its plaintext must be that of one built afresh from the bodies
/// that the surviving blocks hold.
fn indexes(disk: &MemoryVfs) -> Vec<Index> {
    opened(disk, |data, tree| Index {
        times: data.docs.iter().map(|d| d.time).collect(),
        lengths: data.docs.iter().map(|d| d.words).collect(),
        terms: {
            let mut terms: Vec<_> = data
                .terms
                .iter()
                .map(|term| {
                    let value = match term.field {
                        Field::Author | Field::Subject => name(tree, term.value).into_bytes(),
                        _ => term.value.to_vec(),
                    };
                    (term.field as u8, value, (term.docs.to_vec(), term.runs.to_vec()))
                })
                .collect();
            terms.sort();
            terms
        },
    })
}

/// Each term of a closed store's indexes with the number of its documents and of its positions. What
/// acts of the store have (kinds, no name, no conversation) is left aside.
fn frequencies(disk: &MemoryVfs) -> BTreeMap<(u8, Vec<u8>), (usize, usize)> {
    let mut all = BTreeMap::new();
    let terms = indexes(disk).into_iter().flat_map(|index| index.terms);
    for (field, value, (docs, runs)) in
        terms.filter(|(field, value, _)| *field != Field::Kind as u8 && !value.is_empty())
    {
        let sum: &mut (usize, usize) = all.entry((field, value)).or_default();
        *sum = (sum.0 + docs.len(), sum.1 + runs.len());
    }
    all
}

fn name(tree: &Tree, value: &[u8]) -> String {
    let number = PersonNumber(u64::from_be_bytes(value.try_into().unwrap()));
    catalog::identifiers(tree, number).unwrap().into_iter().next().unwrap_or_else(|| {
        assert_eq!(number, PersonNumber::STORE, "a term of somebody who is unknown");
        String::new()
    })
}

fn opened<T>(disk: &MemoryVfs, mut look: impl FnMut(&IndexData, &Tree) -> T) -> Vec<T> {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::from_files(disk.snapshot()));
    let dir = Path::new("/s");
    let record = FileSlot::new(Arc::clone(&vfs), "/s.slot").load().unwrap().unwrap();
    let entropy = Arc::new(SeededEntropy::new(9));
    let keyring =
        Keyring::open(Arc::clone(&vfs), dir, entropy.clone(), record.store, &record.root, record.epoch)
            .unwrap();
    let tree = keyring.tree();
    let env = Env {
        vfs,
        clock: Arc::new(ManualClock::new(NOW)),
        entropy,
        dir: dir.to_path_buf(),
        store: record.store,
        repairs: Arc::default(),
    };
    let keys = Keys::new();
    let subjects = ContentKeys::new(tree.clone(), usize::MAX);
    let mut seen = Vec::new();
    for (id, entry) in catalog::segments(&tree).unwrap() {
        let segment = open_segment_in(&env, id, &entry, &keys, subjects.clone()).unwrap();
        let data = segment.part.decode_all().unwrap();
        let fresh = segment.part.rebuild(&|n| catalog::has_person(&tree, n)).unwrap();
        assert_eq!(file::encode(&data).unwrap(), file::encode(&fresh).unwrap(), "segment {id}");
        seen.push(look(&data, &tree));
    }
    seen
}

#[test]
fn without_a_person() {
    let anybody = |chats: &Chats, rng: &mut Rng| {
        let people: Vec<_> = chats.people.iter().filter(|p| !p.agent).collect();
        Selector::Person(rng.pick(&people).identifier.clone())
    };
    cases(3, anybody, Case::run);
}

#[test]
fn without_a_conversation() {
    let any = |_: &Chats, rng: &mut Rng| Selector::Conversation(format!("shared-{}", rng.below(4)));
    cases(2, any, Case::run);
}

#[test]
fn without_a_record() {
    let any = |chats: &Chats, rng: &mut Rng| {
        let record = rng.pick(&chats.records);
        Selector::Record { id: record.id.clone().unwrap(), conversation: Some(record.conversation.clone()) }
    };
    cases(2, any, Case::run);
}

/// An agent who is only author: the records stay with their subjects, their author is unknown and
/// stands in no list of authors; everything else is as before.
#[test]
fn without_an_author() {
    for layout in LAYOUTS {
        let mut chats = history(7);
        let agent = chats.people.iter().find(|p| p.agent).unwrap().identifier.clone();
        chats.records.retain(|r| !r.subjects.is_empty() || r.author != agent);
        let records: Vec<_> = chats.records.iter().cloned().map(Some).collect();
        let selector = Selector::Person(agent.clone());
        let mut case = Case { chats, layout, selector, rng: Rng::new(7) };
        let disk = MemoryVfs::new();
        let store_ = store(&disk, 1).create().unwrap();
        let mut model = Model::new(Preset::Peer, NOW);
        case.fill(&store_, &records);
        for record in records.iter().flatten() {
            model.append(record);
        }
        let written =
            |store: &Store| store.session(Session::new()).count(&format!("author:{agent}")).unwrap();
        let (before, total) = (written(&store_), answers(&store_, "*").count);
        assert!(before > 5, "positive control");
        store_.erase(&case.selector, &EraseOptions::default()).unwrap();
        model.erase(&case.selector).unwrap();
        let check = |store: &Store, rng: &mut Rng, chats: &Chats| {
            let rows = model.rows();
            let words = Words::of(&chats.records);
            for _ in 0..queries() {
                let query = words.query(rng);
                let want = Answers::of_rows(rows.iter().map(|(_, r)| r), &query);
                assert_eq!(answers(store, &query.to_string()), want, "{layout:?}: {query}");
            }
            let all = answers(store, "*");
            assert_eq!(all.count, total);
            assert_eq!(all.oldest.iter().filter(|r| r.author.is_none()).count() as u64, before);
            assert_eq!(written(store), 0);
            let refused = store.plan(&Selector::Person(agent.clone())).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::NotFound);
        };
        check(&store_, &mut case.rng, &case.chats);
        store_.close().unwrap();
        for index in indexes(&disk) {
            assert!(!index.terms.iter().any(|(_, value, ..)| value == agent.as_bytes()));
        }
        let store_ = store(&disk, 2).open().unwrap();
        check(&store_, &mut case.rng, &case.chats);
    }
}

/// The plaintext of the indexes holds no word of the erased any more, and did before.
#[test]
fn indexes_hold_no_word_of_the_erased() {
    for layout in LAYOUTS {
        let chats = history(11);
        let person = chats.people[2].clone();
        let canaries = chats.canaries(&person);
        let selector = Selector::Person(person.identifier.clone());
        let case = Case { chats, layout, selector, rng: Rng::new(11) };
        let records: Vec<_> = case.chats.records.iter().cloned().map(Some).collect();
        let disk = MemoryVfs::new();
        let store_ = store(&disk, 1).close_roll_records(0).create().unwrap();
        case.fill(&store_, &records);
        store_.close().unwrap();
        let found = |disk: &MemoryVfs| {
            let hits = opened(disk, |data, _| {
                // Terms stand in the dictionary without the beginnings that they share.
                let plain: Vec<&[u8]> = data.terms.iter().map(|term| term.value).collect();
                let has = |c: &Vec<u8>| plain.concat().windows(c.len()).any(|w| w == c.as_slice());
                canaries.iter().filter(|c| has(c)).count()
            });
            hits.into_iter().sum::<usize>()
        };
        assert!(found(&disk) >= 3, "{layout:?}: positive control: tag, conversation and word");
        let word = person.word.to_lowercase();
        let stands = opened(&disk, |data, _| {
            data.terms.iter().filter(|t| t.field == Field::Word && t.value == word.as_bytes()).count()
        });
        assert!(stands.into_iter().sum::<usize>() > 0, "{layout:?}: positive control: the word");
        let store_ = store(&disk, 2).close_roll_records(0).open().unwrap();
        store_.erase(&case.selector, &EraseOptions::default()).unwrap();
        store_.close().unwrap();
        assert_eq!(found(&disk), 0, "{layout:?}");
    }
}
