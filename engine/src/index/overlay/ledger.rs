//! Which record speaks of which, by log position. Pure: it is told what records say and where what they
//! are about stands, and answers what follows for each.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use zeroize::Zeroize;

use crate::error::Result;
use crate::id::Seq;
use crate::index::filter::IdHash;
use crate::index::overlay::{Overlay, Standing};
use crate::index::part::{Field, Term};
use crate::record::{Kind, Stored};

/// How a record speaks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// It is a newer version of it.
    Edit,
    /// It takes it back.
    Delete,
    /// It gives it tags, or takes some.
    Tag,
}

impl Spoken {
    /// The kinds that say something which queries show.
    pub const KINDS: [Kind; 3] = [Kind::Edit, Kind::Delete, Kind::Tag];

    /// What a kind says.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Edit => Some(Self::Edit),
            Kind::Delete => Some(Self::Delete),
            Kind::Tag => Some(Self::Tag),
            _ => None,
        }
    }
}

/// Tags and channel of a record; of one of kind *tag* which tags come and which go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts {
    tags: Vec<String>,
    removed: Vec<String>,
    channel: String,
}

impl Texts {
    /// Those of a record.
    pub fn of(stored: &Stored) -> Self {
        let removed = if stored.kind == Kind::Tag { stored.removed_tags() } else { Vec::new() };
        Self { tags: stored.tags.clone(), removed, channel: stored.channel.clone() }
    }
}

/// They leave no copy behind.
impl Drop for Texts {
    fn drop(&mut self) {
        self.tags.zeroize();
        self.removed.zeroize();
        self.channel.zeroize();
    }
}

/// A record that speaks of another.
pub struct Event {
    spoken: Spoken,
    /// Which one, hashed.
    target: IdHash,
    texts: Texts,
    /// Where that stands, once it is there.
    parent: Option<Seq>,
    /// The record that all of it is about.
    root: Option<Seq>,
    /// Where it stood before a part of it was overwritten: what was said later stays later.
    place: Option<Seq>,
}

impl Event {
    /// One that speaks of the record with this identity.
    pub const fn new(spoken: Spoken, target: IdHash, texts: Texts) -> Self {
        Self { spoken, target, texts, parent: None, root: None, place: None }
    }

    /// The same, of a record that stood elsewhere before.
    #[must_use]
    pub const fn placed(mut self, place: Option<Seq>) -> Self {
        self.place = place;
        self
    }
}

/// A record of which others speak.
struct Family {
    /// Whether it is of a default kind.
    default: bool,
    texts: Texts,
    members: BTreeSet<Seq>,
}

/// How far somebody looked at what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    epoch: u64,
    touched: usize,
}

/// Which record speaks of which.
#[derive(Default)]
pub struct Ledger {
    events: BTreeMap<Seq, Event>,
    /// Events that name a record, by where that stands.
    heirs: HashMap<Seq, Vec<Seq>>,
    families: BTreeMap<Seq, Family>,
    /// Events of which the record they are about is not there.
    orphans: HashMap<IdHash, Vec<Seq>>,
    /// Events that came before the record that they are about, or speak of one that did.
    early: BTreeSet<Seq>,
    /// What is being erased, and is as if it were gone.
    absent: HashSet<Seq>,
    /// Families of which something changed, in order.
    touched: Vec<Seq>,
    epoch: u64,
}

/// A record that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Where it stands in the log.
    pub root: Seq,
    /// Where its deletions stand.
    pub deletions: Vec<Seq>,
    /// Where its edits, its deletions and its tags stand.
    pub family: Vec<Seq>,
}

impl Ledger {
    /// Whether nobody speaks of anything.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether a record was learned.
    pub fn knows(&self, event: Seq) -> bool {
        self.events.contains_key(&event)
    }

    /// The record that all of it is about which this one speaks of, if that is there.
    pub fn root_of(&self, event: Seq) -> Option<Seq> {
        self.events.get(&event).and_then(|event| event.root.or(event.parent))
    }

    /// Events of which nothing was known when they came of what they are about, each with that: they may be of
    /// other people, and of another class.
    pub fn early(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.early.iter().filter_map(|event| Some((*event, self.root_of(*event)?)))
    }

    /// The last that was learned.
    pub fn last(&self) -> Option<Seq> {
        self.events.last_key_value().map(|(seq, _)| *seq)
    }

    /// Learns that a record speaks of another. Where that stands is said by [`Self::settle`].
    pub fn learn(&mut self, seq: Seq, event: Event) {
        let target = event.target;
        if self.events.insert(seq, event).is_none() {
            self.orphans.entry(target).or_default().push(seq);
        }
    }

    /// Whether any event waits for what it is about.
    pub fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// What events wait for.
    pub fn orphans(&self) -> impl Iterator<Item = IdHash> {
        self.orphans.keys().copied()
    }

