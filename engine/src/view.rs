//! What a reader sees: the rolled segments, the frozen and the live index, who is who, and what
//! is being erased. Queries run under a read lock on it, so they see one moment.

use std::fmt;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use zeroize::Zeroize;

use crate::error::Result;
use crate::id::{PersonNumber, SegmentId, Seq};
use crate::index::filter::{IdFilter, Probe};
use crate::index::tier;
use crate::index::{Batch, Entry, Held, IdHash, LiveIndex, Mask, Part, People, Segment};
use crate::keyring::Tree;
use crate::keyring::catalog::{self, Tagger};
use crate::keyring::entry::Segment as SegmentEntry;
use crate::record::{Kind, PersonFields, Stored};
use crate::register::Registers;

mod ended;
pub(crate) mod everybody;
mod lacking;
mod named;
mod rules;
mod said;

use lacking::Lacking;
use said::Said;

pub(crate) mod overlays;

use overlays::Overlays;
pub use overlays::Shown;

/// Names kept decoded at most.
const NAMES_MAX: usize = 100_000;

/// A rolled segment and its entry in the key tree.
#[derive(Clone)]
pub struct Rolled {
    /// Its number.
    pub id: SegmentId,
    /// Its entry.
    pub entry: Arc<SegmentEntry>,
    /// Its index and bodies.
    pub part: Arc<Segment>,
}

/// A segment that the key tree names and that can't be read: its index is lost beyond rescue. What
/// it holds is missing in every answer, until its file is put back or it is given up.
#[derive(Clone)]
pub struct Missing {
    /// Its number.
    pub id: SegmentId,
    /// Its entry.
    pub entry: Arc<SegmentEntry>,
    /// What is wrong, by the file's name.
    pub why: String,
}

/// In words, for people.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SegmentEntry { docs, min_seq, max_seq, .. } = &*self.entry;
        // The cause may have been named by the segment already.
        let own = format!("segment {}: ", self.id);
        let why = self.why.strip_prefix(&own).unwrap_or(&self.why);
        write!(f, "{own}{why}; {docs} records between positions {min_seq} and {max_seq} can't be read")
    }
}

/// What a reader sees.
pub struct View {
    /// One more at every erasure: an iterator that began under another one is revoked.
    pub generation: u64,
    /// The key tree as of the last commit.
    pub tree: Tree,
    /// Rolled segments.
    pub segments: Vec<Rolled>,
    /// Segments that can't be read.
    pub missing: Vec<Missing>,
    /// The live index of the journal that is being rolled.
    pub frozen: Option<Arc<LiveIndex>>,
    /// The live index of the journal that is written.
    pub live: LiveIndex,
    /// What is being erased. [`View::set_mask`] changes it.
    pub mask: Mask,
    /// How often it was changed.
    pub masks: u64,
    /// Keys of the names of people who are being erased: until the answer these names belong to
    /// nobody else, though the tree may not know them any more.
    pub leaving: Vec<Vec<u8>>,
    rules: Arc<Registers>,
    said: Mutex<Said>,
    lacking: Mutex<Lacking>,
    ended: Mutex<ended::Found>,
    born: HashMap<String, PersonNumber>,
    born_names: HashMap<PersonNumber, Vec<String>>,
    names: Mutex<Names>,
    overlays: Overlays,
    tagger: Tagger,
}

#[derive(Default)]
struct Names {
    numbers: HashMap<String, PersonNumber>,
    identifiers: HashMap<PersonNumber, String>,
    /// People who were found to be known. Only an erasure ends that, and it clears this.
    known: HashSet<PersonNumber>,
}

