//! A workload on a recorded disk: it does things to a store and notes what was promised.

use std::sync::Arc;

use escrowdb::crypto::Entropy;
use escrowdb::id::{Micros, RequestId};
use escrowdb::merkle::cosign::Cosigner;
use escrowdb::session::Session;
use escrowdb::store::{Certificate, CompactOptions, EraseOptions, Level, Outcome, Store};
use escrowdb::vfs::Vfs;
use escrowdb::{ErrorKind, Result};

use crate::clock::ManualClock;
use crate::crash::ledger::{Fact, Facts, Ledger, Rec, Target};
use crate::crash::told::AUDITOR;
use crate::entropy::SeededEntropy;
use crate::recording_vfs::RecordingVfs;

/// Folder of the store.
pub const DIR: &str = "/store";
/// Its slot.
pub const SLOT: &str = "/store.slot";

/// How a store of a workload is opened.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Records after which a journal is rolled.
    pub roll_records: u32,
    /// Bytes of new indexes in one pass.
    pub pass_bytes: u64,
    /// Whether rolls run on a thread.
    pub background: bool,
    /// Seed of all randomness.
    pub seed: u64,
    /// What is recorded of what is done with the store, from the beginning on.
    pub audit: Level,
    /// Days that have gone since the beginning, as the clock has it.
    pub days: i64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            roll_records: 4,
            pass_bytes: 256 << 20,
            background: false,
            seed: 1,
            audit: Level::Off,
            days: 0,
        }
    }
}

impl Setup {
    /// A builder on `disk`; `salt` tells this opening's randomness from others'.
    pub fn builder(&self, disk: Arc<dyn Vfs>, salt: u64) -> escrowdb::store::Builder {
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(self.seed ^ salt.rotate_left(17)));
        let clock = ManualClock::default();
        clock.advance(self.days * Micros::DAY);
        Store::builder(DIR)
            .vfs(disk)
            .entropy(entropy)
            .clock(Arc::new(clock))
            .roll_records(self.roll_records)
            .pass_bytes(self.pass_bytes)
            .close_roll_records(2)
            .background(self.background)
    }
}

/// A store on a recorded disk, and what it promised.
pub struct World {
    /// The disk.
    pub disk: RecordingVfs,
    /// The store.
    pub store: Store,
    /// What was promised.
    pub facts: Facts,
    /// How the store is opened.
    pub setup: Setup,
}

/// `"x0 X"`, `"x0 X c2"`, `"x0 X c2 by A"`: id, subject, conversation, author. Each becomes a text
/// that is long enough to be hunted for.
pub fn rec(text: &str) -> Rec {
    let mut words = text.split(' ');
    let id = record_id(words.next().expect("an id"));
    let subject = person(words.next().unwrap_or("Y"));
    let conversation = conversation(words.next().unwrap_or("c1"));
    let author = words.nth(1).map_or_else(|| subject.clone(), person);
    Rec { id, author, subject, conversation }
}

/// A person's identifier.
pub fn person(short: &str) -> String {
    format!("{short}@canary.example")
}

/// A conversation's name.
pub fn conversation(short: &str) -> String {
    format!("conversation-{short}")
}

/// A record's id.
pub fn record_id(short: &str) -> String {
    format!("id-of-{short}.")
}

/// A request named by one letter.
pub const fn request(name: u8) -> RequestId {
    RequestId([name; 16])
}

impl World {
    /// A new store on a new disk.
    pub fn create(setup: Setup) -> Self {
        let disk = RecordingVfs::new();
        let builder = setup.builder(Arc::new(disk.clone()), 0).audit(setup.audit);
        let store = builder.create().expect("create");
        Self { disk, store, facts: Facts::default(), setup }
    }

    /// Goes on with a store on `disk`.
    pub fn open(disk: RecordingVfs, facts: Facts, setup: Setup, salt: u64) -> Result<Self> {
        let store = setup.builder(Arc::new(disk.clone()), salt).open()?;
        Ok(Self { disk, store, facts, setup })
    }

    /// Appends one batch; see [`rec`]. Busy is no failure.
    pub fn append(&self, texts: &[&str]) {
        self.try_append(texts).expect("append");
    }

