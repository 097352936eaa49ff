//! Who has not consented to a purpose. Whoever reads for one that needs consent asks at every question, so it is kept,
//! and what came since is added: people of new records, and what somebody said.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};

use crate::error::Result;
use crate::id::{FileId, Micros, PersonNumber, Seq};
use crate::index::{Field, LiveIndex, Part};
use crate::text;
use crate::view::View;
use crate::view::everybody::{Everybody, Stands};

/// By purpose, since the last erasure, and since a notice or a purpose changed.
#[derive(Default)]
pub(super) struct Lacking(HashMap<String, Found>);

/// What is known of one purpose.
struct Found {
    /// Subjects of records.
    people: HashSet<PersonNumber>,
    /// Those who have not consented, or not any more.
    without: BTreeSet<PersonNumber>,
    /// Who said something since.
    changed: Vec<PersonNumber>,
    /// Index files that were looked at.
    files: Vec<FileId>,
    /// Unrolled records were looked at up to here, this one left out.
    next: Seq,
    /// From when on this holds, and until when: then somebody's consent ends.
    valid: (Micros, Micros),
}

/// A clock that is set back by less than this ends nothing anew.
const HOUR: i64 = Micros::DAY / 24;

impl Lacking {
    /// Notes that somebody said something.
    pub(super) fn note(&mut self, person: PersonNumber) {
        self.0.values_mut().for_each(|found| found.changed.push(person));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl View {
    /// Subjects of records who have not consented to a purpose, or not any more, ascending.
    ///
    /// # Errors
    /// Unreadable files.
    pub fn without_consent(&self, purpose: &str, now: Micros) -> Result<Vec<PersonNumber>> {
        let mut lacking = self.lacking.lock();
        let valid = |found: &Found| (found.valid.0..found.valid.1).contains(&now);
        let mut found = match lacking.0.remove(purpose).filter(valid) {
            Some(found) => found,
            None => Found {
                people: HashSet::new(),
                without: BTreeSet::new(),
                changed: Vec::new(),
                files: Vec::new(),
                next: Seq(0),
                valid: (Micros(now.0.saturating_sub(HOUR)), Micros::MAX),
            },
        };
        for turn in self.rules.notices.turns() {
            // Another text may ask for another consent from then on.
            if turn > now {
                found.valid.1 = found.valid.1.min(turn);
            } else {
                found.valid.0 = found.valid.0.max(turn);
            }
        }
        // What fails half-way is looked at anew.
        self.look_at_subjects(&mut found)?;
        let changed = std::mem::take(&mut found.changed);
        // Most are asked about the first time: then they are found together. What can't be read tells who asks for each,
        // if it is about any of them.
        let is_most = !changed.is_empty() && changed.len() * 4 >= found.people.len();
        let everybody = if is_most { self.everybody(purpose).ok() } else { None };
        for person in changed {
            let until = match self.stands(everybody.as_ref(), person, purpose)? {
                Stands::Nobody => continue,
                Stands::Silent => Micros::MIN,
                Stands::Until(until) => until,
            };
            let holds = now < until;
            if holds {
                found.valid.1 = found.valid.1.min(until);
            } else {
                // A clock that is put right may say that it holds still.
                found.valid.0 = found.valid.0.max(until);
            }
            if holds || !found.people.contains(&person) {
                found.without.remove(&person);
            } else {
                found.without.insert(person);
            }
        }
        let without = found.without.iter().copied().collect();
        lacking.0.insert(purpose.to_owned(), found);
        Ok(without)
    }

    fn stands(&self, everybody: Option<&Everybody>, person: PersonNumber, purpose: &str) -> Result<Stands> {
        if let Some(stands) = everybody.and_then(|everybody| everybody.get(person)) {
            return Ok(stands);
        }
        Ok(match self.consents_until(person, purpose)? {
            Some(until) => Stands::Until(until),
            None if self.handle(person)?.is_none() => Stands::Nobody,
            None => Stands::Silent,
        })
    }

    /// Whoever is a subject of records that came since the last look is one of whom it is asked.
    fn look_at_subjects(&self, found: &mut Found) -> Result<()> {
        let mut came = |number: PersonNumber| {
            if number != PersonNumber::STORE && found.people.insert(number) {
                found.changed.push(number);
            }
        };
        for segment in self.segments.iter().filter(|segment| !found.files.contains(&segment.entry.index)) {
            for (value, _) in segment.part.terms(Field::Subject)? {
                if let Ok(bytes) = <[u8; 8]>::try_from(value.as_slice()) {
                    came(PersonNumber(u64::from_be_bytes(bytes)));
                }
            }
        }
        found.files.clear();
        found.files.extend(self.segments.iter().map(|segment| segment.entry.index));
        let unrolled = || self.frozen.iter().map(|frozen| &**frozen).chain([&self.live]);
        for live in unrolled() {
            live.from_seq(found.next).for_each(|doc| doc.subjects.iter().copied().for_each(&mut came));
        }
        let last = unrolled().filter_map(LiveIndex::seq_span).map(|(_, last)| Seq(last.0 + 1)).max();
        found.next = last.map_or(found.next, |next| next.max(found.next));
        Ok(())
    }

    /// Somebody who is named by an identifier said something.
    pub(super) fn note_said(&mut self, identifier: &str) {
        use crate::index::People as _;
        match self.number(&text::nfc(identifier)) {
            Ok(Some(person)) => match self.linked(person) {
                Ok(linked) => linked.into_iter().for_each(|one| self.lacking.get_mut().note(one)),
                Err(_) => self.lacking.get_mut().clear(),
            },
            // Who that is can't be told: everybody is asked about again.
            _ => self.lacking.get_mut().clear(),
        }
    }
}
