//! What is to be erased: from names to numbers, and to the documents that go.

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::{Field, Mask, Part, People, Term};
use crate::keyring::pending::{JOINS_MAX, Target, Waiting};
use crate::policy::Action;
use crate::record::input::JOIN_PREFIX;
use crate::record::{Kind, Stored};
use crate::text;
use crate::view::View;

/// What to erase, by the names that people use.
///
/// ```
/// # use std::sync::Arc;
/// # use escrowdb::{id::Micros, session::Session, store::*, vfs::MemoryVfs};
/// # let store = Store::builder("/chats").vfs(Arc::new(MemoryVfs::new())).create()?;
/// # store.append(&[Record::new("c1", "anna@example.org", Micros(0), "Hello").id("m1")])?;
/// let one = Selector::Record { id: "m1".into(), conversation: Some("c1".into()) };
/// assert_eq!((store.plan(&one)?.records, store.plan(&one)?.people), (2, 1));
/// store.erase(&one, &EraseOptions::default())?;
/// // The erased are unknown.
/// let again = store.erase(&one, &EraseOptions::default());
/// assert_eq!(again.map_err(|e| e.kind()).err(), Some(escrowdb::ErrorKind::NotFound));
/// // Nothing else told of her: she is unknown too.
/// let anna = store.session(Session::new()).person("anna@example.org").map(drop);
/// assert_eq!(anna.map_err(|e| e.kind()).err(), Some(escrowdb::ErrorKind::NotFound));
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// A person, by any identifier; linked people go together.
    Person(String),
    /// All records of a conversation.
    Conversation(String),
    /// One record, and the joins that were made from the participants it named.
    Record {
        /// Its id.
        id: String,
        /// Its conversation; may be left out if the id is unique.
        conversation: Option<String>,
    },
}

impl Selector {
    /// `person`, `conversation` or `record`.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Conversation(_) => "conversation",
            Self::Record { .. } => "record",
        }
    }

    /// Code of [`Target::code`].
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Person(_) => 1,
            Self::Conversation(_) => 2,
            Self::Record { .. } => 3,
        }
    }
}

/// Documents that go, for each part of a view, in the order of [`View::parts`].
pub struct Matching(pub Vec<RoaringBitmap>);

impl Matching {
    /// How many records go.
    pub fn records(&self) -> u64 {
        self.0.iter().map(RoaringBitmap::len).sum()
    }
}

/// Finds out whom or what a selector names.
pub fn resolve(view: &View, selector: &Selector) -> Result<Target> {
    match selector {
        Selector::Person(identifier) => {
            let identifier = text::nfc(identifier);
            let number = view
                .number(&identifier)?
                .filter(|n| *n != PersonNumber::STORE)
                .ok_or_else(|| Error::not_found("no such person"))?;
            Ok(Target::Persons(view.linked(number)?))
        }
        Selector::Conversation(name) => {
            let target = Target::Conversation(name.clone());
            if name.is_empty() || matching(view, &target)?.records() == 0 {
                return Err(Error::not_found("no such conversation"));
            }
            Ok(target)
        }
        Selector::Record { id, conversation } => {
            // Where a redaction was cut two records have one name for a while; the new one is out of sight.
            let seen = view.named(id, conversation.as_deref(), |stored, seq| !view.hides(stored, seq));
            let (seq, stored) = match seen {
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    view.named(id, conversation.as_deref(), |_, _| true)
                }
                found => found,
            }?;
            let joins = joins_of(view, &stored, seq)?;
            Ok(Target::Record { conversation: stored.conversation.clone(), id: id.clone(), seq, joins })
        }
    }
}

/// Whether two targets are one. Which joins a record's erasure takes along was settled when it was
/// announced; others may have come since.
pub fn is_same(a: &Target, b: &Target) -> bool {
    match (a, b) {
        (Target::Record { seq: a, .. }, Target::Record { seq: b, .. }) => a == b,
        _ => a == b,
    }
}

/// Joins that the record made, or that can't be told from those: of its conversation, with its time,
/// and with its subjects besides the one who joined.
fn joins_of(view: &View, record: &Stored, seq: Seq) -> Result<Vec<Seq>> {
    let mut joins = Vec::new();
    if record.kind == Kind::Join {
        return Ok(joins);
    }
    let old = view.segments.iter().filter(|s| (s.entry.first..=s.entry.last).contains(&record.time));
    let old = old.map(|s| &*s.part as &dyn Part);
    let new = view.frozen.iter().map(|f| &**f as &dyn Part).chain([&view.live as &dyn Part]);
    for part in old.chain(new) {
        let mut docs = part.postings(&Term::conversation(&record.conversation))?;
        docs &= part.postings(&Term::kind(Kind::Join))?;
        for doc in docs {
            let key = part.key(doc)?;
            if key.time != record.time {
                continue;
            }
            let join = Zeroizing::new(part.record(doc)?);
            let mut subjects = record.subjects.clone();
            subjects.push(join.author);
            subjects.sort_unstable();
            subjects.dedup();
            if join.id.starts_with(JOIN_PREFIX) && join.subjects == subjects {
                joins.push(key.seq);
            }
        }
    }
    // Its own stand right before it.
    joins.sort_unstable_by_key(|join| join.0.abs_diff(seq.0));
    joins.truncate(JOINS_MAX);
    joins.sort_unstable();
    Ok(joins)
}