impl Names {
    /// Wipes the names.
    fn forget(&mut self) {
        self.numbers.drain().for_each(|(mut name, _)| name.zeroize());
        self.identifiers.drain().for_each(|(_, mut name)| name.zeroize());
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The rolled segments, newest first, by the filter that stands before them.
pub struct Gates<'a>(Vec<(Option<&'a Arc<IdFilter>>, Vec<&'a Segment>)>);

impl<'a> Gates<'a> {
    /// Whether any rolled segment may hold the record; never wrong when it says no. It takes no
    /// branch, so that of many records asked one behind the other the processor fetches the cache
    /// lines of the next ones while it waits for those of the first.
    pub fn may_hold(&self, probe: &Probe) -> bool {
        self.0.iter().fold(false, |any, (tier, segments)| {
            any | match tier {
                Some(tier) => tier.may_hold(probe),
                None => segments.iter().fold(false, |any, segment| any | segment.may_hold(probe)),
            }
        })
    }
}

/// Where a record stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The part that holds it.
    pub part: &'a dyn Part,
    /// Its document number there.
    pub doc: u32,
}

impl View {
    /// A view of these segments with an empty live index.
    pub fn new(tree: Tree, segments: Vec<Rolled>, tagger: Tagger) -> Self {
        let live = LiveIndex::new(tree.head().has_words());
        Self {
            generation: 0,
            tree,
            segments,
            missing: Vec::new(),
            frozen: None,
            live,
            mask: Mask::default(),
            masks: 0,
            leaving: Vec::new(),
            rules: Arc::default(),
            said: Mutex::default(),
            lacking: Mutex::default(),
            ended: Mutex::default(),
            born: HashMap::new(),
            born_names: HashMap::new(),
            names: Mutex::default(),
            overlays: Overlays::default(),
            tagger,
        }
    }

    /// Puts an empty live index in the place of the one that stands there, which it answers. It has
    /// words if the store's indexes may have them.
    pub fn take_live(&mut self) -> LiveIndex {
        std::mem::replace(&mut self.live, LiveIndex::new(self.tree.head().has_words()))
    }

    /// Every part, oldest segment first.
    pub fn parts(&self) -> Vec<&dyn Part> {
        let rolled = self.segments.iter().map(|s| &*s.part as &dyn Part);
        let frozen = self.frozen.iter().map(|f| &**f as &dyn Part);
        rolled.chain(frozen).chain([&self.live as &dyn Part]).collect()
    }

    /// Records that stand only in journals.
    pub fn journal_len(&self) -> u64 {
        u64::from(self.live.doc_count()) + self.frozen.as_ref().map_or(0, |f| u64::from(f.doc_count()))
    }

    /// The record with this identity, masked or not.
    pub fn find(&self, conversation: &str, id: &str) -> Result<Option<(Place<'_>, Seq, Stored)>> {
        self.find_hashed(&self.gates(), conversation, id, IdHash::of(id, conversation))
    }

    /// What [`Self::find_hashed`] asks first: made once for many records.
    pub fn gates(&self) -> Gates<'_> {
        let mut gates: Vec<(Option<&Arc<IdFilter>>, Vec<&Segment>)> = Vec::new();
        for segment in self.segments.iter().rev().map(|s| &*s.part) {
            match (gates.last_mut(), segment.tier()) {
                (Some((Some(last), behind)), Some(tier)) if Arc::ptr_eq(last, tier) => behind.push(segment),
                (_, tier) => gates.push((tier, vec![segment])),
            }
        }
        Gates(gates)
    }

