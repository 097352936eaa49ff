//! What was asked of a store and what it promised, so that any later state can be held against it.
//!
//! Every fact goes into the log of the recorded disk as a remark, at its place among the writes.
//! [`Facts::at`] is what had been promised before a crash point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use escrowdb::id::{Micros, RequestId};
use escrowdb::store::{Record, Selector, SignedCheckpoint};
use parking_lot::Mutex;

use crate::crash::told::{Look, Signed};
use crate::recording_vfs::{Op, RecordingVfs};

/// A record of a workload. Its text, its tag and its id are made of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rec {
    /// Its id, unique in the workload.
    pub id: String,
    /// Its author.
    pub author: String,
    /// Whose record it is.
    pub subject: String,
    /// Its conversation.
    pub conversation: String,
}

/// What an erasure takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A person.
    Person(String),
    /// A conversation.
    Conversation(String),
    /// A record.
    Record(String),
}

/// Something that was asked or promised.
#[derive(Clone, Debug)]
pub enum Fact {
    /// These records were given to one append.
    Tried(Vec<Rec>),
    /// These were acknowledged.
    Acked(Vec<String>),
    /// Somebody begins to look a person up.
    Looking,
    /// A person has this number; the place of its [`Fact::Looking`] among the facts.
    Number(String, u64, usize),
    /// An erasure was asked for.
    Asked(RequestId, Target),
    /// It was acknowledged.
    Erased(RequestId),
    /// Somebody looks for this purpose, at a record or at none.
    Look(String, Option<String>),
    /// What the look with this purpose found was shown.
    Told(String),
    /// A head was signed.
    Signed(SignedCheckpoint),
    /// The last head is kept with a witness's word.
    Kept,
    /// The log's key is to be changed.
    Rotate,
    /// It was changed.
    Rotated,
}

/// All facts of a workload, in order.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Vec<Fact>>>);

/// The promises that hold at some point.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every record that was tried: when it was tried and acknowledged, as places in the log.
    pub records: BTreeMap<String, Tried>,
    /// Batches, each there whole or not at all.
    pub batches: Vec<Vec<String>>,
    /// Every number that was seen, with whose it was and when. What was seen while an erasure of
    /// the person ran tells nothing and is left out by [`Facts::at`].
    pub numbers: Vec<(String, u64, usize)>,
    /// Erasures.
    pub erasures: Vec<Erasure>,
    /// Whether the store was not opened again since an erasure failed: what a part of is gone is
    /// hidden until the erasure is completed.
    pub running: bool,
    /// Looks at a store that keeps acts.
    pub looks: Vec<Look>,
    /// Heads that were signed.
    pub signed: Vec<Signed>,
    /// Changes of the log's key: asked for, and acknowledged.
    pub rotations: [usize; 2],
    /// Damage that `verify` may report begins with this.
    pub damaged: Option<String>,
}

/// A record that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The record.
    pub rec: Rec,
    /// Place in the log where it was tried.
    pub tried: usize,
    /// Place in the log where it was acknowledged.
    pub acked: Option<usize>,
}

/// An erasure that was asked for.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Its name.
    pub request: RequestId,
    /// What it takes.
    pub target: Target,
    /// Place in the log where it was asked for.
    pub asked: usize,
    /// From here on it must not be lost; only known where nothing runs beside it.
    pub accepted: Option<usize>,
    /// Place in the log where it was acknowledged.
    pub erased: Option<usize>,
}

impl Rec {
    /// A word that stands in this record only.
    pub fn word(&self) -> String {
        format!("canary{}z", self.id)
    }

    /// As the store takes it.
    pub fn record(&self) -> Record {
        // Times out of order: a segment sorts its documents by time.
        let time = blake3::hash(self.id.as_bytes()).as_bytes()[0];
        let body = format!("In {} we said {} to each other.", self.conversation, self.word());
        Record::new(&self.conversation, &self.author, Micros(1_000_000 * i64::from(time)), body)
            .id(&self.id)
            .subject(&self.subject)
            .tag(format!("of:{}", self.id))
    }
}

impl Target {
    /// As the store takes it.
    pub fn selector(&self) -> Selector {
        match self {
            Self::Person(who) => Selector::Person(who.clone()),
            Self::Conversation(name) => Selector::Conversation(name.clone()),
            Self::Record(id) => Selector::Record { id: id.clone(), conversation: None },
        }
    }

    /// A selector of the same sort that names nothing.
    pub fn unknown(&self) -> Selector {
        let none = "nobody and nothing".to_owned();
        match self {
            Self::Person(_) => Selector::Person(none),
            Self::Conversation(_) => Selector::Conversation(none),
            Self::Record(_) => Selector::Record { id: none, conversation: None },
        }
    }

