//! Typed access to the entries of the key tree: one function to get and one to set each.

use zeroize::Zeroizing;

use crate::crypto::Secret;
use crate::crypto::kdf::{Label, expand};
use crate::error::{Error, Result};
use crate::id::{Handle, PersonNumber, RequestId, SegmentId, Seq};
use crate::keyring::entry::{
    AuditPeriod, AuditRules, Counters, Entry, EntryKind, Evidence, Forgotten, Further, Identifier, Journal,
    Person, Seen, Segment, Settings, StoreKey, key, name_tag,
};
use crate::keyring::log_keys::{LogKeys, SignedHead};
use crate::keyring::losses::{Loss, Losses};
use crate::keyring::pending::{Done, Pending, Target, Waiting};
use crate::keyring::progress::ImportProgress;
use crate::keyring::{Changes, Tree};

/// Which journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRole {
    /// The one that is written, or being rolled.
    Current,
    /// The one that is written while the other is rolled.
    Next,
}

/// Computes keys of names.
#[derive(Clone)]
pub struct Tagger(Secret);

impl Tagger {
    /// Tags under the store's tag key.
    pub fn new(tag_key: &[u8; 32]) -> Self {
        Self(Secret::from_bytes(tag_key))
    }

    /// Key of the entry of an identifier.
    pub fn name_key(&self, identifier: &str) -> Vec<u8> {
        key::name(&name_tag(&self.0, identifier))
    }

    /// Sixteen bytes that say nothing about `parts` to whoever lacks the store's tag key.
    pub fn mark(&self, label: Label, parts: &[&[u8]]) -> [u8; 16] {
        let mut all: Vec<&[u8]> = vec![&*self.0];
        all.extend(parts);
        let mut mark = [0; 16];
        expand(label, &all, &mut mark);
        mark
    }
}

fn get<T: Entry>(tree: &Tree, key: &[u8]) -> Result<Option<T>> {
    tree.get(key)?.map(|v| T::decode(&v)).transpose()
}

fn wanted<T: Entry>(tree: &Tree, key: &[u8], what: &str) -> Result<T> {
    get(tree, key)?.ok_or_else(|| Error::corrupt(format!("the key tree has no {what}")))
}

fn put<T: Entry>(changes: &mut Changes, key: Vec<u8>, value: &T) -> Result<()> {
    changes.insert(key, Some(value.encode()?));
    Ok(())
}

/// A person's keys.
pub fn person(tree: &Tree, number: PersonNumber) -> Result<Option<Person>> {
    get(tree, &key::person(number))
}

/// Shows everybody who has keys to `f`, by number, whoever stands for acts or evidence too.
pub fn each_person(tree: &Tree, mut f: impl FnMut(PersonNumber, &Person)) -> Result<()> {
    tree.each(&EntryKind::Person.prefix(), |k, value| {
        if let Some((number, None)) = key::parse_person(k) {
            f(number, &Person::decode(value)?);
        }
        Ok(true)
    })
}

/// Whether a person has keys.
pub fn has_person(tree: &Tree, number: PersonNumber) -> Result<bool> {
    Ok(tree.get(&key::person(number))?.is_some())
}

/// The people linked to a person.
pub fn links(tree: &Tree, number: PersonNumber) -> Result<Vec<PersonNumber>> {
    Ok(person(tree, number)?.map(|p| p.linked).unwrap_or_default())
}

/// A person's identifiers, in the order they were learned.
pub fn identifiers(tree: &Tree, number: PersonNumber) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (k, value) in tree.scan(&key::person_prefix(number))? {
        if let Some((_, Some(_))) = key::parse_person(&k) {
            all.push(Identifier::decode(&value)?.0.to_string());
        }
    }
    Ok(all)
}

/// Number of the person with an identifier.
pub fn number(tree: &Tree, tagger: &Tagger, identifier: &str) -> Result<Option<PersonNumber>> {
    get(tree, &tagger.name_key(identifier))
}

/// Sets a person, all her identifiers, and their tags.
pub fn put_person(
    changes: &mut Changes,
    tagger: &Tagger,
    number: PersonNumber,
    person: &Person,
    identifiers: &[String],
) -> Result<()> {
    put(changes, key::person(number), person)?;
    for (i, identifier) in identifiers.iter().enumerate() {
        let i = u8::try_from(i).map_err(|_| Error::invalid("too many identifiers of one person"))?;
        put(changes, key::identifier(number, i), &Identifier(Zeroizing::new(identifier.clone())))?;
        put(changes, tagger.name_key(identifier), &number)?;
    }
    Ok(())
}