    /// Events that wait for a record with this identity.
    pub fn orphans_of(&self, identity: IdHash) -> Vec<Seq> {
        self.orphans.get(&identity).cloned().unwrap_or_default()
    }

    /// Whether an event waits for a record with this identity.
    pub fn waits_for(&self, identity: IdHash) -> bool {
        self.orphans.contains_key(&identity)
    }

    /// Says where the record stands that an event is about, and what it is.
    pub fn settle(&mut self, event: Seq, parent: Seq, stored: &Stored) {
        self.attach(event, parent, stored.kind.is_default(), || Texts::of(stored));
    }

    fn attach(&mut self, event: Seq, parent: Seq, default: bool, texts: impl FnOnce() -> Texts) {
        let Some(one) = self.events.get_mut(&event).filter(|one| one.parent.is_none()) else { return };
        one.parent = Some(parent);
        if let Some(waiting) = self.orphans.get_mut(&one.target) {
            waiting.retain(|seq| *seq != event);
            if waiting.is_empty() {
                self.orphans.remove(&one.target);
            }
        }
        self.heirs.entry(parent).or_default().push(event);
        let root = match self.events.get(&parent) {
            // What is said of an edit is said of what it is an edit of, if that is there.
            Some(edit) if edit.spoken == Spoken::Edit => edit.root,
            _ => {
                let family = || Family { default, texts: texts(), members: BTreeSet::new() };
                self.families.entry(parent).or_insert_with(family);
                Some(parent)
            }
        };
        if let Some(root) = root {
            self.assign(event, root);
        }
    }

    /// An event and all that speaks of it belong to a family.
    fn assign(&mut self, event: Seq, root: Seq) {
        let Some(family) = self.families.get_mut(&root) else { return };
        let mut next = vec![event];
        while let Some(seq) = next.pop() {
            let Some(event) = self.events.get_mut(&seq).filter(|event| event.root.is_none()) else {
                continue;
            };
            event.root = Some(root);
            family.members.insert(seq);
            // Who speaks of one that came before its record has the people of that one.
            if seq < root || event.parent.is_some_and(|parent| self.early.contains(&parent)) {
                self.early.insert(seq);
            }
            if event.spoken == Spoken::Edit {
                next.extend(self.heirs.get(&seq).into_iter().flatten());
            }
        }
        self.touch(root);
    }

    fn touch(&mut self, root: Seq) {
        // Who looks from the beginning looks at each family once.
        if self.touched.len() > 2 * self.families.len() + 1024 {
            self.touched.clear();
            self.epoch += 1;
        }
        self.touched.push(root);
    }

    /// Says what is being erased: of these records, and of no others, it is as if they were gone.
    pub fn set_absent(&mut self, absent: HashSet<Seq>) {
        let before = std::mem::replace(&mut self.absent, absent);
        let changed: Vec<Seq> = before.symmetric_difference(&self.absent).copied().collect();
        for seq in changed {
            let of_event = self.events.get(&seq).and_then(|event| event.root);
            for root in of_event.into_iter().chain(self.families.contains_key(&seq).then_some(seq)) {
                self.touch(root);
            }
        }
    }

    /// Forgets the records that are gone.
    ///
    /// # Errors
    /// Those of `lives`.
    pub fn retain(&mut self, mut lives: impl FnMut(Seq) -> Result<bool>) -> Result<()> {
        let mut gone = HashSet::new();
        for seq in self.events.keys().chain(self.families.keys()) {
            if !lives(*seq)? {
                gone.insert(*seq);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let before = std::mem::take(self);
        self.epoch = before.epoch + 1;
        self.absent = before.absent;
        let mut parents = Vec::new();
        for (seq, mut event) in before.events.into_iter().filter(|(seq, _)| !gone.contains(seq)) {
            parents.extend(event.parent.take().filter(|parent| !gone.contains(parent)).map(|p| (seq, p)));
            event.root = None;
            self.learn(seq, event);
        }
        let mut families = before.families;
        for (seq, parent) in parents {
            let (default, texts) = match families.get_mut(&parent) {
                Some(family) => (family.default, std::mem::take(&mut family.texts)),
                None => (false, Texts::default()),
            };
            self.attach(seq, parent, default, || texts);
        }
        Ok(())
    }

    /// Records that were taken back, with the deletions that say so; also those that are being erased.
    pub fn taken_back(&self) -> Vec<TakenBack> {
        let mut all = Vec::new();
        for (root, family) in &self.families {
            let is_deletion =
                |seq: &Seq| self.events.get(seq).is_some_and(|event| event.spoken == Spoken::Delete);
            let deletions: Vec<Seq> = family.members.iter().copied().filter(is_deletion).collect();
            if !deletions.is_empty() {
                let family = family.members.iter().copied().collect();
                all.push(TakenBack { root: *root, deletions, family });
            }
        }
        all
    }

    /// How far whoever looks now has looked.
    pub const fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, touched: self.touched.len() }
    }

