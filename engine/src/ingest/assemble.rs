//! From the caller's records to numbered entries: who is who, what is a duplicate, what is
//! refused. Nothing here changes the store; a draft is dropped if its frame can't be written.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Micros, PersonNumber, Seq};
use crate::index::{Batch, BatchEntry, IdHash, Numbered, People, SortKey, Source};
use crate::ingest::asked::{self, Asked};
use crate::ingest::customer::Talks;
use crate::ingest::frame::Records;
use crate::ingest::made;
use crate::ingest::past::{Old, Past};
use crate::ingest::refused::Refusal;
use crate::query::held::Keeps;
use crate::record::stored::{QUARANTINED, RELEASED};
use crate::record::{Kind, PersonFields, Record, Stored, Subjects, quarantine};
use crate::register::Registers;
use crate::state::Preset;
use crate::text;
use crate::view::{Gates, Place, View};

/// What became of one record of an append.
#[derive(Debug)]
pub enum Outcome {
    /// It was added at this log position.
    Added(Seq),
    /// It was added at this position and is in quarantine: nobody finds it until it is released.
    Quarantined(Seq),
    /// The same record stands at this position already.
    Duplicate(Seq),
    /// It was not added; the error says why and holds no content.
    Rejected(Error),
}

/// Entries of one frame in the making.
pub struct Draft<'a, 'r> {
    pub(super) env: &'a Env,
    pub(super) view: &'a View,
    gates: Gates<'a>,
    pub(super) preset: Preset,
    /// Registers as they are behind what was drafted so far.
    pub(super) rules: Arc<Registers>,
    records: Records,
    pub(super) entries: Vec<BatchEntry<'r>>,
    first_seq: Seq,
    /// What batches before and this one leave to later ones.
    pub(super) past: Past,
    /// Numbers of those a record names: author, subjects, participants; kept for its room.
    known: Vec<Option<PersonNumber>>,
    /// Places of entries by their identity hash.
    ids: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// The oldest entries of conversations.
    pub(super) talks: Talks,
    /// What holds keep, once somebody asks.
    pub(super) keeps: OnceCell<Keeps<'a>>,
    /// Whether who says what is added may see what it is about.
    pub(super) sees: bool,
    /// What rules forbade.
    pub(super) refusals: RefCell<Vec<Refusal>>,
}

/// What is known of a record whose id is derived.
enum Derived {
    /// It was given before.
    Before(Result<Outcome>),
    /// It was not, and has this id.
    New(String, IdHash),
    /// Somebody must be born first.
    Unclear,
}

impl<'a, 'r> Draft<'a, 'r> {
    /// An empty draft that continues at these counters.
    pub fn new(env: &'a Env, view: &'a View, preset: Preset, seq: Seq, person: PersonNumber) -> Self {
        Self::after(env, view, preset, Past::new(seq, person))
    }

    /// A draft that knows of batches which were never written.
    pub fn after(env: &'a Env, view: &'a View, preset: Preset, past: Past) -> Self {
        Self {
            env,
            view,
            gates: view.gates(),
            preset,
            rules: Arc::clone(view.rules()),
            records: Records::default(),
            entries: Vec::new(),
            first_seq: past.next_seq,
            past,
            known: Vec::new(),
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            talks: Talks::default(),
            keeps: OnceCell::new(),
            sees: false,
            refusals: RefCell::default(),
        }
    }

    /// What the next batch of a rehearsal must know. The entries are dropped.
    pub fn into_past(mut self) -> Result<Past> {
        if self.preset == Preset::Customer {
            // Asked for later, it could no longer be found among the entries.
            for conversation in self.entries.iter().map(|e| e.record().conversation) {
                if !self.past.customers.contains_key(conversation) {
                    let oldest = self.oldest_in(conversation)?;
                    self.past.customers.insert(conversation.to_owned(), oldest);
                }
            }
        }
        for entry in std::mem::take(&mut self.entries) {
            self.past.remember(entry.seq, entry.record());
        }
        Ok(self.past)
    }

    /// Bytes of the records so far.
    pub fn bytes(&self) -> usize {
        self.records.bytes().len()
    }