/// Those of a person's identifiers that stay, in the order in which they are to stand.
pub fn staying(identifiers: &[String], stays: &[u8]) -> Vec<String> {
    stays.iter().filter_map(|at| identifiers.get(usize::from(*at)).cloned()).collect()
}

/// Takes the other identifiers from a person, and their tags.
pub fn keep_identifiers(
    changes: &mut Changes,
    tree: &Tree,
    tagger: &Tagger,
    number: PersonNumber,
    stays: &[u8],
) -> Result<()> {
    let Some(mut entry) = person(tree, number)? else { return Ok(()) };
    let all = identifiers(tree, number)?;
    for (at, identifier) in all.iter().enumerate() {
        if !stays.iter().any(|stays| usize::from(*stays) == at) {
            changes.insert(tagger.name_key(identifier), None);
        }
        if at >= stays.len() {
            let at = u8::try_from(at).map_err(|_| Error::invalid("too many identifiers of one person"))?;
            changes.insert(key::identifier(number, at), None);
        }
    }
    let left = staying(&all, stays);
    entry.identifiers = u8::try_from(left.len()).map_err(|_| Error::invalid("too many identifiers"))?;
    put_person(changes, tagger, number, &entry, &left)
}

/// Removes a person, her identifiers, and their tags.
pub fn remove_person(
    changes: &mut Changes,
    tree: &Tree,
    tagger: &Tagger,
    number: PersonNumber,
) -> Result<()> {
    for identifier in identifiers(tree, number)? {
        changes.insert(tagger.name_key(&identifier), None);
    }
    for (k, _) in tree.scan(&key::person_prefix(number))? {
        changes.insert(k, None);
    }
    Ok(())
}

/// Who stands for the evidence about somebody.
pub fn evidence(tree: &Tree, handle: Handle) -> Result<Option<PersonNumber>> {
    Ok(get::<Evidence>(tree, &key::evidence(handle))?.map(|evidence| evidence.number))
}

/// Shows to `f` who stands for the evidence about whom, living or erased.
pub fn each_evidence(tree: &Tree, mut f: impl FnMut(Handle, PersonNumber)) -> Result<()> {
    tree.each(&EntryKind::Evidence.prefix(), |k, value| {
        if let Some(handle) = key::parse_evidence(k) {
            f(handle, Evidence::decode(value)?.number);
        }
        Ok(true)
    })
}

/// Says who stands for the evidence about somebody.
pub fn put_evidence(changes: &mut Changes, handle: Handle, number: PersonNumber) -> Result<()> {
    put(changes, key::evidence(handle), &Evidence { number })
}

/// Forgets that there was evidence about somebody.
pub fn remove_evidence(changes: &mut Changes, handle: Handle) {
    changes.insert(key::evidence(handle), None);
}

/// Every segment, by number.
pub fn segments(tree: &Tree) -> Result<Vec<(SegmentId, Segment)>> {
    let mut all = Vec::new();
    for (k, value) in tree.scan(&EntryKind::Segment.prefix())? {
        let id = key::parse_segment(&k).ok_or_else(|| Error::corrupt("a key of a segment is malformed"))?;
        all.push((id, Segment::decode(&value)?));
    }
    Ok(all)
}

/// Sets a segment.
pub fn put_segment(changes: &mut Changes, id: SegmentId, segment: &Segment) -> Result<()> {
    put(changes, key::segment(id), segment)
}

/// Removes a segment.
pub fn remove_segment(changes: &mut Changes, id: SegmentId) {
    changes.insert(key::segment(id), None);
}

fn journal_key(role: JournalRole) -> Vec<u8> {
    match role {
        JournalRole::Current => key::journal_current(),
        JournalRole::Next => key::journal_next(),
    }
}

/// A journal.
pub fn journal(tree: &Tree, role: JournalRole) -> Result<Journal> {
    wanted(tree, &journal_key(role), "journal")
}

/// Sets a journal.
pub fn put_journal(changes: &mut Changes, role: JournalRole, journal: &Journal) -> Result<()> {
    put(changes, journal_key(role), journal)
}

/// Numbers given once.
pub fn counters(tree: &Tree) -> Result<Counters> {
    wanted(tree, &key::counters(), "counters")
}

/// Sets the counters.
pub fn put_counters(changes: &mut Changes, counters: &Counters) -> Result<()> {
    put(changes, key::counters(), counters)
}

/// What was given up so far.
pub fn losses(tree: &Tree) -> Result<Losses> {
    Ok(get(tree, &key::losses())?.unwrap_or_default())
}

