//! The process that is killed: several threads append, erase, roll, compact and read until the end.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use escrowdb::id::RequestId;
use escrowdb::session::Session;
use escrowdb::store::{CompactOptions, EraseOptions, Level, Order, Outcome, Preset, SearchOptions, Store};
use escrowdb::{Error, ErrorKind};
use parking_lot::Mutex;

use crate::crash::ledger::Target;
use crate::crash::world::{conversation, person, rec, record_id};
use crate::rng::Rng;

/// It ends by itself, should its tester die.
const LIMIT: Duration = Duration::from_secs(60);
/// Records of a journal.
const ROLL_RECORDS: u32 = 60;

/// Who reads.
pub const READER: &str = "reader@office.example";

/// How a store is made or opened on both sides of the pipe.
pub fn builder(dir: &Path, seed: u64) -> escrowdb::store::Builder {
    Store::builder(dir)
        .preset(Preset::Peer)
        .roll_records(ROLL_RECORDS)
        .close_roll_records(if seed.is_multiple_of(2) { 10 } else { 4096 })
        .pass_bytes(if seed.is_multiple_of(3) { 60_000 } else { 256 << 20 })
}

/// Works on the store in `dir`; `round` names what it writes, `seed` decides what it does.
///
/// # Panics
/// If the store answers with an error that is none of its business.
pub fn run(dir: &Path, round: u64, seed: u64) {
    let store = builder(dir, seed).open().unwrap();
    say("open");
    let worker = Worker { store: &store, round, next: AtomicU64::new(0), known: Mutex::new(Vec::new()) };
    let end = Instant::now() + LIMIT;
    thread::scope(|s| {
        let (worker, store) = (&worker, &store);
        for writer in 0..3 {
            s.spawn(move || {
                let mut rng = Rng::new(seed ^ writer << 32);
                while Instant::now() < end {
                    thread::sleep(Duration::from_micros(rng.below(15_000) as u64));
                    worker.append(&mut rng);
                }
            });
        }
        s.spawn(move || {
            let mut rng = Rng::new(!seed);
            while Instant::now() < end {
                thread::sleep(Duration::from_micros(rng.below(6_000) as u64));
                worker.erase(&mut rng);
            }
        });
        s.spawn(move || {
            let mut rng = Rng::new(seed << 1);
            while Instant::now() < end {
                thread::sleep(Duration::from_micros(rng.below(30_000) as u64));
                fine("roll", store.roll().err());
                say("rolled");
            }
        });
        s.spawn(move || {
            let mut rng = Rng::new(seed << 2);
            while Instant::now() < end {
                thread::sleep(Duration::from_micros(rng.below(60_000) as u64));
                match store.compact(&CompactOptions::new(), |_| say("compacted")) {
                    Err(e) if e.kind() == ErrorKind::Busy => {}
                    other => fine("compact", other.err()),
                }
            }
        });
        s.spawn(move || {
            let reading = store.session(Session::new().actor(READER).purpose("round"));
            let keeps_acts = store.audit_rules().unwrap().level > Level::Off;
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(3));
                fine("count", reading.count("*").err());
                say("shown");
                if keeps_acts {
                    // Each question is a record, and the next process opens them all.
                    thread::sleep(Duration::from_millis(40));
                    continue;
                }
                for query in ["said", "\"we said\"", "canary*", "sayd~1", "conversation.c1 -other", "r1b*"] {
                    fine("count words", reading.count(query).err());
                }
                let best = SearchOptions::new().order(Order::Relevance).snippets(true);
                fine("search words", reading.search("\"to each other\" c2", &best).err());
                fine("search", reading.search("*", &SearchOptions::new()).err());
                fine("walk", reading.search_each("kind:erased", Order::Oldest, |_| true).err());
            }
        });
    });
}

struct Worker<'a> {
    store: &'a Store,
    round: u64,
    next: AtomicU64,
    /// Some ids that were acknowledged.
    known: Mutex<Vec<String>>,
}

impl Worker<'_> {
    fn append(&self, rng: &mut Rng) {
        let n = if rng.chance(5) { 40 } else { 1 + rng.below(6) };
        let batch = self.next.fetch_add(1, Ordering::Relaxed);
        let texts: Vec<String> = (0..n)
            .map(|i| {
                let who = if rng.chance(50) {
                    format!("Stays{}", rng.below(5))
                } else {
                    format!("Goes{}", rng.below(8))
                };
                format!("r{}b{batch}i{i} {who} c{}", self.round, rng.below(6))
            })
            .collect();
        say(&format!("try\t{batch}\t{}", texts.join("|")));
        let records: Vec<_> = texts.iter().map(|t| rec(t).record()).collect();
        let outcomes = match self.store.append(&records) {
            Ok(outcomes) => outcomes,
            Err(e) => return fine("append", Some(e)),
        };
        let mut added = Vec::new();
        for (text, outcome) in texts.iter().zip(outcomes) {
            match outcome {
                Outcome::Added(_) => added.push(text.split(' ').next().unwrap_or_default()),
                Outcome::Rejected(e) if e.kind() == ErrorKind::Busy => {}
                other => panic!("{other:?}"),
            }
        }
        say(&format!("ack\t{batch}\t{}", added.join("|")));
        let mut known = self.known.lock();
        known.extend(added.first().map(|id| (*id).to_owned()));
        if known.len() > 20 {
            known.swap_remove(rng.below(20));
        }
    }

    fn erase(&self, rng: &mut Rng) {
        let (target, text) = match rng.below(10) {
            0..6 => {
                let who = format!("Goes{}", rng.below(8));
                (Target::Person(person(&who)), format!("person\t{who}"))
            }
            6 | 7 => {
                let name = format!("c{}", rng.below(6));
                (Target::Conversation(conversation(&name)), format!("conversation\t{name}"))
            }
            _ => {
                let mut known = self.known.lock();
                if known.is_empty() {
                    return;
                }
                let at = rng.below(known.len());
                let id = known.swap_remove(at);
                (Target::Record(record_id(&id)), format!("record\t{id}"))
            }
        };
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        let request = request(self.round, place);
        say(&format!("ask\t{place}\t{text}"));
        let options = EraseOptions {
            reason: Some("they asked".into()),
            request: Some(request),
            ..EraseOptions::default()
        };
        match self.store.erase(&target.selector(), &options) {
            Ok(_) => say(&format!("done\t{place}")),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Busy) => {
                say(&format!("none\t{place}"));
            }
            Err(e) => panic!("erase: {:?}: {e}", e.kind()),
        }
    }
}

/// Name of the request that a process made at `place` of its `round`.
pub fn request(round: u64, place: u64) -> RequestId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&round.to_be_bytes());
    id[8..].copy_from_slice(&place.to_be_bytes());
    RequestId(id)
}

/// An erasure may end a walk over hits; nothing else may fail.
fn fine(what: &str, e: Option<Error>) {
    if let Some(e) = e.filter(|e| e.kind() != ErrorKind::Revoked) {
        panic!("{what}: {:?}: {e}", e.kind());
    }
}

/// One write, which a pipe takes whole. Nobody works on for a tester who is gone.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}