    /// Whether its name stands in a record or beside it.
    pub fn names(&self, rec: &Rec) -> bool {
        match self {
            Self::Person(who) => rec.subject == *who || rec.author == *who,
            other => other.takes(rec),
        }
    }

    /// Whether it takes a record.
    pub fn takes(&self, rec: &Rec) -> bool {
        match self {
            Self::Person(who) => rec.subject == *who,
            Self::Conversation(name) => rec.conversation == *name,
            Self::Record(id) => rec.id == *id,
        }
    }
}

impl Facts {
    /// Notes a fact, here and in the disk's log. Answers its place among the facts.
    pub fn note(&self, disk: &RecordingVfs, fact: Fact) -> usize {
        let mut all = self.0.lock();
        disk.mark(all.len().to_string());
        all.push(fact);
        all.len() - 1
    }

    /// The promises before operation `at` of the log. `sequential`: nothing ran beside an erasure.
    pub fn at(&self, ops: &[Op], at: usize, sequential: bool) -> Ledger {
        let all = self.0.lock();
        let mut ledger = Ledger::default();
        let heads: BTreeSet<usize> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Create { inode, path } if path.ends_with("HEAD") => Some(*inode),
                _ => None,
            })
            .collect();
        let mut looked = BTreeMap::new();
        let mut seen = Vec::new();
        for (place, op) in ops[..at].iter().enumerate() {
            match op {
                Op::Mark { label } => {
                    let Ok(index) = label.parse::<usize>() else { continue };
                    match &all[index] {
                        Fact::Looking => drop(looked.insert(index, place)),
                        Fact::Number(who, number, from) => {
                            seen.push((looked[from], (who.clone(), *number, place)));
                        }
                        fact => ledger.note(fact, place),
                    }
                }
                Op::Sync { inode } if sequential && heads.contains(inode) => {
                    // The first commit behind the asking is that of the request.
                    for e in ledger.erasures.iter_mut().filter(|e| e.accepted.is_none()) {
                        e.accepted = Some(place);
                    }
                }
                _ => {}
            }
        }
        let during = |e: &Erasure, who: &str, from: usize, to: usize| {
            e.target == Target::Person(who.to_owned()) && e.asked < to && e.erased.is_none_or(|d| from < d)
        };
        ledger.numbers = seen
            .into_iter()
            .filter(|(from, (who, _, to))| !ledger.erasures.iter().any(|e| during(e, who, *from, *to)))
            .map(|(_, number)| number)
            .collect();
        ledger
    }
}

impl Ledger {
    /// Adds a record that was acknowledged at `at`.
    pub fn promise(&mut self, rec: Rec, at: usize) {
        let tried = Tried { rec: rec.clone(), tried: at, acked: Some(at + 1) };
        self.records.insert(rec.id, tried);
    }

    /// Adds a record that was tried first of all and never acknowledged.
    pub fn note_dropped(&mut self, rec: Rec) {
        // Acknowledged or not is the same to the hunt; it only has to be older than any erasure.
        self.promise(rec, 0);
    }

    fn note(&mut self, fact: &Fact, place: usize) {
        match fact {
            Fact::Tried(recs) => {
                self.batches.push(recs.iter().map(|r| r.id.clone()).collect());
                for rec in recs {
                    let tried = Tried { rec: rec.clone(), tried: place, acked: None };
                    self.records.entry(rec.id.clone()).or_insert(tried);
                }
            }
            Fact::Acked(ids) => {
                for id in ids {
                    self.records.get_mut(id).expect("tried before").acked = Some(place);
                }
            }
            Fact::Looking | Fact::Number(..) => {}
            Fact::Asked(request, target) => self.erasures.push(Erasure {
                request: *request,
                target: target.clone(),
                asked: place,
                accepted: None,
                erased: None,
            }),
            Fact::Look(purpose, about) => {
                self.looks.push(Look { purpose: purpose.clone(), about: about.clone(), told: None });
            }
            Fact::Told(purpose) => {
                for look in self.looks.iter_mut().filter(|look| look.purpose == *purpose) {
                    look.told = Some(place);
                }
            }
            Fact::Signed(head) => self.signed.push(Signed { head: head.clone(), kept: false }),
            Fact::Kept => self.signed.iter_mut().for_each(|signed| signed.kept = true),
            Fact::Rotate => self.rotations[0] += 1,
            Fact::Rotated => self.rotations[1] += 1,
            Fact::Erased(request) => {
                for e in self.erasures.iter_mut().filter(|e| e.request == *request) {
                    e.erased = Some(place);
                }
            }
        }
    }
}