/// Notes what the same changes give up.
pub fn add_losses(changes: &mut Changes, tree: &Tree, given_up: &[Loss]) -> Result<()> {
    if given_up.is_empty() {
        return Ok(());
    }
    let mut all = losses(tree)?;
    given_up.iter().for_each(|loss| all.add(*loss));
    put(changes, key::losses(), &all)
}

/// What the store was made with.
pub fn settings(tree: &Tree) -> Result<Settings> {
    wanted(tree, &key::settings(), "settings")
}

/// Sets what the store is made with.
pub fn put_settings(changes: &mut Changes, settings: &Settings) -> Result<()> {
    put(changes, key::settings(), settings)
}

/// Key of name tags and cursors.
pub fn tag_key(tree: &Tree) -> Result<Secret> {
    Ok(wanted::<StoreKey>(tree, &key::tag_key(), "tag key")?.0)
}

/// Sets the key of name tags.
pub fn put_tag_key(changes: &mut Changes, secret: &[u8; 32]) -> Result<()> {
    put(changes, key::tag_key(), &StoreKey(Secret::from_bytes(secret)))
}

/// Seed of the log's signing key.
pub fn signing_key(tree: &Tree) -> Result<Secret> {
    Ok(wanted::<StoreKey>(tree, &key::signing_key(), "signing key")?.0)
}

/// Sets the seed of the log's signing key.
pub fn put_signing_key(changes: &mut Changes, secret: &[u8; 32]) -> Result<()> {
    put(changes, key::signing_key(), &StoreKey(Secret::from_bytes(secret)))
}

/// Keys of the log that came and went, and what waits of a change.
pub fn log_keys(tree: &Tree) -> Result<LogKeys> {
    Ok(get(tree, &key::log_keys())?.unwrap_or_default())
}

/// Sets them.
pub fn put_log_keys(changes: &mut Changes, keys: &LogKeys) -> Result<()> {
    put(changes, key::log_keys(), keys)
}

/// The head that was signed last, of those that no roll had published.
pub fn signed_head(tree: &Tree) -> Result<Option<SignedHead>> {
    get(tree, &key::signed_head())
}

/// Sets it.
pub fn put_signed_head(changes: &mut Changes, head: &SignedHead) -> Result<()> {
    put(changes, key::signed_head(), head)
}

/// Forgets it: nothing that was signed is continued any more.
pub fn remove_signed_head(changes: &mut Changes) {
    changes.insert(key::signed_head(), None);
}

/// Every accepted erasure, by request.
pub fn pending(tree: &Tree) -> Result<Vec<(RequestId, Pending)>> {
    let mut all = Vec::new();
    for (k, value) in tree.scan(&EntryKind::Pending.prefix())? {
        let id = key::parse_pending(&k).ok_or_else(|| Error::corrupt("a key of an erasure is malformed"))?;
        all.push((id, Pending::decode(&value)?));
    }
    Ok(all)
}

/// Erasures that wait for a pass.
pub fn waiting(tree: &Tree) -> Result<Vec<(RequestId, Waiting)>> {
    let mut waiting = Vec::new();
    for (id, pending) in pending(tree)? {
        if let Pending::Waiting(mut one) = pending {
            for (k, _) in tree.scan(&key::forgotten_prefix(id))? {
                one.forgotten.extend(key::parse_forgotten(&k));
            }
            one.further = positions(tree, &key::further_prefix(id), key::parse_further)?;
            if let Target::Records { seqs, .. } = &mut one.target {
                *seqs = positions(tree, &key::chosen_prefix(id), key::parse_chosen)?;
            }
            waiting.push((id, one));
        }
    }
    Ok(waiting)
}

/// Keeps whom an erasure forgets for its next pass, or lets go of them with its last.
pub fn put_forgotten(
    changes: &mut Changes,
    tree: &Tree,
    request: RequestId,
    people: &[PersonNumber],
) -> Result<()> {
    for (k, _) in tree.scan(&key::forgotten_prefix(request))? {
        changes.insert(k, None);
    }
    for number in people {
        put(changes, key::forgotten(request, *number), &Forgotten)?;
    }
    Ok(())
}

/// Log positions that stand in entries with a prefix.
fn positions(tree: &Tree, prefix: &[u8], parse: impl Fn(&[u8]) -> Option<Seq>) -> Result<Vec<Seq>> {
    let mut all = Vec::new();
    for (k, value) in tree.scan(prefix)? {
        let first = parse(&k).ok_or_else(|| Error::corrupt("a key of records that go is malformed"))?;
        all.extend(Further::decode(&value)?.seqs(first));
    }
    Ok(all)
}

