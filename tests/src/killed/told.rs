//! What the process said before it was killed, and what must therefore be so.

use std::collections::{BTreeMap, BTreeSet};

use escrowdb::store::{Deed, Level, Store};

use crate::crash::check::{Violation, done, takes, whole};
use crate::crash::ledger::Target;
use crate::crash::ledger::{Erasure, Ledger, Tried};
use crate::crash::world::{conversation, person, rec, record_id};
use crate::killed::work::{READER, request};

/// Records of the erased that are asked for again and again.
const GONE_MAX: usize = 150;

/// Everything that was said.
#[derive(Default)]
pub struct Told {
    ledger: Ledger,
    place: usize,
    /// Counts that were shown to the reader.
    shown: usize,
    /// Batches of the process that lives, by its number.
    batches: BTreeMap<u64, Vec<String>>,
    /// Words that must not open any more, oldest first.
    pub dead: Vec<String>,
    /// Figures.
    pub figures: Figures,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Processes that were killed.
    pub kills: usize,
    /// Of them, before the store was open.
    pub opening: usize,
    /// Of them, while an erasure ran.
    pub erasing: usize,
    /// Records acknowledged.
    pub records: usize,
    /// Erasures acknowledged.
    pub erasures: usize,
    /// Rolls that a caller asked for.
    pub rolls: usize,
    /// Steps of compactions.
    pub compactions: usize,
    /// Most acts that one store told of.
    pub acts: usize,
    /// Times the store was held against the ledger.
    pub checks: usize,
}

impl Told {
    /// A new store; the figures go on.
    pub fn with(figures: Figures) -> Self {
        Self { figures, ..Self::default() }
    }

    /// Takes the lines of a process that was killed in `round`.
    ///
    /// # Panics
    /// If a line makes no sense.
    pub fn hear(&mut self, round: u64, lines: &[String]) {
        self.batches.clear();
        self.figures.kills += 1;
        self.figures.opening += usize::from(!lines.iter().any(|l| l == "open"));
        let mut running = BTreeSet::new();
        for line in lines {
            self.place += 1;
            let words: Vec<&str> = line.split('\t').collect();
            let number = || words[1].parse::<u64>().unwrap();
            match words[0] {
                "open" => {}
                "shown" => self.shown += 1,
                "rolled" => self.figures.rolls += 1,
                "compacted" => self.figures.compactions += 1,
                "try" => self.tried(number(), words[2]),
                "ack" => self.acked(number(), words[2]),
                "ask" => {
                    running.insert(number());
                    self.asked(round, number(), words[2], words[3]);
                }
                "done" => {
                    running.remove(&number());
                    self.figures.erasures += 1;
                    self.erasure(round, number()).erased = Some(self.place);
                }
                "none" => {
                    running.remove(&number());
                    let request = request(round, number());
                    self.ledger.erasures.retain(|e| e.request != request);
                }
                _ => panic!("{line}"),
            }
        }
        self.figures.erasing += usize::from(!running.is_empty());
    }

    fn tried(&mut self, batch: u64, texts: &str) {
        let recs: Vec<_> = texts.split('|').map(rec).collect();
        let ids: Vec<String> = recs.iter().map(|r| r.id.clone()).collect();
        for rec in recs {
            let tried = Tried { rec: rec.clone(), tried: self.place, acked: None };
            self.ledger.records.insert(rec.id, tried);
        }
        self.ledger.batches.push(ids.clone());
        self.batches.insert(batch, ids);
    }

    /// Those that are not named were turned away.
    fn acked(&mut self, batch: u64, ids: &str) {
        let acked: BTreeSet<String> = ids.split('|').map(record_id).collect();
        let tried = self.batches.remove(&batch).unwrap();
        for id in &tried {
            if acked.contains(id) {
                self.figures.records += 1;
                self.ledger.records.get_mut(id).unwrap().acked = Some(self.place);
            } else {
                self.ledger.records.remove(id);
            }
        }
        let rest: Vec<String> = tried.iter().filter(|id| acked.contains(*id)).cloned().collect();
        *self.ledger.batches.iter_mut().find(|b| **b == tried).unwrap() = rest;
    }

