//! From the caller's records to numbered entries: who is who, what is a duplicate, what is
//! refused. Nothing here changes the store; a draft is dropped if its frame can't be written.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, PersonNumber, Seq};
use crate::index::{Field, IdHash, People, SortKey, Term};
use crate::ingest::frame::Entry;
use crate::record::{Kind, PersonFields, Record, Stored};
use crate::state::Preset;
use crate::text;
use crate::view::View;

/// What became of one record of an append.
#[derive(Debug)]
pub enum Outcome {
    /// It was added at this log position.
    Added(Seq),
    /// The same record stands at this position already.
    Duplicate(Seq),
    /// It was not added; the error says why and holds no content.
    Rejected(Error),
}

/// Entries of one frame in the making.
pub struct Draft<'a> {
    env: &'a Env,
    view: &'a View,
    preset: Preset,
    entries: Vec<Entry>,
    next_seq: Seq,
    next_person: PersonNumber,
    born: HashMap<String, PersonNumber>,
    /// Places of entries by their identity hash.
    ids: HashTable<usize>,
    hasher: DefaultHashBuilder,
    joined: HashSet<(String, PersonNumber)>,
    customers: HashMap<String, Option<Oldest>>,
    /// Records of former batches of a rehearsal; nothing where records are really appended.
    past: HashMap<PastKey, PastRecord>,
}

/// What a rehearsal keeps of the batches it saw, in place of their records.
pub struct Past {
    next_seq: Seq,
    next_person: PersonNumber,
    born: HashMap<String, PersonNumber>,
    joined: HashSet<(String, PersonNumber)>,
    customers: HashMap<String, Option<Oldest>>,
    records: HashMap<PastKey, PastRecord>,
}

/// Conversation and id, hashed so that no file can make two of them meet.
type PastKey = [u8; 16];

fn past_key(conversation: &str, id: &str) -> PastKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(conversation.len() as u64).to_le_bytes()).update(conversation.as_bytes());
    hasher.update(id.as_bytes());
    let mut key = PastKey::default();
    hasher.finalize_xof().fill(&mut key);
    key
}

/// As much of a record as telling a duplicate from a conflict needs.
struct PastRecord {
    seq: Seq,
    author: PersonNumber,
    subjects: Vec<PersonNumber>,
    hash: [u8; 32],
}

impl Past {
    /// Before the first batch, which would continue at these counters.
    pub fn new(next_seq: Seq, next_person: PersonNumber) -> Self {
        Self {
            next_seq,
            next_person,
            born: HashMap::new(),
            joined: HashSet::new(),
            customers: HashMap::new(),
            records: HashMap::new(),
        }
    }
}

/// The record that has an identity already.
enum Old<'a> {
    Whole(&'a Stored),
    Past(&'a PastRecord),
}

impl Old<'_> {
    const fn author(&self) -> PersonNumber {
        match self {
            Self::Whole(stored) => stored.author,
            Self::Past(past) => past.author,
        }
    }

    fn subjects(&self) -> &[PersonNumber] {
        match self {
            Self::Whole(stored) => &stored.subjects,
            Self::Past(past) => &past.subjects,
        }
    }

    fn equals(&self, new: &Stored) -> bool {
        match self {
            Self::Whole(stored) => *stored == new,
            Self::Past(past) => past.hash == *blake3::hash(&new.encode()).as_bytes(),
        }
    }
}

/// Sort key and subjects of the oldest record of a conversation.
type Oldest = (SortKey, Vec<PersonNumber>);

impl<'a> Draft<'a> {
    /// An empty draft that continues at these counters.
    pub fn new(env: &'a Env, view: &'a View, preset: Preset, seq: Seq, person: PersonNumber) -> Self {
        Self::after(env, view, preset, Past::new(seq, person))
    }

    /// A draft that knows of batches which were never written.
    pub fn after(env: &'a Env, view: &'a View, preset: Preset, past: Past) -> Self {
        let Past { next_seq, next_person, born, joined, customers, records } = past;
        Self {
            env,
            view,
            preset,
            entries: Vec::new(),
            next_seq,
            next_person,
            born,
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            joined,
            customers,
            past: records,
        }
    }