/// Puts ascending log positions in the place of those that stand in entries with a prefix.
fn put_positions(
    changes: &mut Changes,
    tree: &Tree,
    prefix: &[u8],
    key_of: impl Fn(Seq) -> Vec<u8>,
    seqs: &[Seq],
) -> Result<()> {
    for (k, _) in tree.scan(prefix)? {
        changes.insert(k, None);
    }
    let mut left = seqs;
    while let Some(first) = left.first().copied() {
        let (further, taken) = Further::of(left);
        put(changes, key_of(first), &further)?;
        left = left.get(taken..).unwrap_or_default();
    }
    Ok(())
}

/// Notes which records an erasure takes besides what it was asked for, ascending, in the place of what was noted
/// before.
pub fn put_further(changes: &mut Changes, tree: &Tree, request: RequestId, seqs: &[Seq]) -> Result<()> {
    put_positions(changes, tree, &key::further_prefix(request), |seq| key::further(request, seq), seqs)
}

/// Notes likewise which records it was asked for, of those that are chosen one by one.
pub fn put_chosen(changes: &mut Changes, tree: &Tree, request: RequestId, seqs: &[Seq]) -> Result<()> {
    put_positions(changes, tree, &key::chosen_prefix(request), |seq| key::chosen(request, seq), seqs)
}

/// What is recorded of acts, if the store says.
pub fn audit_rules(tree: &Tree) -> Result<Option<AuditRules>> {
    get(tree, &key::audit_rules())
}

/// Changes what is recorded of acts.
pub fn put_audit_rules(changes: &mut Changes, rules: &AuditRules) -> Result<()> {
    put(changes, key::audit_rules(), rules)
}

/// The periods of acts whose keys live, by the numbers of their persons.
pub fn audit_periods(tree: &Tree) -> Result<Vec<(PersonNumber, AuditPeriod)>> {
    let mut all = Vec::new();
    for (k, value) in tree.scan(&key::audit_periods())? {
        let number = key::parse_audit_period(&k)
            .ok_or_else(|| Error::corrupt("a key of a period of acts is malformed"))?;
        all.push((number, AuditPeriod::decode(&value)?));
    }
    Ok(all)
}

/// Adds or changes a period of acts.
pub fn put_audit_period(changes: &mut Changes, number: PersonNumber, period: &AuditPeriod) -> Result<()> {
    put(changes, key::audit_period(number), period)
}

/// Removes a period of acts.
pub fn remove_audit_period(changes: &mut Changes, number: PersonNumber) {
    changes.insert(key::audit_period(number), None);
}

/// What is known of the time, if anything was noted.
pub fn seen(tree: &Tree) -> Result<Option<Seen>> {
    get(tree, &key::seen())
}

/// Notes what is known of the time.
pub fn put_seen(changes: &mut Changes, seen: &Seen) -> Result<()> {
    put(changes, key::seen(), seen)
}

/// Erasures whose answer is due.
pub fn done(tree: &Tree) -> Result<Vec<(RequestId, Done)>> {
    let all = pending(tree)?.into_iter();
    Ok(all.filter_map(|(id, p)| if let Pending::Done(d) = p { Some((id, d)) } else { None }).collect())
}

/// Whether a request was accepted and not answered.
pub fn has_pending(tree: &Tree, request: RequestId) -> Result<bool> {
    Ok(tree.get(&key::pending(request))?.is_some())
}

/// Sets an erasure.
pub fn put_pending(changes: &mut Changes, request: RequestId, pending: &Pending) -> Result<()> {
    put(changes, key::pending(request), pending)
}

/// Removes an erasure that was answered.
pub fn remove_pending(changes: &mut Changes, request: RequestId) {
    changes.insert(key::pending(request), None);
}

/// How far the last import that was cut had come.
pub fn import_progress(tree: &Tree) -> Result<Option<ImportProgress>> {
    get(tree, &key::import_progress())
}

/// Sets how far an import came.
pub fn put_import_progress(changes: &mut Changes, progress: &ImportProgress) -> Result<()> {
    put(changes, key::import_progress(), progress)
}

/// Forgets how far an import came, if anything is known of one.
pub fn remove_import_progress(changes: &mut Changes, tree: &Tree) -> Result<()> {
    if tree.get(&key::import_progress())?.is_some() {
        changes.insert(key::import_progress(), None);
    }
    Ok(())
}
