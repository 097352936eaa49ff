//! The process that is looked at: it does what it is told, line by line, and answers `done`.
//! Secret bytes are made where they are used, from numbers that the tester knows too.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use escrowdb::Store;
use escrowdb::crypto::{Entropy, Key, Keys, Label, OneTime, OsEntropy, derive};
use escrowdb::id::Micros;
use escrowdb::record::Record;
use escrowdb::session::Session;
use escrowdb::store::{self, EraseOptions, Period, Preset, SearchOptions, Selector};
use zeroize::{Zeroize, Zeroizing};

/// Keys of each sort that the orders about keys make.
pub const KEYS: u64 = 64;
/// Records of a person in a batch.
pub const RECORDS: u64 = 40;
/// The record that is erased alone: of the second batch, which stands in the journal.
pub const ERASED_RECORD: u64 = RECORDS + 7;
/// Records that `append-apart` adds.
pub const APART: u64 = 20;
/// People; the one with number 0 is erased.
pub const PEOPLE: u64 = 4;

/// Words that belong to one person and, but for their number, to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Her identifier.
    Name,
    /// The conversation she alone is in.
    Conversation,
    /// A tag on her records.
    Tag,
    /// A word in the body of her record with this number.
    Body(u64),
}

/// The word of a person: 32 letters.
pub fn word(person: u64, word: Word) -> String {
    let kind = match word {
        Word::Name => 1,
        Word::Conversation => 2,
        Word::Tag => 3,
        Word::Body(i) => 4 + i,
    };
    let mut text = String::with_capacity(32);
    text.extend((0..32).map(|i| char::from(b'a' + byte(person << 32 | kind, i) % 26)));
    text
}

/// Byte `i` of the secret number `n`.
pub const fn byte(n: u64, i: u64) -> u8 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(i.wrapping_mul(0xd6e8_feb8_6659_fd93));
    x = (x ^ (x >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 40) as u8
}

/// The secret key `i` of a sort.
pub fn secret(sort: u64, i: u64) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    for j in 0..32 {
        key[j as usize] = byte(1 << 48 | sort << 32 | i, j);
    }
    key
}

/// The system's randomness. When an erasure asks for some the nth time, somebody searches, and it goes on when he has
/// found, or a moment later, if what it holds keeps him from it. After that nobody does.
#[derive(Default)]
struct Moments(Mutex<Option<(u32, Sender<Sender<()>>)>>);

impl Moments {
    fn begin(&self, nth: u32) -> Receiver<Sender<()>> {
        let (moment, comes) = mpsc::channel();
        *self.0.lock().unwrap() = Some((nth, moment));
        comes
    }

    fn end(&self) {
        *self.0.lock().unwrap() = None;
    }
}

impl Entropy for Moments {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        let mut waits = self.0.lock().unwrap();
        let is_now = waits.as_mut().is_some_and(|(nth, _)| {
            *nth = nth.saturating_sub(1);
            *nth == 0
        });
        let moment = if is_now { waits.take() } else { None };
        drop(waits);
        if let Some((_, moment)) = moment {
            let (done, wait) = mpsc::channel();
            moment.send(done).unwrap();
            let _ = wait.recv_timeout(MOMENT);
        }
        OsEntropy.fill(out)
    }
}

/// So long an erasure waits for a search that waits for it.
const MOMENT: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Held {
    moments: Arc<Moments>,
    store: Option<Arc<Store>>,
    ciphers: Vec<Aes256GcmSiv>,
    one_times: Vec<OneTime>,
    arena: Keys,
    keys: Vec<Key>,
}

/// Does orders from standard input until it ends.
///
/// # Panics
/// If an order can't be carried out.
pub fn run() {
    let mut held = Held::default();
    for order in std::io::stdin().lock().lines() {
        obey(&mut held, &order.unwrap());
        let mut out = std::io::stdout().lock();
        writeln!(out, "done").unwrap();
        out.flush().unwrap();
    }
}

fn obey(held: &mut Held, order: &str) {
    let (order, rest) = order.split_once(' ').unwrap_or((order, ""));
    let store = || held.store.as_deref().unwrap();
    match order {
        "ciphers" => held.ciphers = (0..KEYS).map(cipher).collect(),
        "one-times" => held.one_times = (0..KEYS).map(one_time).collect(),
        "keys" => held.keys = (0..KEYS).map(|i| held.arena.insert(&secret(3, i)).unwrap()).collect(),
        "drop" => {
            held.ciphers.clear();
            held.one_times.clear();
            held.keys.clear();
        }
        "wipe" => held.arena.wipe(),
        "create" => {
            let (records, folder) = rest.split_once(' ').unwrap();
            let builder = Store::builder(PathBuf::from(folder)).roll_records(records.parse().unwrap());
            let builder = builder.preset(Preset::Peer).entropy(Arc::clone(&held.moments) as Arc<dyn Entropy>);
            held.store = Some(Arc::new(builder.create().unwrap()));
        }
        "append" => append(store(), rest.parse().unwrap()),
        "append-apart" => {
            // By somebody who has done nothing else since, and whose stack stays.
            let (store, (done, wait)) = (Arc::clone(held.store.as_ref().unwrap()), mpsc::channel());
            std::thread::spawn(move || {
                append_hers(&store);
                drop(store);
                done.send(()).unwrap();
                loop {
                    std::thread::park();
                }
            });
            wait.recv().unwrap();
        }
        "roll" => store().roll().unwrap(),
        "ask" => (0..PEOPLE).for_each(|person| ask(store(), person)),
        "read" => (0..PEOPLE).for_each(|person| read(store(), person)),
        "erase" => {
            let (what, asked) = rest.strip_suffix(" asked").map_or((rest, false), |what| (what, true));
            let (what, nth) =
                what.split_once(" within ").map_or((what, None), |(what, nth)| (what, Some(nth)));
            let selector = match what {
                "person" => Selector::Person(word(0, Word::Name)),
                "conversation" => Selector::Conversation(word(0, Word::Conversation)),
                _ => Selector::Record {
                    id: format!("m{ERASED_RECORD}"),
                    conversation: Some(word(0, Word::Conversation)),
                },
            };
            let (store, over) = (store(), AtomicBool::new(false));
            let count = || store.session(Session::new()).count("*").unwrap();
            std::thread::scope(|scope| {
                if asked {
                    // Somebody searches all the while.
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            count();
                        }
                    });
                }
                if let Some(nth) = nth {
                    let moment = held.moments.begin(nth.parse().unwrap());
                    scope.spawn(move || {
                        if let Ok(done) = moment.recv() {
                            count();
                            let _ = done.send(());
                        }
                    });
                }
                store.erase(&selector, &EraseOptions::default()).unwrap();
                held.moments.end();
                over.store(true, Ordering::Relaxed);
            });
        }
        _ => panic!("unknown order {order}"),
    }
}