    /// What the next batch of a rehearsal must know. The entries are dropped.
    pub fn into_past(mut self) -> Result<Past> {
        let entries = std::mem::take(&mut self.entries);
        if self.preset == Preset::Customer {
            // Asked for later, it could no longer be found among the entries.
            for conversation in entries.iter().map(|e| &e.stored.conversation) {
                if !self.customers.contains_key(conversation) {
                    let oldest = self.oldest_in(&entries, conversation)?;
                    self.customers.insert(conversation.clone(), oldest);
                }
            }
        }
        for entry in entries {
            let hash = *blake3::hash(&entry.canonical).as_bytes();
            let key = past_key(&entry.stored.conversation, &entry.stored.id);
            let Stored { author, subjects, .. } = entry.stored;
            self.past.insert(key, PastRecord { seq: entry.seq, author, subjects, hash });
        }
        let Self { next_seq, next_person, born, joined, customers, past: records, .. } = self;
        Ok(Past { next_seq, next_person, born, joined, customers, records })
    }

    /// The entries in order of position, with their salts, and the counters after them.
    pub fn finish(mut self) -> Result<(Vec<Entry>, Seq, PersonNumber)> {
        if !self.entries.is_empty() {
            let canonical: Vec<&[u8]> = self.entries.iter().map(|e| e.canonical.as_slice()).collect();
            let mut salts = Zeroizing::new(vec![0; 16 * canonical.len()]);
            self.env.random_fill(&canonical, &mut salts)?;
            for (entry, salt) in self.entries.iter_mut().zip(salts.as_chunks::<16>().0) {
                entry.salt = *salt;
            }
        }
        Ok((self.entries, self.next_seq, self.next_person))
    }