    fn asked(&mut self, round: u64, place: u64, what: &str, name: &str) {
        let target = match what {
            "person" => Target::Person(person(name)),
            "conversation" => Target::Conversation(conversation(name)),
            _ => Target::Record(record_id(name)),
        };
        let request = request(round, place);
        self.ledger.erasures.push(Erasure {
            request,
            target,
            asked: self.place,
            accepted: None,
            erased: None,
        });
    }

    fn erasure(&mut self, round: u64, place: u64) -> &mut Erasure {
        let request = request(round, place);
        self.ledger.erasures.iter_mut().find(|e| e.request == request).unwrap()
    }

    /// Holds the store, which was just opened, against all that was said; then forgets what is
    /// settled: what was not acknowledged is there for good or will never be.
    ///
    /// # Errors
    /// A broken promise.
    pub fn check(&mut self, store: &Store) -> Result<(), Violation> {
        self.figures.checks += 1;
        whole(store, &self.ledger)?;
        self.acts(store)?;
        let done = done(store);
        self.place += 1;
        let place = self.place;
        self.ledger.erasures.retain(|e| done.contains(&e.request));
        for e in &mut self.ledger.erasures {
            e.erased.get_or_insert(place);
        }
        self.place += 1;
        self.ledger.batches.clear();
        let mut gone = Vec::new();
        let found = ids(store)?;
        let erasures = &self.ledger.erasures;
        let place = self.place;
        self.ledger.records.retain(|id, tried| {
            if found.contains(id) {
                if tried.acked.is_none() || erasures.iter().any(|e| takes(e, tried).is_none()) {
                    (tried.tried, tried.acked) = (place, Some(place));
                }
                return true;
            }
            let surely = erasures.iter().any(|e| takes(e, tried) == Some(true));
            if surely {
                gone.push((tried.tried, id.clone()));
            }
            surely
        });
        gone.sort();
        for (_, id) in gone.iter().take(gone.len().saturating_sub(GONE_MAX)) {
            if let Some(tried) = self.ledger.records.remove(id) {
                self.dead.push(tried.rec.word());
            }
        }
        self.place += 1;
        Ok(())
    }

    /// Whatever was shown in a store that keeps acts was told of before.
    fn acts(&mut self, store: &Store) -> Result<(), Violation> {
        let failed = |what: String| Violation { check: "S2", what };
        if store.audit_rules().map_err(|e| failed(e.to_string()))?.level < Level::All {
            return Ok(());
        }
        let acts = crate::crash::told::acts(store)?;
        let counts = acts.iter().filter(|act| {
            act.actor_name.as_deref() == Some(READER)
                && act.act.as_ref().and_then(|act| act.deed) == Some(Deed::Count)
        });
        let told = counts.count();
        self.figures.acts = self.figures.acts.max(told);
        if told < self.shown {
            return Err(failed(format!("{told} acts tell of {} counts", self.shown)));
        }
        Ok(())
    }

    /// Words of everything that was surely erased and looked for lately.
    pub fn dead_words(&self) -> Vec<String> {
        let gone = |t: &&Tried| self.ledger.erasures.iter().any(|e| takes(e, t) == Some(true));
        let mut words: Vec<String> =
            self.ledger.records.values().filter(gone).map(|t| t.rec.word()).collect();
        words.extend(self.dead.iter().rev().take(GONE_MAX).cloned());
        words
    }

    /// Words of some that live, which a search must find.
    pub fn living_words(&self) -> Vec<String> {
        let lives = |t: &&Tried| self.ledger.erasures.iter().all(|e| takes(e, t) == Some(false));
        self.ledger.records.values().filter(lives).take(50).map(|t| t.rec.word()).collect()
    }
}

fn ids(store: &Store) -> Result<BTreeSet<String>, Violation> {
    let mut found = BTreeSet::new();
    let reading = store.session(escrowdb::session::Session::new());
    let walk = reading.search_each("*", escrowdb::store::Order::Oldest, |hit| found.insert(hit.id));
    walk.map_err(|e| Violation { check: "S2", what: e.to_string() })?;
    Ok(found)
}
