//! What a query may see: who is known, and what is being erased.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Result;
use crate::id::{PersonNumber, Seq};
use crate::index::part::{Field, Part, Term};

/// Who is who, as the keyring knows it.
pub trait People {
    /// Number of the person with an identifier in NFC; `None` if unknown. The erased are unknown.
    fn number(&self, identifier: &str) -> Result<Option<PersonNumber>>;
    /// Identifier to show for a number; `None` if unknown.
    fn name(&self, number: PersonNumber) -> Result<Option<String>>;
}

/// Documents whose longest time is over and which are restricted for it, by the first log position of their part.
#[derive(Clone, Default)]
pub struct Ended {
    /// How many times something was restricted: of two with as many the one has what the other has, but for what
    /// came in between.
    pub stamp: u64,
    /// The documents of each part.
    pub docs: HashMap<Seq, Arc<RoaringBitmap>>,
}

impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        self.stamp == other.stamp
    }
}

impl Eq for Ended {}

/// What is being erased: queries answer as if it were gone already.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// These people: records of which they are a subject are hidden, elsewhere they are unknown.
    pub persons: Vec<PersonNumber>,
    /// All records of these conversations; their names leave nothing behind.
    pub conversations: Zeroizing<Vec<String>>,
    /// These records.
    pub records: Vec<Seq>,
    /// These people are restricted, and who reads holds no case: their records are hidden, but they are known.
    pub restricted: Vec<PersonNumber>,
    /// These conversations likewise.
    pub restricted_conversations: Zeroizing<Vec<String>>,
    /// What is restricted since its time is over, where who reads holds no case.
    pub ended: Option<Arc<Ended>>,
    /// What is restricted otherwise is seen where it is of these people: who reads answers a request of theirs.
    pub opened: Vec<PersonNumber>,
    /// What is in quarantine.
    pub quarantine: bool,
    /// All details of acts: some of them name what is being erased. No query finds any, so this is for who
    /// shows them.
    pub details: bool,
}

impl Mask {
    /// Whether nothing is being erased.
    pub fn is_empty(&self) -> bool {
        self.persons.is_empty()
            && self.conversations.is_empty()
            && self.records.is_empty()
            && self.restricted.is_empty()
            && self.restricted_conversations.is_empty()
            && self.ended.is_none()
            && !self.quarantine
    }

    /// Documents of a part that it hides.
    ///
    /// # Errors
    /// An index that can't be read.
    pub fn docs_in(&self, part: &dyn Part) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        for person in self.persons.iter().chain(&self.restricted) {
            docs |= part.postings(&Term::person(Field::Subject, *person))?;
        }
        for conversation in self.conversations.iter() {
            docs |= in_conversation(part, conversation)?;
        }
        docs |= self.restricted_in(part)?;
        if self.quarantine {
            docs |= part.quarantined()?;
        }
        for seq in &self.records {
            docs.extend(part.doc_of(*seq)?);
        }
        Ok(docs)
    }

    /// Those of restricted conversations and classes, but for what is of somebody whose request is answered.
    fn restricted_in(&self, part: &dyn Part) -> Result<RoaringBitmap> {
        let mut docs = RoaringBitmap::new();
        for conversation in self.restricted_conversations.iter() {
            docs |= in_conversation(part, conversation)?;
        }
        if let (Some(ended), Some(first)) = (&self.ended, part.first_seq())
            && let Some(ended) = ended.docs.get(&first)
        {
            docs |= &**ended;
        }
        if !docs.is_empty() {
            for person in &self.opened {
                docs -= part.postings(&Term::person(Field::Subject, *person))?;
            }
        }
        Ok(docs)
    }

    /// Whether the record at a log position is hidden. One whose part can't be read is: it is not known whose it is.
    pub fn covers(&self, parts: &[&dyn Part], seq: Seq) -> bool {
        let hidden = |part: &&dyn Part| match part.doc_of(seq) {
            Ok(Some(doc)) => self.docs_in(*part).map_or(true, |docs| docs.contains(doc)),
            Ok(None) => false,
            Err(_) => true,
        };
        !self.is_empty() && parts.iter().any(hidden)
    }

    /// Whether a person is being erased.
    pub fn hides(&self, person: PersonNumber) -> bool {
        self.persons.contains(&person)
    }
}

fn in_conversation(part: &dyn Part, name: &str) -> Result<RoaringBitmap> {
    let mut term = Term::conversation(name);
    let found = part.postings(&term);
    term.value.zeroize();
    found
}