    /// The same; the error is the caller's.
    pub fn try_append(&self, texts: &[&str]) -> Result<()> {
        let recs: Vec<Rec> = texts.iter().map(|t| rec(t)).collect();
        let records: Vec<_> = recs.iter().map(Rec::record).collect();
        self.facts.note(&self.disk, Fact::Tried(recs.clone()));
        let outcomes = self.store.append(&records)?;
        let acked = recs.iter().zip(outcomes).filter_map(|(rec, outcome)| match outcome {
            Outcome::Added(_) | Outcome::Quarantined(_) | Outcome::Duplicate(_) => Some(rec.id.clone()),
            Outcome::Rejected(e) => {
                assert_eq!(e.kind(), ErrorKind::Busy, "{e}");
                None
            }
        });
        let acked: Vec<String> = acked.collect();
        if !acked.is_empty() {
            self.facts.note(&self.disk, Fact::Acked(acked));
        }
        for rec in &recs {
            let from = self.facts.note(&self.disk, Fact::Looking);
            if let Ok(person) = self.store.session(Session::new()).person(&rec.subject) {
                self.facts.note(&self.disk, Fact::Number(rec.subject.clone(), person.number.0, from));
            }
        }
        Ok(())
    }

    /// One batch for each text.
    pub fn append_each(&self, texts: &[&str]) {
        texts.iter().for_each(|t| self.append(&[t]));
    }

    /// Erases.
    pub fn erase(&self, name: u8, target: Target) -> Result<Certificate> {
        self.facts.note(&self.disk, Fact::Asked(request(name), target.clone()));
        let options = EraseOptions {
            reason: Some("they asked".into()),
            request: Some(request(name)),
            ..EraseOptions::default()
        };
        let certificate = self.store.erase(&target.selector(), &options)?;
        self.facts.note(&self.disk, Fact::Erased(request(name)));
        Ok(certificate)
    }

    /// Erases a person.
    pub fn erase_person(&self, name: u8, short: &str) -> Certificate {
        self.erase(name, Target::Person(person(short))).expect("erase")
    }

    /// Erases a conversation.
    pub fn erase_conversation(&self, name: u8, short: &str) -> Result<Certificate> {
        self.erase(name, Target::Conversation(conversation(short)))
    }

    /// Erases a record.
    pub fn erase_record(&self, name: u8, short: &str) -> Result<Certificate> {
        self.erase(name, Target::Record(record_id(short)))
    }

    /// Compacts as much as can be. Giving way to an erasure is no failure. Answers how many steps
    /// were published.
    pub fn compact(&self) -> u64 {
        match self.try_compact() {
            Err(e) if e.kind() == ErrorKind::Busy => 0,
            other => other.expect("compact"),
        }
    }

    /// The same; the error is the caller's.
    pub fn try_compact(&self) -> Result<u64> {
        Ok(self.store.compact(&CompactOptions::new(), |_| ())?.steps)
    }

    /// Looks for the word of a record, or for nothing that any record has, as an auditor with a purpose.
    pub fn look(&self, purpose: &str, short: Option<&str>) {
        let about = short.map(|short| rec(short).id);
        let query = short.map_or_else(|| "kind:import".into(), |short| format!("\"{}\"", rec(short).word()));
        self.facts.note(&self.disk, Fact::Look(purpose.to_owned(), about));
        let session = Session::new().actor(AUDITOR).purpose(purpose);
        self.store.session(session).count(&query).expect("look");
        self.facts.note(&self.disk, Fact::Told(purpose.to_owned()));
    }

    /// Signs a head of the log and keeps it with a witness's word.
    pub fn sign(&self) {
        let head = self.store.checkpoint().expect("sign");
        self.facts.note(&self.disk, Fact::Signed(head.clone()));
        let witness = Cosigner::new("w.example", &[1; 32]).expect("a witness");
        let line = witness.cosign(&head, 1_800_000_000).expect("cosign");
        self.store.keep_cosigned(&head.with(&[line]).expect("with its line")).expect("keep");
        self.facts.note(&self.disk, Fact::Kept);
    }

    /// Changes the log's key.
    pub fn rotate(&self) {
        self.facts.note(&self.disk, Fact::Rotate);
        self.store.rotate_log_key().expect("change the key");
        self.facts.note(&self.disk, Fact::Rotated);
    }

    /// Closes the store and opens it so many days later.
    pub fn later(mut self, days: i64) -> Self {
        self.setup.days += days;
        let salt = 1000 + self.setup.days as u64;
        self.reopen(salt)
    }

    /// What has been promised so far.
    pub fn ledger(&self, sequential: bool) -> Ledger {
        let ops = self.disk.log();
        self.facts.at(&ops, ops.len(), sequential)
    }

    /// Closes the store cleanly and opens it again.
    pub fn reopen(self, salt: u64) -> Self {
        self.store.close().expect("close");
        Self::open(self.disk, self.facts, self.setup, salt).expect("reopen")
    }
}