    /// The same for an identity that was hashed before.
    pub fn find_hashed<'v>(
        &'v self,
        gates: &Gates<'v>,
        conversation: &str,
        id: &str,
        identity: IdHash,
    ) -> Result<Option<(Place<'v>, Seq, Stored)>> {
        match self.find_unrolled(conversation, id, identity)? {
            None => self.find_rolled(gates, conversation, id, identity),
            found => Ok(found),
        }
    }

    /// The same among records that stand in journals.
    pub fn find_unrolled(
        &self,
        conversation: &str,
        id: &str,
        identity: IdHash,
    ) -> Result<Option<(Place<'_>, Seq, Stored)>> {
        for live in [&self.live].into_iter().chain(self.frozen.as_deref()) {
            if let Some(found) = identical(live, &live.with_identity(identity), conversation, id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The same among rolled records.
    pub fn find_rolled<'v>(
        &'v self,
        gates: &Gates<'v>,
        conversation: &str,
        id: &str,
        identity: IdHash,
    ) -> Result<Option<(Place<'v>, Seq, Stored)>> {
        let probe = identity.probe();
        for (tier, segments) in &gates.0 {
            if tier.is_some_and(|tier| !tier.may_hold(&probe)) {
                continue;
            }
            for segment in segments.iter().copied().filter(|segment| segment.may_hold(&probe)) {
                let found = identical(segment, &segment.with_identity(identity)?, conversation, id)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// The oldest segments that belong to no tier yet, if they are enough for one.
    pub fn without_tier(&self) -> Option<Vec<Arc<Segment>>> {
        let open = || self.segments.iter().filter(|s| !s.part.has_tier());
        (open().count() >= tier::TIER).then(|| open().take(tier::TIER).map(|s| Arc::clone(&s.part)).collect())
    }

    /// Whether a record is being erased.
    pub fn hides(&self, stored: &Stored, seq: Seq) -> bool {
        self.mask.records.contains(&seq)
            || self.mask.conversations.contains(&stored.conversation)
            || stored.subjects.iter().any(|s| self.mask.hides(*s))
    }

    /// Whether a name is that of somebody who is being erased.
    pub fn is_leaving(&self, identifier: &str) -> bool {
        !self.leaving.is_empty() && self.leaving.contains(&self.tagger.name_key(identifier))
    }

    /// From here on this is what is being erased.
    pub fn set_mask(&mut self, mask: Mask) {
        self.mask = mask;
        self.masks += 1;
    }

    /// Notes the names of the people in the mask as leaving.
    pub fn note_leaving(&mut self) -> Result<()> {
        for number in self.mask.persons.clone() {
            for identifier in self.identifiers(number)? {
                let key = self.tagger.name_key(&identifier);
                if !self.leaving.contains(&key) {
                    self.leaving.push(key);
                }
            }
        }
        Ok(())
    }

    /// The number of a person, of which nothing is remembered: for names that may be on their way out.
    pub fn number_of(&self, identifier: &str) -> Result<Option<PersonNumber>> {
        match self.born.get(identifier) {
            Some(number) => Ok(Some(*number)),
            None => catalog::number(&self.tree, &self.tagger, identifier),
        }
    }

    /// Identifiers of a person, in the order they were learned; empty if unknown.
    pub fn identifiers(&self, person: PersonNumber) -> Result<Vec<String>> {
        if let Some(names) = self.born_names.get(&person) {
            return Ok(names.clone());
        }
        catalog::identifiers(&self.tree, person)
    }

    /// Whether a person has keys in the tree, or stands in a journal.
    pub fn knows(&self, person: PersonNumber) -> Result<bool> {
        Ok(person == PersonNumber::STORE
            || self.born_names.contains_key(&person)
            || catalog::has_person(&self.tree, person)?)
    }

    /// Notes the people born in records of kind `person`.
    pub fn add_born(&mut self, stored: &Stored) {
        if stored.kind == Kind::Person
            && stored.place().is_none()
            && let Some(person) = &stored.person
        {
            self.note_born(person);
        }
    }

    fn note_born(&mut self, person: &PersonFields) {
        for identifier in &person.identifiers {
            self.born.insert(identifier.clone(), person.number);
        }
        self.born_names.insert(person.number, person.identifiers.clone());
    }

    /// Forgets that these people stand in a journal (they have keys now, or are erased).
    pub fn remove_born(&mut self, gone: impl Fn(PersonNumber) -> bool) {
        self.born.extract_if(|_, number| gone(*number)).for_each(|(mut name, _)| name.zeroize());
        let left = self.born_names.extract_if(|number, _| gone(*number));
        left.for_each(|(_, mut names)| names.zeroize());
    }

    /// Whether a person stands in journals only.
    pub fn is_born(&self, person: PersonNumber) -> bool {
        self.born_names.contains_key(&person)
    }

    /// Computes keyed tags of names.
    pub const fn tagger(&self) -> &Tagger {
        &self.tagger
    }

    /// Adds a record to the live index. It is found from now on.
    pub fn add_live(&mut self, entry: Entry) -> Result<()> {
        let author_known = self.is_known_author(entry.stored.author)?;
        self.live.add_entry(entry, author_known)?;
        Ok(())
    }

    /// Adds the records of a frame to the live index. They are found from now on.
    pub fn add_batch(&mut self, batch: Batch<'_>) -> Result<()> {
        let Batch { payload, entries } = batch;
        let bytes = self.live.hold(payload)?;
        for entry in &entries {
            let stored = entry.record();
            // One with a place stands for an older one: she is known.
            if stored.kind == Kind::Person
                && stored.place().is_none()
                && let Some(person) = stored.person
            {
                self.note_born(person);
            }
            if stored.kind.is_register() {
                self.apply_rule(&stored, entry.seq)?;
            }
            let author_known = self.is_known_author(stored.author)?;
            let held = Held { bytes, ..entry.held };
            self.live.add_held(held, entry.seq, &stored, entry.identity, author_known)?;
        }
        Ok(())
    }

    fn is_known_author(&mut self, author: PersonNumber) -> Result<bool> {
        if self.names.get_mut().known.contains(&author) {
            return Ok(true);
        }
        let known = self.knows(author)?;
        if known {
            let known = &mut self.names.get_mut().known;
            if known.len() >= NAMES_MAX {
                known.clear();
            }
            known.insert(author);
        }
        Ok(known)
    }

    /// Forgets, and thereby wipes, which terms were looked up last, and lists made of them.
    pub fn forget_terms(&self) {
        self.segments.iter().for_each(|segment| segment.part.forget_terms());
    }

    /// Drops what was found out over all parts.
    pub fn forget_found(&self) {
        *self.names.lock() = Names::default();
        *self.said.lock() = Said::default();
        self.lacking.lock().clear();
        *self.ended.lock() = ended::Found::default();
    }

    /// Drops whatever was decoded for speed.
    pub fn clear_caches(&self) {
        self.forget_found();
        for segment in &self.segments {
            segment.part.clear();
        }
    }
}

/// The names of people who stand in journals only; decoded ones wipe themselves.
impl Drop for View {
    fn drop(&mut self) {
        self.remove_born(|_| true);
    }
}

/// The first of `docs` that has this identity: documents are found by hash, the record decides.
fn identical<'a>(
    part: &'a dyn Part,
    docs: &[u32],
    conversation: &str,
    id: &str,
) -> Result<Option<(Place<'a>, Seq, Stored)>> {
    for doc in docs.iter().copied() {
        let stored = part.record(doc)?;
        if stored.id == id && stored.conversation == conversation {
            return Ok(Some((Place { part, doc }, part.key(doc)?.seq, stored)));
        }
    }
    Ok(None)
}

impl People for View {
    fn number(&self, identifier: &str) -> Result<Option<PersonNumber>> {
        if let Some(number) = self.names.lock().numbers.get(identifier) {
            return Ok(Some(*number));
        }
        let found = self.number_of(identifier)?;
        if let Some(number) = found {
            let mut names = self.names.lock();
            if names.numbers.len() >= NAMES_MAX {
                names.forget();
            }
            names.numbers.insert(identifier.to_owned(), number);
        }
        Ok(found)
    }

    fn name(&self, number: PersonNumber) -> Result<Option<String>> {
        if let Some(known) = self.names.lock().identifiers.get(&number) {
            return Ok(Some(known.clone()));
        }
        let name = self.identifiers(number)?.into_iter().next();
        let mut names = self.names.lock();
        if names.identifiers.len() >= NAMES_MAX {
            names.forget();
        }
        // A number that is unknown now may become known only with another number, but a person
        // who stands in a frame that is being written is not known yet: cache what is known.
        if let Some(name) = &name {
            names.identifiers.insert(number, name.clone());
        }
        Ok(name)
    }
}