/// What the policy is asked.
pub const fn action(target: &Target) -> Action {
    match target {
        Target::Persons(_) => Action::ErasePerson,
        Target::Conversation(_) => Action::EraseConversation,
        Target::Audit { .. } => Action::ExpireActs,
        Target::Records { of: Target::CLASS, .. } => Action::ExpireClass,
        Target::Redact { .. } => Action::Redact,
        Target::Rename { .. } => Action::Rename,
        Target::Record { .. } | Target::Records { .. } => Action::EraseRecord,
    }
}

/// Documents of one part that go.
pub fn matching_in(part: &dyn Part, target: &Target) -> Result<RoaringBitmap> {
    match target {
        Target::Persons(numbers) | Target::Audit { numbers, .. } => of_subjects(part, numbers),
        Target::Conversation(name) => part.postings(&Term::conversation(name)),
        Target::Records { seqs, .. } => {
            let mut docs = RoaringBitmap::new();
            for seq in seqs {
                docs.extend(part.doc_of(*seq)?);
            }
            Ok(docs)
        }
        Target::Redact { of, .. } | Target::Rename { of, .. } => {
            Ok(part.doc_of(of.seq)?.into_iter().collect())
        }
        Target::Record { seq, joins, .. } => {
            let mut docs = RoaringBitmap::new();
            for seq in [seq].into_iter().chain(joins) {
                docs.extend(part.doc_of(*seq)?);
            }
            Ok(docs)
        }
    }
}

/// Documents of one part that go with an erasure: what it takes, what speaks of that, what says who those are
/// that it forgets, and details of acts that name it.
pub fn doomed_in(part: &dyn Part, waiting: &Waiting) -> Result<RoaringBitmap> {
    let mut docs = matching_in(part, &waiting.target)? | of_subjects(part, &waiting.forgotten)?;
    for seq in &waiting.family {
        docs.extend(part.doc_of(*seq)?);
    }
    if !waiting.further.is_empty() {
        // There may be as many as there were searches, in few parts: each part is asked once what it has.
        for doc in part.postings(&Term::kind(Kind::Detail))? {
            if waiting.further.binary_search(&part.key(doc)?.seq).is_ok() {
                docs.insert(doc);
            }
        }
    }
    Ok(docs)
}

/// Documents of one part that any of these people is a subject of.
pub fn of_subjects(part: &dyn Part, people: &[PersonNumber]) -> Result<RoaringBitmap> {
    let mut docs = RoaringBitmap::new();
    for number in people {
        docs |= part.postings(&Term::person(Field::Subject, *number))?;
    }
    Ok(docs)
}

/// Whether an erasure must write a part anew.
pub fn touches(part: &dyn Part, waiting: &Waiting) -> Result<bool> {
    Ok(mentions(part, &waiting.target)? || !doomed_in(part, waiting)?.is_empty())
}

/// Documents of every part that go.
pub fn matching(view: &View, target: &Target) -> Result<Matching> {
    view.parts().into_iter().map(|p| matching_in(p, target)).collect::<Result<_>>().map(Matching)
}

/// Whether a part names a person who goes, as author or subject.
pub fn mentions(part: &dyn Part, target: &Target) -> Result<bool> {
    if let Target::Persons(numbers) = target {
        for n in numbers {
            if part.frequency(&Term::person(Field::Author, *n))? > 0 {
                return Ok(true);
            }
        }
    }
    Ok(!matching_in(part, target)?.is_empty())
}

/// Whether a target, or a record that it would take along, is being erased already.
pub fn is_masked(view: &View, target: &Target, hits: &Matching) -> Result<bool> {
    let mask = &view.mask;
    let named = match target {
        Target::Persons(numbers) | Target::Audit { numbers, .. } => numbers.iter().any(|n| mask.hides(*n)),
        Target::Conversation(name) => mask.conversations.contains(name),
        Target::Records { seqs, .. } => seqs.iter().any(|seq| mask.records.contains(seq)),
        Target::Redact { of, .. } => {
            mask.records.contains(&of.seq) || mask.conversations.contains(&of.conversation)
        }
        Target::Rename { of, person, .. } => mask.records.contains(&of.seq) || mask.hides(*person),
        Target::Record { conversation, seq, joins, .. } => {
            let mut seqs = [seq].into_iter().chain(joins);
            seqs.any(|seq| mask.records.contains(seq)) || mask.conversations.contains(conversation)
        }
    };
    if named || mask.is_empty() {
        return Ok(named);
    }
    // A selector with a text in it must not outlive the people whose text it is.
    for (part, docs) in view.parts().into_iter().zip(&hits.0) {
        for hidden in masked_targets(mask) {
            if !(matching_in(part, &hidden)? & docs).is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn masked_targets(mask: &Mask) -> Vec<Target> {
    let mut all = vec![Target::Persons(mask.persons.clone())];
    all.extend(mask.conversations.iter().cloned().map(Target::Conversation));
    all.push(Target::Records { of: 0, seqs: mask.records.clone() });
    all
}

/// Adds what an erasure takes to a mask.
pub fn mask(mask: &mut Mask, waiting: &Waiting) {
    match &waiting.target {
        Target::Persons(numbers) | Target::Audit { numbers, .. } => mask.persons.extend(numbers),
        Target::Conversation(name) => mask.conversations.push(name.clone()),
        Target::Records { seqs, .. } => mask.records.extend(seqs),
        Target::Record { seq, joins, .. } => mask.records.extend([seq].into_iter().chain(joins)),
        Target::Redact { of, .. } | Target::Rename { of, .. } => mask.records.push(of.seq),
    }
    mask.persons.extend(&waiting.forgotten);
    mask.records.extend(&waiting.family);
    mask.details |= waiting.was_asked_for();
}