    /// Adds a caller's record, its people and its participants' joins. An `Err` is trouble with
    /// the store; trouble with the record is an outcome.
    pub fn add(&mut self, record: &Record) -> Result<Outcome> {
        if let Err(error) = record.validate() {
            return Ok(Outcome::Rejected(error));
        }
        match self.try_add(record) {
            Ok(outcome) => Ok(outcome),
            Err(e) if matches!(e.kind(), ErrorKind::Busy | ErrorKind::Invalid) => Ok(Outcome::Rejected(e)),
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

    fn try_add(&mut self, record: &Record) -> Result<Outcome> {
        let author = text::nfc(&record.author);
        let subjects = record.subjects.iter().map(|s| text::nfc(s)).collect::<Vec<_>>();
        let participants = record.participants.iter().map(|s| text::nfc(s)).collect::<Vec<_>>();
        if self.view.mask.conversations.contains(&record.conversation) {
            return Err(busy());
        }
        let mut known: Vec<(&str, PersonNumber)> = Vec::with_capacity(4);
        for identifier in [&author].into_iter().chain(&subjects).chain(&participants) {
            if known.iter().any(|(name, _)| *name == identifier.as_ref()) {
                continue;
            }
            if let Some(number) = self.number(identifier)? {
                if self.view.mask.hides(number) {
                    return Err(busy());
                }
                known.push((identifier, number));
            }
        }
        let mut identity = None;
        if let Some(id) = &record.id {
            let hashed = IdHash::of(id, &record.conversation);
            if let Some(outcome) = self.existing(record, (id, hashed), &author, &subjects, &known)? {
                return outcome;
            }
            identity = Some(hashed);
        }
        let implied = if subjects.is_empty() { self.implied_subjects(record)? } else { None };
        let number_of = |name: &str| known.iter().find(|(n, _)| *n == name).map(|(_, number)| *number);
        let author_number = match number_of(&author) {
            Some(number) => number,
            None => self.number_or_birth(&author)?,
        };
        let subject_numbers = match implied {
            Some(numbers) => numbers,
            None if subjects.is_empty() => vec![author_number],
            None => subjects
                .iter()
                .map(|s| number_of(s).map_or_else(|| self.number_or_birth(s), Ok))
                .collect::<Result<_>>()?,
        };
        for participant in &participants {
            let number = self.number_or_birth(participant)?;
            self.join(record, number)?;
        }
        let id = match &record.id {
            Some(id) => id.clone(),
            None => format!("r-{}", Handle(self.env.random(record.body.as_bytes())?)),
        };
        let stored = to_stored(record, id, author_number, subject_numbers);
        let identity = identity.unwrap_or_else(|| IdHash::of(&stored.id, &stored.conversation));
        Ok(Outcome::Added(self.push_hashed(stored, identity)?))
    }

    /// What a record with this identity means for the new one; `None` if there is none.
    fn existing(
        &self,
        record: &Record,
        (id, identity): (&str, IdHash),
        author: &str,
        subjects: &[std::borrow::Cow<'_, str>],
        known: &[(&str, PersonNumber)],
    ) -> Result<Option<Result<Outcome>>> {
        let found;
        let (seq, old) = if let Some(entry) = self.entry(&record.conversation, id, identity) {
            (entry.seq, Old::Whole(&entry.stored))
        } else if let Some(past) = self.past_record(&record.conversation, id) {
            (past.seq, Old::Past(past))
        } else if let Some((_, seq, stored)) = self.view.find_hashed(&record.conversation, id, identity)? {
            if self.view.hides(&stored, seq) {
                return Err(busy());
            }
            found = stored;
            (seq, Old::Whole(&found))
        } else {
            return Ok(None);
        };
        let number = |name: &str| known.iter().find(|(n, _)| *n == name).map(|(_, number)| *number);
        let numbers: Option<Vec<PersonNumber>> = match self.preset {
            // Whom the preset gave it depends on what stood in the conversation when it came.
            Preset::Customer if subjects.is_empty() => Some(old.subjects().to_vec()),
            _ if subjects.is_empty() => number(author).map(|n| vec![n]),
            _ => subjects.iter().map(|s| number(s)).collect(),
        };
        // An erased author is unknown to both sides: whoever is named now can't be compared.
        let erased = !self.view.knows(old.author())? && !self.born.values().any(|n| *n == old.author());
        let author = if erased { Some(old.author()) } else { number(author) };
        let same = match (author, numbers) {
            (Some(author), Some(numbers)) => old.equals(&to_stored(record, id.to_owned(), author, numbers)),
            _ => false,
        };
        if same {
            return Ok(Some(Ok(Outcome::Duplicate(seq))));
        }
        Ok(Some(Err(Error::invalid("a record with this conversation and id exists with other content")
            .hint("give the record an id of its own; corrections are records of their own"))))
    }

    /// Subjects that the preset gives a record that names none: those of the conversation's oldest
    /// record, wherever it stands, so that the borders of batches don't matter. `None`: its author.
    fn implied_subjects(&mut self, record: &Record) -> Result<Option<Vec<PersonNumber>>> {
        if self.preset != Preset::Customer {
            return Ok(None);
        }
        if !self.customers.contains_key(&record.conversation) {
            let oldest = self.oldest_in(&self.entries, &record.conversation)?;
            self.customers.insert(record.conversation.clone(), oldest);
        }
        let Some((_, subjects)) = self.customers.get(&record.conversation).cloned().flatten() else {
            return Ok(None);
        };
        if subjects.iter().any(|s| self.view.mask.hides(*s)) {
            return Err(busy());
        }
        Ok(Some(subjects))
    }

    fn oldest_in(&self, entries: &[Entry], conversation: &str) -> Result<Option<Oldest>> {
        let own = entries.iter().filter(|e| {
            e.stored.conversation == conversation && !matches!(e.stored.kind, Kind::Join | Kind::Leave)
        });
        let mut oldest = own
            .map(|e| (SortKey { time: e.stored.time, seq: e.seq }, e.stored.subjects.clone()))
            .min_by_key(|(key, _)| *key);
        let term = Term { field: Field::Conversation, value: conversation.to_owned().into_bytes() };
        for part in self.view.parts() {
            let mut docs = part.postings(&term)?;
            if docs.is_empty() {
                continue;
            }
            for kind in [Kind::Join, Kind::Leave] {
                docs -= part.postings(&Term { field: Field::Kind, value: vec![kind as u8] })?;
            }
            if let Some((key, doc)) = part.oldest(&docs, 1, None)?.first().copied()
                && oldest.as_ref().is_none_or(|(k, _)| key < *k)
            {
                oldest = Some((key, part.record(doc)?.subjects));
            }
        }
        Ok(oldest)
    }

    fn number(&self, identifier: &str) -> Result<Option<PersonNumber>> {
        if self.view.is_leaving(identifier) {
            return Err(busy());
        }
        match self.born.get(identifier) {
            Some(number) => Ok(Some(*number)),
            None => self.view.number(identifier),
        }
    }

    /// The person's number; one who is unknown gets number, handle and a record of kind `person`.
    fn number_or_birth(&mut self, identifier: &str) -> Result<PersonNumber> {
        if let Some(number) = self.number(identifier)? {
            return Ok(number);
        }
        let number = self.next_person;
        self.next_person =
            number.next().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no person numbers are left"))?;
        let handle = Handle(self.env.random(identifier.as_bytes())?);
        self.push(person_record(number, handle, vec![identifier.to_owned()], self.env.clock.now()))?;
        self.born.insert(identifier.to_owned(), number);
        Ok(number)
    }

    /// Records that a person took part, once a conversation.
    fn join(&mut self, record: &Record, person: PersonNumber) -> Result<()> {
        let key = (record.conversation.clone(), person);
        if self.joined.contains(&key) {
            return Ok(());
        }
        let id = format!("join/{person}");
        let identity = IdHash::of(&id, &record.conversation);
        let taken = self.entry(&record.conversation, &id, identity).is_some()
            || self.view.find_hashed(&record.conversation, &id, identity)?.is_some();
        if !taken {
            self.push(Stored {
                id,
                conversation: record.conversation.clone(),
                author: person,
                subjects: vec![person],
                time: record.time,
                channel: record.channel.clone(),
                kind: Kind::Join,
                ..Stored::default()
            })?;
        }
        self.joined.insert(key);
        Ok(())
    }

    fn past_record(&self, conversation: &str, id: &str) -> Option<&PastRecord> {
        if self.past.is_empty() { None } else { self.past.get(&past_key(conversation, id)) }
    }

    /// The entry of this draft with this identity.
    fn entry(&self, conversation: &str, id: &str, identity: IdHash) -> Option<&Entry> {
        let same = |e: &Entry| e.stored.id == id && e.stored.conversation == conversation;
        let found = self.ids.find(self.hasher.hash_one(identity), |i| self.entries.get(*i).is_some_and(same));
        found.and_then(|i| self.entries.get(*i))
    }

    fn push(&mut self, stored: Stored) -> Result<Seq> {
        let identity = IdHash::of(&stored.id, &stored.conversation);
        self.push_hashed(stored, identity)
    }

    fn push_hashed(&mut self, stored: Stored, identity: IdHash) -> Result<Seq> {
        let seq = self.next_seq;
        self.next_seq =
            seq.next().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no log positions are left"))?;
        let canonical = stored.encode();
        let key = SortKey { time: stored.time, seq };
        if let Some(oldest) = self.customers.get_mut(&stored.conversation)
            && !matches!(stored.kind, Kind::Join | Kind::Leave)
            && oldest.as_ref().is_none_or(|(k, _)| key < *k)
        {
            *oldest = Some((key, stored.subjects.clone()));
        }
        let Self { ids, entries, hasher, .. } = self;
        ids.insert_unique(hasher.hash_one(identity), entries.len(), |i| {
            entries.get(*i).map_or(0, |e| hasher.hash_one(e.identity))
        });
        // The salt is drawn when the whole frame is known.
        entries.push(Entry { seq, salt: [0; 16], canonical, stored, identity });
        Ok(seq)
    }
}

/// The record that says who a number is.
pub fn person_record(
    number: PersonNumber,
    handle: Handle,
    identifiers: Vec<String>,
    time: crate::id::Micros,
) -> Stored {
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

fn to_stored(record: &Record, id: String, author: PersonNumber, mut subjects: Vec<PersonNumber>) -> Stored {
    subjects.sort_unstable();
    subjects.dedup();
    Stored {
        id,
        conversation: record.conversation.clone(),
        author,
        subjects,
        time: record.time,
        channel: record.channel.clone(),
        kind: record.kind,
        tags: record.tags.clone(),
        body: record.body.clone(),
        reply_to: record.reply_to.clone(),
        extra: record.extra.clone(),
        ..Stored::default()
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the person, conversation or record is being erased right now")
        .hint("repeat when the erasure has ended")
}