    /// The records in order of position, with their salts, and the counters after them.
    pub fn finish(mut self) -> Result<(Batch<'r>, Seq, PersonNumber)> {
        let mut salts = Zeroizing::new(vec![0; 16 * self.entries.len()]);
        if !self.entries.is_empty() {
            self.env.random_fill(&[self.records.bytes()], &mut salts)?;
        }
        let (mut payload, head) = std::mem::take(&mut self.records).finish(self.first_seq);
        let mut entries = std::mem::take(&mut self.entries);
        for (entry, salt) in entries.iter_mut().zip(salts.as_chunks::<16>().0) {
            let held = &mut entry.held;
            (held.salt, held.from, held.to) = (held.salt + head, held.from + head, held.to + head);
            if let Some(place) = payload.get_mut(held.salt as usize..).and_then(|p| p.first_chunk_mut()) {
                *place = *salt;
            }
        }
        Ok((Batch { payload, entries }, self.past.next_seq, self.past.next_person))
    }

    /// Adds a caller's records, their people and their participants' joins. An `Err` is trouble
    /// with the store; trouble with a record is an outcome.
    pub fn add_all(&mut self, records: &'r [Record]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(records.len());
        let mut asked = Vec::with_capacity(records.len().min(asked::TOGETHER));
        for records in records.chunks(asked::TOGETHER) {
            asked::ask(&self.gates, records, &mut asked);
            for (record, asked) in records.iter().zip(&asked) {
                outcomes.push(self.add(record, asked.as_ref())?);
                self.records.check_len()?;
            }
        }
        Ok(outcomes)
    }

    fn add(&mut self, record: &'r Record, asked: Option<&Asked>) -> Result<Outcome> {
        if let Err(error) = record.validate() {
            return Ok(Outcome::Rejected(error));
        }
        if record.kind != Kind::Tag && record.tags.iter().any(|tag| tag == RELEASED) {
            return Ok(Outcome::Rejected(Error::invalid(format!(
                "tags: {RELEASED} is given by the gate only"
            ))));
        }
        match self.try_add(record, asked) {
            Ok(outcome) => Ok(outcome),
            Err(e) if matches!(e.kind(), ErrorKind::Busy | ErrorKind::Invalid | ErrorKind::Refused) => {
                Ok(Outcome::Rejected(e))
            }
            Err(e) => Err(e),
        }
    }

    /// Adds an act or another record of the store's own. An existing one with its identity wins.
    pub fn add_own(&mut self, stored: Stored) -> Result<Outcome> {
        if let Some((_, seq, _)) = self.view.find(&stored.conversation, &stored.id)? {
            return Ok(Outcome::Duplicate(seq));
        }
        Ok(Outcome::Added(self.push(stored)?))
    }

    fn try_add(&mut self, record: &'r Record, asked: Option<&Asked>) -> Result<Outcome> {
        if record.target.is_some() && !self.view.tree.head().has_rules() {
            let error = Error::newer("a store of this format keeps no record about another");
            return Ok(Outcome::Rejected(error.hint("`escrow upgrade`")));
        }
        if self.view.mask.conversations.contains(&record.conversation) {
            return Err(busy());
        }
        let mut known = std::mem::take(&mut self.known);
        let outcome = self.look_up(record, &mut known).and_then(|()| self.add_known(record, &known, asked));
        known.clear();
        self.known = known;
        outcome
    }

    /// Numbers of author, subjects and participants, as far as they are known.
    fn look_up(&self, record: &Record, known: &mut Vec<Option<PersonNumber>>) -> Result<()> {
        let names = [&record.author].into_iter().chain(&record.subjects).chain(&record.participants);
        for name in names {
            // Nearly always the author is the subject, or nobody stands there twice.
            let number = match known.first() {
                Some(author) if *name == record.author => *author,
                _ => self.number(&text::nfc(name))?,
            };
            if number.is_some_and(|n| self.view.mask.hides(n)) {
                return Err(busy());
            }
            known.push(number);
        }
        Ok(())
    }

