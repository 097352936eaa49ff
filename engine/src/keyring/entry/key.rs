//! Where entries stand: the keys of the tree.

use crate::id::{Handle, PersonNumber, RequestId, SegmentId, Seq};
use crate::keyring::entry::EntryKind;

fn of(kind: EntryKind, rest: &[u8]) -> Vec<u8> {
    [&[kind as u8], rest].concat()
}

/// A person.
pub fn person(number: PersonNumber) -> Vec<u8> {
    identifier_at(number, 0)
}

/// Identifier `i` of a person (from 0).
pub fn identifier(number: PersonNumber, i: u8) -> Vec<u8> {
    identifier_at(number, i.saturating_add(1))
}

/// Prefix of a person's entry and of all his identifiers.
pub fn person_prefix(number: PersonNumber) -> Vec<u8> {
    of(EntryKind::Person, &number.0.to_be_bytes())
}

fn identifier_at(number: PersonNumber, at: u8) -> Vec<u8> {
    let mut key = person_prefix(number);
    key.push(at);
    key
}

/// The number in a key of kind person, and which identifier it is (`None`: the person).
pub fn parse_person(key: &[u8]) -> Option<(PersonNumber, Option<u8>)> {
    let (number, at) = key.strip_prefix(&[EntryKind::Person as u8])?.split_first_chunk::<8>()?;
    let [at] = at else { return None };
    Some((PersonNumber(u64::from_be_bytes(*number)), at.checked_sub(1)))
}

/// A name, by its tag.
pub fn name(tag: &[u8; 16]) -> Vec<u8> {
    of(EntryKind::Name, tag)
}

/// Evidence about a person, living or erased.
pub fn evidence(handle: Handle) -> Vec<u8> {
    of(EntryKind::Evidence, &handle.0)
}

/// The handle in a key of kind evidence.
pub fn parse_evidence(key: &[u8]) -> Option<Handle> {
    Some(Handle(key.strip_prefix(&[EntryKind::Evidence as u8])?.try_into().ok()?))
}

/// A segment.
pub fn segment(id: SegmentId) -> Vec<u8> {
    of(EntryKind::Segment, &id.0.to_be_bytes())
}

/// The number in a key of kind segment.
pub fn parse_segment(key: &[u8]) -> Option<SegmentId> {
    let id = key.strip_prefix(&[EntryKind::Segment as u8])?;
    Some(SegmentId(u64::from_be_bytes(id.try_into().ok()?)))
}

/// The current journal.
pub fn journal_current() -> Vec<u8> {
    of(EntryKind::Journal, &[0])
}

/// The journal born ahead.
pub fn journal_next() -> Vec<u8> {
    of(EntryKind::Journal, &[1])
}

/// An erasure on its way.
pub fn pending(request: RequestId) -> Vec<u8> {
    of(EntryKind::Pending, &request.0)
}

/// The request in a key of kind pending.
pub fn parse_pending(key: &[u8]) -> Option<RequestId> {
    Some(RequestId(key.strip_prefix(&[EntryKind::Pending as u8])?.try_into().ok()?))
}

/// A person whom an erasure on its way forgets.
pub fn forgotten(request: RequestId, number: PersonNumber) -> Vec<u8> {
    [forgotten_prefix(request), number.0.to_be_bytes().to_vec()].concat()
}

/// Prefix of everybody whom an erasure on its way forgets.
pub fn forgotten_prefix(request: RequestId) -> Vec<u8> {
    of(EntryKind::Forgotten, &request.0)
}

/// The number in a key of kind forgotten.
pub fn parse_forgotten(key: &[u8]) -> Option<PersonNumber> {
    let (_, number) = key.strip_prefix(&[EntryKind::Forgotten as u8])?.split_first_chunk::<16>()?;
    Some(PersonNumber(u64::from_be_bytes(number.try_into().ok()?)))
}

/// Key of name tags.
pub fn tag_key() -> Vec<u8> {
    of(EntryKind::Store, &[1])
}

/// Signing key of the log.
pub fn signing_key() -> Vec<u8> {
    of(EntryKind::Store, &[2])
}

/// Counters.
pub fn counters() -> Vec<u8> {
    of(EntryKind::Store, &[3])
}

/// Settings.
pub fn settings() -> Vec<u8> {
    of(EntryKind::Store, &[4])
}

/// Progress of an import.
pub fn import_progress() -> Vec<u8> {
    of(EntryKind::Store, &[5])
}

/// Keys of the log: *format 3*.
pub fn log_keys() -> Vec<u8> {
    of(EntryKind::Store, &[8])
}

/// The head of the log that was signed last: *format 3*.
pub fn signed_head() -> Vec<u8> {
    of(EntryKind::Store, &[9])
}

/// What was given up.
pub fn losses() -> Vec<u8> {
    of(EntryKind::Store, &[7])
}

/// What is known of the time.
pub fn seen() -> Vec<u8> {
    of(EntryKind::Store, &[6])
}

/// What is recorded of acts.
pub fn audit_rules() -> Vec<u8> {
    of(EntryKind::Store, &[10])
}

/// A period of acts, by the number of its person.
pub fn audit_period(number: PersonNumber) -> Vec<u8> {
    [audit_periods(), number.0.to_be_bytes().to_vec()].concat()
}

/// Prefix of every period of acts.
pub fn audit_periods() -> Vec<u8> {
    of(EntryKind::Store, &[11])
}

/// The number in the key of a period of acts.
pub fn parse_audit_period(key: &[u8]) -> Option<PersonNumber> {
    let number = key.strip_prefix(&[EntryKind::Store as u8, 11])?;
    Some(PersonNumber(u64::from_be_bytes(number.try_into().ok()?)))
}

/// A record that an erasure on its way takes too.
pub fn further(request: RequestId, seq: Seq) -> Vec<u8> {
    [further_prefix(request), seq.0.to_be_bytes().to_vec()].concat()
}

/// Prefix of every record that an erasure on its way takes too.
pub fn further_prefix(request: RequestId) -> Vec<u8> {
    of(EntryKind::Further, &request.0)
}

/// The position in a key of kind further.
pub fn parse_further(key: &[u8]) -> Option<Seq> {
    let (_, seq) = key.strip_prefix(&[EntryKind::Further as u8])?.split_first_chunk::<16>()?;
    Some(Seq(u64::from_be_bytes(seq.try_into().ok()?)))
}

/// A record that an erasure on its way was asked for, one of many.
pub fn chosen(request: RequestId, seq: Seq) -> Vec<u8> {
    [chosen_prefix(request), seq.0.to_be_bytes().to_vec()].concat()
}

/// Prefix of every record that an erasure on its way was asked for.
pub fn chosen_prefix(request: RequestId) -> Vec<u8> {
    of(EntryKind::Chosen, &request.0)
}

/// The position in a key of kind chosen.
pub fn parse_chosen(key: &[u8]) -> Option<Seq> {
    let (_, seq) = key.strip_prefix(&[EntryKind::Chosen as u8])?.split_first_chunk::<16>()?;
    Some(Seq(u64::from_be_bytes(seq.try_into().ok()?)))
}