    /// Brings what is said of the documents of a part up to date, from a mark on, or from the beginning:
    /// then `overlay` must be empty. `span` is where the part's records stand in the log, `below` leaves
    /// out who spoke at this position or later.
    ///
    /// # Errors
    /// Those of `doc_of`.
    pub fn show(
        &self,
        overlay: &mut Overlay,
        since: Option<Mark>,
        below: Option<Seq>,
        (first, last): (Seq, Seq),
        mut doc_of: impl FnMut(Seq) -> Result<Option<u32>>,
    ) -> Result<()> {
        let mut show = |root: Seq| {
            let Some(family) = self.families.get(&root) else { return Ok(()) };
            let in_part = |seq: Seq| (first..=last).contains(&seq);
            if !in_part(root) && family.members.range(first..=last).next().is_none() {
                return Ok(());
            }
            for (seq, standing) in self.standings(root, family, below) {
                if in_part(seq)
                    && let Some(doc) = doc_of(seq)?
                {
                    overlay.set(doc, standing);
                }
            }
            Ok(())
        };
        match since {
            Some(mark) => {
                let roots: BTreeSet<Seq> =
                    self.touched.get(mark.touched..).unwrap_or_default().iter().copied().collect();
                roots.into_iter().try_for_each(&mut show)
            }
            None => self.families.keys().copied().try_for_each(&mut show),
        }
    }

    /// Whether who looked as far as a mark must begin anew.
    pub const fn is_old(&self, mark: Mark) -> bool {
        mark.epoch != self.epoch
    }

    /// What holds of each version of a record.
    fn standings(&self, root: Seq, family: &Family, below: Option<Seq>) -> Vec<(Seq, Standing)> {
        let counts = |seq: Seq| !self.absent.contains(&seq) && below.is_none_or(|below| seq < below);
        // Whoever speaks of what is gone speaks of nothing.
        let mut living: BTreeMap<(Seq, Seq), &Event> = BTreeMap::new();
        let mut next = if counts(root) { vec![root] } else { Vec::new() };
        while let Some(of) = next.pop() {
            for seq in self.heirs.get(&of).into_iter().flatten().copied().filter(|seq| counts(*seq)) {
                let Some(event) = self.events.get(&seq).filter(|event| event.root == Some(root)) else {
                    continue;
                };
                living.insert((event.place.unwrap_or(seq), seq), event);
                if event.spoken == Spoken::Edit {
                    next.push(seq);
                }
            }
        }
        let hidden = living.values().any(|event| event.spoken == Spoken::Delete);
        let mut later: BTreeMap<&str, bool> = BTreeMap::new();
        for event in living.values().filter(|event| event.spoken == Spoken::Tag) {
            later.extend(event.texts.tags.iter().map(|tag| (tag.as_str(), true)));
            later.extend(event.texts.removed.iter().map(|tag| (tag.as_str(), false)));
        }
        let edits = living.iter().filter(|(_, event)| event.spoken == Spoken::Edit);
        let edits: Vec<_> = edits.map(|((_, seq), event)| (*seq, &event.texts)).collect();
        let newest = edits.last().map_or(root, |(seq, _)| *seq);

        let mut all: BTreeMap<Seq, Standing> = BTreeMap::new();
        let (mut tags, mut channel): (&[String], &str) = (&[], "");
        for (seq, texts) in [(root, &family.texts)].into_iter().chain(edits) {
            let edit = family.default && seq != root;
            let mut terms: BTreeMap<Term, bool> = BTreeMap::new();
            let term = |field, text: &str| Term { field, value: text.into() };
            // An edit that says nothing of tags or channel leaves them as they were.
            if texts.tags.is_empty() {
                terms.extend(tags.iter().map(|tag| (term(Field::Tag, tag), true)));
            } else {
                tags = &texts.tags;
            }
            if !texts.channel.is_empty() {
                channel = &texts.channel;
            } else if !channel.is_empty() {
                terms.insert(term(Field::Channel, channel), true);
            }
            terms.extend(later.iter().map(|(tag, there)| (term(Field::Tag, tag), *there)));
            let standing = Standing {
                superseded: seq != newest,
                hidden,
                edit,
                current: edit && seq == newest,
                terms: terms.into_iter().collect(),
            };
            all.insert(seq, standing);
        }
        if !counts(root) {
            all.clear();
        }
        // Of whom nothing is said any more that is said too. Whoever is no version may have a family of his own.
        let is_edit = |seq: &Seq| self.events.get(seq).is_some_and(|event| event.spoken == Spoken::Edit);
        for seq in family.members.iter().copied().filter(is_edit).chain([root]) {
            all.entry(seq).or_default();
        }
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