    /// Adds a record whose people were looked up.
    fn add_known(
        &mut self,
        record: &'r Record,
        known: &[Option<PersonNumber>],
        asked: Option<&Asked>,
    ) -> Result<Outcome> {
        let (author, others) = known.split_first().unwrap_or((&None, &[]));
        let (subjects, participants) = others.split_at(record.subjects.len().min(others.len()));
        let mut identity = None;
        if let (Some(id), Some(asked), false) = (&record.id, asked, record.is_made_join()) {
            if let Some(outcome) = self.existing(record, (id, asked), *author, subjects)? {
                return outcome;
            }
            identity = Some((Cow::Borrowed(id.as_str()), asked.identity));
        } else {
            // Before anybody is born for it: of an old record an erased author may be named here.
            match self.derived(record, *author, subjects)? {
                Derived::Before(outcome) => return outcome,
                Derived::New(id, hashed) => identity = Some((id.into(), hashed)),
                Derived::Unclear => {}
            }
        }
        let of_target = self.of_target(record, *author, subjects)?;
        let class_of_target = of_target.as_ref().map(|(_, class)| *class);
        let implied = match of_target {
            None if subjects.is_empty() && !record.is_made_join() => self.implied_subjects(record)?,
            of_target => of_target.map(|(subjects, _)| subjects).filter(|_| subjects.is_empty()),
        };
        let is_quarantined = match &implied {
            Some(numbers) => self.pass_gate(record, numbers.iter().copied().map(Some))?,
            None if subjects.is_empty() => self.pass_gate(record, std::iter::once(*author))?,
            None => self.pass_gate(record, subjects.iter().copied())?,
        };
        let author = self.given_or_birth(*author, &record.author)?;
        let subjects = match implied {
            Some(numbers) => Subjects::from(numbers),
            None if subjects.is_empty() => Subjects::One(author),
            None => {
                let named = subjects.iter().zip(&record.subjects);
                named.map(|(n, name)| self.given_or_birth(*n, name)).collect::<Result<_>>()?
            }
        };
        let mut subjects = subjects.sorted();
        if identity.is_none() {
            let named = if record.subjects.is_empty() { &[] } else { &*subjects };
            let named: Vec<_> = named.iter().copied().map(Some).collect();
            match self.derived(record, Some(author), &named)? {
                Derived::Before(outcome) => return outcome,
                Derived::New(id, hashed) => identity = Some((id.into(), hashed)),
                Derived::Unclear => {}
            }
        }
        if record.is_made_join() {
            subjects = made::join_subjects(&subjects, author);
        }
        let (id, identity) = match identity {
            Some(known) => known,
            None => {
                let id = made::record_id(self.env.random(record.body.as_bytes())?);
                let hashed = IdHash::of(&id, &record.conversation);
                (Cow::Owned(id), hashed)
            }
        };
        let mut class =
            class_of_target.unwrap_or_else(|| self.rules.classes.of(&record.into())) & !QUARANTINED;
        if is_quarantined {
            class |= QUARANTINED;
        }
        for (number, name) in participants.iter().zip(&record.participants) {
            let number = self.given_or_birth(*number, name)?;
            self.join(record, number, (&subjects, class))?;
        }
        let numbered = Numbered { record, id, author, subjects, class };
        let now = self.env.clock.now();
        // A deletion that says it was long ago: the grace behind it runs from when it came.
        let is_late = record.kind == Kind::Delete
            && self.view.tree.head().has_rules()
            && record.time.0.saturating_add(Micros::DAY) < now.0;
        if is_quarantined || is_late {
            let stored = quarantine::came(numbered.record().to_stored(), now);
            let source = Source::Own(Box::new(Zeroizing::new(stored)));
            let seq = self.push_hashed(source, identity)?;
            return Ok(if is_quarantined { Outcome::Quarantined(seq) } else { Outcome::Added(seq) });
        }
        Ok(Outcome::Added(self.push_hashed(Source::Caller(numbered), identity)?))
    }

    /// The number that [`Self::look_up`] found, or that of whoever is born for the name.
    fn given_or_birth(&mut self, number: Option<PersonNumber>, name: &str) -> Result<PersonNumber> {
        match number {
            Some(number) => Ok(number),
            None => self.birth(&text::nfc(name)),
        }
    }

