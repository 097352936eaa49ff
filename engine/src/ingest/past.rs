//! What an append must know of records before it: the counters and names that go on, and when a
//! record is the same as an older one.

use hashbrown::{HashMap, HashSet};
use zeroize::{Zeroize, Zeroizing};

use crate::id::{Micros, PersonNumber, Seq};
use crate::index::SortKey;
use crate::record::input::JOIN_PREFIX;
use crate::record::stored::{CAME, PLACE};
use crate::record::{Kind, StoredRef};

/// Counters and names that go from one record to the next, and in a rehearsal from one batch to
/// the next, in place of their records.
pub struct Past {
    pub(super) next_seq: Seq,
    pub(super) next_person: PersonNumber,
    pub(super) born: HashMap<String, PersonNumber>,
    /// Marks of joins that are there.
    pub(super) joined: HashSet<[u8; 16]>,
    /// The oldest record of each conversation that was asked for.
    pub(super) customers: HashMap<String, Option<Oldest>>,
    /// Records of former batches of a rehearsal; none where records are really appended.
    records: HashMap<PastKey, PastRecord>,
}

/// Names and conversations leave no copy behind.
impl Drop for Past {
    fn drop(&mut self) {
        self.born.drain().for_each(|(mut name, _)| name.zeroize());
        self.customers.drain().for_each(|(mut conversation, _)| conversation.zeroize());
    }
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
pub(super) struct PastRecord {
    pub(super) seq: Seq,
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

    /// The record of a former batch with this identity.
    pub(super) fn record(&self, conversation: &str, id: &str) -> Option<&PastRecord> {
        if self.records.is_empty() { None } else { self.records.get(&past_key(conversation, id)) }
    }

    /// Remembers a record in place of its entry.
    pub(super) fn remember(&mut self, seq: Seq, record: StoredRef<'_>) {
        let (author, subjects) = (record.author, record.subjects.to_vec());
        let past = PastRecord { seq, author, subjects, hash: content_hash(record) };
        self.records.insert(past_key(record.conversation, record.id), past);
    }
}

/// The record that has an identity already.
pub(super) enum Old<'a> {
    Whole(StoredRef<'a>),
    Past(&'a PastRecord),
}

impl Old<'_> {
    pub(super) const fn author(&self) -> PersonNumber {
        match self {
            Self::Whole(stored) => stored.author,
            Self::Past(past) => past.author,
        }
    }

    pub(super) fn subjects(&self) -> &[PersonNumber] {
        match self {
            Self::Whole(stored) => stored.subjects,
            Self::Past(past) => &past.subjects,
        }
    }

    pub(super) fn equals(&self, new: &StoredRef<'_>) -> bool {
        match self {
            Self::Whole(stored) => comparable(*stored) == comparable(*new),
            Self::Past(past) => past.hash == content_hash(*new),
        }
    }
}

/// What must be equal of equal records. Its class is what was defined when it came. A join that the store
/// makes has time and channel of whichever record named the person first, here or in another store.
fn comparable(record: StoredRef<'_>) -> StoredRef<'_> {
    // Where a record stood before a part of it was redacted no other store tells, nor when it came into quarantine.
    let is_own = |(key, _): &(u64, Vec<u8>)| [PLACE, CAME].contains(key);
    let unknown = if record.unknown.iter().all(is_own) { &[] } else { record.unknown };
    let record = StoredRef { class: 0, unknown, ..record };
    if record.kind == Kind::Join && record.id.starts_with(JOIN_PREFIX) {
        return StoredRef { time: Micros::default(), channel: "", ..record };
    }
    record
}

fn content_hash(record: StoredRef<'_>) -> [u8; 32] {
    *blake3::hash(&Zeroizing::new(comparable(record).encode())).as_bytes()
}

/// Sort key and subjects of the oldest record of a conversation.
pub(super) type Oldest = (SortKey, Vec<PersonNumber>);