/// A cipher of the AEAD that has worked.
fn cipher(i: u64) -> Aes256GcmSiv {
    let cipher = Aes256GcmSiv::new_from_slice(&*secret(1, i)).unwrap();
    let mut text = [1u8; 100];
    cipher.encrypt_inout_detached(&Nonce::from([0; 12]), b"", text.as_mut_slice().into()).unwrap();
    cipher
}

/// A one-time key of the engine that has not worked yet; its twins have sealed and opened.
fn one_time(i: u64) -> OneTime {
    let one = || derive(Label::Body, &[&*secret(2, i)], b"salt", b"place");
    let mut text = vec![1; 100];
    let seal = one().seal(&mut text).unwrap();
    one().open(&seal, &mut text).unwrap();
    text.zeroize();
    one()
}

fn append(store: &Store, batch: u64) {
    let mut records = Vec::new();
    for i in 0..RECORDS * PEOPLE {
        let (person, i) = (i % PEOPLE, batch * RECORDS + i / PEOPLE);
        let mut body = word(person, Word::Body(i));
        body.push_str(" and some words more");
        records.push(
            Record::new(word(person, Word::Conversation), word(person, Word::Name), Micros(i as i64), body)
                .tag(word(person, Word::Tag))
                .id(format!("m{i}")),
        );
    }
    assert_eq!(store.append(&records).unwrap().len(), records.len());
}

/// Some records more of the person who is erased, numbered from `2 * RECORDS`.
fn append_hers(store: &Store) {
    let record = |i| {
        let mut body = word(0, Word::Body(i));
        body.push_str(" and some words more");
        let record = Record::new(word(0, Word::Conversation), word(0, Word::Name), Micros(i as i64), body);
        record.id(format!("m{i}"))
    };
    let records: Vec<Record> = (2 * RECORDS..2 * RECORDS + APART).map(record).collect();
    assert_eq!(store.append(&records).unwrap().len(), records.len());
}

fn read(store: &Store, person: u64) {
    let reading = store.session(Session::new());
    let [name, conversation, tag] = [Word::Name, Word::Conversation, Word::Tag].map(|w| word(person, w));
    for query in [format!("tag:{tag}"), format!("author:{name}"), format!("conversation:{conversation}")] {
        let options = SearchOptions::default();
        assert!(!reading.search(&query, &options).unwrap().is_empty());
        assert!(reading.count(&query).unwrap() > 0);
        let mut hits = 0;
        let all = |_| {
            hits += 1;
            true
        };
        reading.search_each(&query, store::Order::Oldest, all).unwrap();
        assert!(hits > 0);
    }
    assert!(!reading.facet("*", "author").unwrap().is_empty());
    assert!(!reading.facet("*", "tag").unwrap().is_empty());
    assert!(!reading.histogram("*", Period::Day).unwrap().is_empty());
    assert!(!reading.get("m1", Some(&conversation)).unwrap().is_empty());
    assert!(!reading.conversation(&conversation).unwrap().is_empty());
    assert!(!reading.records_of(&name).unwrap().is_empty());
    reading.person(&name).unwrap();
    store.plan(&Selector::Person(name)).unwrap();
}

/// Asks for the words of a person's bodies, of both batches, in every way.
fn ask(store: &Store, person: u64) {
    let reading = store.session(Session::new());
    for i in 0..2 * RECORDS {
        let own = word(person, Word::Body(i));
        for query in [
            own.clone(),
            format!("\"{own} and some\""),
            format!("{}*", &own[..20]),
            format!("{own}.a*"),
            format!("{}~1", &own[1..]),
            format!("more {own} -{}~1", word(person, Word::Name)),
        ] {
            for order in [store::Order::Newest, store::Order::Relevance] {
                let options = SearchOptions::new().order(order).snippets(true);
                let (hits, cost) = reading.explained(|r| r.search(&query, &options)).unwrap();
                assert!(hits.len() == 1 && !hits[0].snippet.as_ref().unwrap().marks.is_empty());
                assert!(cost.segments > 0);
            }
            assert_eq!(reading.count(&query).unwrap(), 1);
        }
        assert_eq!(reading.facet(&own, "author").unwrap().len(), 1);
        assert_eq!(reading.histogram(&own, Period::Day).unwrap().len(), 1);
    }
}