    /// What became of a record whose id is derived when it was given before, or else its id.
    fn derived(
        &self,
        record: &Record,
        author: Option<PersonNumber>,
        subjects: &[Option<PersonNumber>],
    ) -> Result<Derived> {
        if record.repeatable.is_none() && !record.is_made_join() {
            return Ok(Derived::Unclear);
        }
        let Some(named) = subjects.iter().copied().collect::<Option<Vec<_>>>() else {
            return Ok(Derived::Unclear);
        };
        let tagger = self.view.tagger();
        let look_up = |id: String, subjects: &[Option<PersonNumber>]| {
            let hashed = IdHash::of(&id, &record.conversation);
            let found = self.existing(record, (&id, &Asked::not_yet(hashed)), author, subjects)?;
            Ok(found.map_or(Derived::New(id, hashed), Derived::Before))
        };
        if record.is_made_join() {
            let Some(person) = author else { return Ok(Derived::Unclear) };
            let all = made::join_subjects(&named, person);
            let id = made::join_id(made::join_mark(tagger, &record.conversation, person, &all));
            return look_up(id, &all.iter().copied().map(Some).collect::<Vec<_>>());
        }
        let Some(n) = record.repeatable else { return Ok(Derived::Unclear) };
        let first = look_up(made::repeated(tagger, record, n, &named, None), subjects)?;
        match &first {
            // Another's words at the same moment: the author's own id is the next.
            Derived::Before(Err(e)) if e.kind() == ErrorKind::Invalid => match author {
                Some(_) => look_up(made::repeated(tagger, record, n, &named, author), subjects),
                None => Ok(Derived::Unclear),
            },
            _ => Ok(first),
        }
    }

    /// What a record with this identity means for the new one; `None` if there is none.
    fn existing(
        &self,
        record: &Record,
        (id, asked): (&str, &Asked),
        author: Option<PersonNumber>,
        subjects: &[Option<PersonNumber>],
    ) -> Result<Option<Result<Outcome>>> {
        let identity = asked.identity;
        let found;
        let (seq, old) = if let Some(entry) = self.entry(&record.conversation, id, identity) {
            (entry.seq, Old::Whole(entry.record()))
        } else if let Some(past) = self.past.record(&record.conversation, id) {
            (past.seq, Old::Past(past))
        } else if let Some((_, seq, stored)) = self.find(&record.conversation, id, asked)? {
            found = Zeroizing::new(stored);
            if self.view.hides(&found, seq) {
                return Err(busy());
            }
            (seq, Old::Whole(found.borrowed()))
        } else {
            return Ok(None);
        };
        let numbers: Option<Vec<PersonNumber>> = match self.preset {
            // Whom the preset or its target gave it depends on what stood in the conversation when it came.
            _ if subjects.is_empty() && record.target.is_some() => Some(old.subjects().to_vec()),
            Preset::Customer if subjects.is_empty() => Some(old.subjects().to_vec()),
            _ if subjects.is_empty() => author.map(|n| vec![n]),
            _ => subjects.iter().copied().collect(),
        };
        // An erased author is unknown to both sides: whoever is unknown now can't be told from him.
        let erased = !self.view.knows(old.author())? && !self.past.born.values().any(|n| *n == old.author());
        let author = if erased { author.or(Some(old.author())) } else { author };
        let same = match (author, numbers) {
            (Some(author), Some(numbers)) => {
                let (id, subjects) = (Cow::Borrowed(id), Subjects::from(numbers).sorted());
                old.equals(&Numbered { record, id, author, subjects, class: 0 }.record())
            }
            _ => false,
        };
        if same {
            return Ok(Some(Ok(Outcome::Duplicate(seq))));
        }
        Ok(Some(Err(Error::invalid("a record with this conversation and id exists with other content")
            .hint("give the record an id of its own; corrections are records of their own"))))
    }

    /// The record with this identity that was there before this draft.
    pub(super) fn find(
        &self,
        conversation: &str,
        id: &str,
        asked: &Asked,
    ) -> Result<Option<(Place<'_>, Seq, Stored)>> {
        match self.view.find_unrolled(conversation, id, asked.identity)? {
            None if asked.rolled => self.view.find_rolled(&self.gates, conversation, id, asked.identity),
            found => Ok(found),
        }
    }

    pub(super) fn number(&self, identifier: &str) -> Result<Option<PersonNumber>> {
        if self.view.is_leaving(identifier) {
            return Err(busy());
        }
        match self.past.born.get(identifier) {
            Some(number) => Ok(Some(*number)),
            None => self.view.number(identifier),
        }
    }

    /// One who was unknown when the record was looked at gets number, handle and a record of kind
    /// `person`, unless the same record named her before: nobody else can have come meanwhile.
    pub(super) fn birth(&mut self, identifier: &str) -> Result<PersonNumber> {
        if let Some(number) = self.past.born.get(identifier) {
            return Ok(*number);
        }
        let number = self.past.next_person;
        self.past.next_person =
            number.next().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no person numbers are left"))?;
        let handle = Handle(self.env.random(identifier.as_bytes())?);
        self.push(person_record(number, handle, vec![identifier.to_owned()], self.env.clock.now()))?;
        self.past.born.insert(identifier.to_owned(), number);
        Ok(number)
    }

    /// Records that a person took part, once a conversation and set of subjects. The join goes with
    /// whoever's erasure takes the record that named her, and is of that record's retention class.
    fn join(
        &mut self,
        record: &Record,
        person: PersonNumber,
        (naming, class): (&Subjects, u32),
    ) -> Result<()> {
        let subjects = made::join_subjects(naming, person);
        let mark = made::join_mark(self.view.tagger(), &record.conversation, person, &subjects);
        if self.past.joined.contains(&mark) {
            return Ok(());
        }
        let id = made::join_id(mark);
        let identity = IdHash::of(&id, &record.conversation);
        let mut taken = self.entry(&record.conversation, &id, identity).is_some();
        if !taken
            && let Some((_, seq, stored)) = self.find(&record.conversation, &id, &Asked::not_yet(identity))?
        {
            if self.view.hides(&Zeroizing::new(stored), seq) {
                return Err(busy());
            }
            taken = true;
        }
        if !taken {
            let join = Stored {
                id,
                conversation: record.conversation.clone(),
                author: person,
                subjects: subjects.to_vec(),
                time: record.time,
                channel: record.channel.clone(),
                kind: Kind::Join,
                class,
                ..Stored::default()
            };
            let is_quarantined = class & QUARANTINED > 0;
            self.push(if is_quarantined { quarantine::came(join, self.env.clock.now()) } else { join })?;
        }
        self.past.joined.insert(mark);
        Ok(())
    }

    /// The entry of this draft with this identity.
    pub(super) fn entry(&self, conversation: &str, id: &str, identity: IdHash) -> Option<&BatchEntry<'r>> {
        let same = |e: &BatchEntry<'_>| {
            let record = e.record();
            record.id == id && record.conversation == conversation
        };
        let found = self.ids.find(self.hasher.hash_one(identity), |i| self.entries.get(*i).is_some_and(same));
        found.and_then(|i| self.entries.get(*i))
    }

    pub(super) fn push(&mut self, stored: Stored) -> Result<Seq> {
        let identity = IdHash::of(&stored.id, &stored.conversation);
        self.push_hashed(Source::Own(Box::new(Zeroizing::new(stored))), identity)
    }

    fn push_hashed(&mut self, source: Source<'r>, identity: IdHash) -> Result<Seq> {
        let record = source.record();
        let held = self.records.add(&record)?;
        let seq = self.past.next_seq;
        self.past.next_seq =
            seq.next().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no log positions are left"))?;
        let key = SortKey { time: record.time, seq };
        let mut is_asked = self.preset != Preset::Customer;
        if !is_asked && let Some(oldest) = self.past.customers.get_mut(record.conversation) {
            is_asked = true;
            if !matches!(record.kind, Kind::Join | Kind::Leave)
                && oldest.as_ref().is_none_or(|(k, _)| key < *k)
            {
                *oldest = Some((key, record.subjects.to_vec()));
            }
        }
        let Self { ids, entries, hasher, .. } = self;
        ids.insert_unique(hasher.hash_one(identity), entries.len(), |i| {
            entries.get(*i).map_or(0, |e| hasher.hash_one(e.identity))
        });
        // The salt is drawn when the whole frame is known.
        entries.push(BatchEntry { seq, held, identity, source });
        if !is_asked {
            self.talks.note(&self.entries, self.entries.len() - 1);
        }
        Ok(seq)
    }
}

/// The record that says who a number is.
pub fn person_record(number: PersonNumber, handle: Handle, identifiers: Vec<String>, time: Micros) -> Stored {
    Stored {
        id: format!("person/{number}"),
        author: number,
        subjects: vec![number],
        time,
        kind: Kind::Person,
        person: Some(PersonFields { number, handle, identifiers }),
        ..Stored::default()
    }
}

pub(super) fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the person, conversation or record is being erased right now")
        .hint("repeat when the erasure has ended")
}
