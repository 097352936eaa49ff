//! What speaks of a record goes with it: its edits, deletions, reactions and tags, and what speaks of those.
//!
//! They bear the subjects of what they are about, so a person's key takes most of them. But one may have come
//! before its record, and a record may go alone. So whoever speaks of what goes is looked for, in the
//! conversations that something goes from, wherever in the store it stands; it goes in the same pass, by the
//! second lock. One that can't be read goes too: it may speak of it, and its file may come back.

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use crate::erase::{rules, target};
use crate::error::{ErrorKind, Result};
use crate::id::Seq;
use crate::index::{Field, Part, Term};
use crate::keyring::pending::{Target, Waiting};
use crate::query::held::Keeps;
use crate::record::Kind;
use crate::view::View;

/// Kinds that speak of another record.
fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.has_target())
}

/// Documents of a part that speak of others.
fn speaking(part: &dyn Part) -> Result<RoaringBitmap> {
    kinds().try_fold(RoaringBitmap::new(), |docs, kind| Ok(docs | part.postings(&Term::kind(kind))?))
}

/// Log positions, ascending, of what goes with an erasure because it speaks of what goes, and is not kept by
/// a rule of its own; with those that are noted already.
pub(crate) fn find(view: &View, waiting: &Waiting, keeps: &Keeps<'_>) -> Result<Vec<Seq>> {
    let mut family: BTreeSet<Seq> = waiting.family.iter().copied().collect();
    // Whoever speaks of a record that stays without a part of it goes on speaking of it.
    let whole = waiting.target.redacted().is_some()
        || matches!(waiting.target, Target::Conversation(_) | Target::Audit { .. });
    let parts = view.parts();
    let mut speaking_in = Vec::new();
    for part in &parts {
        speaking_in.push(if whole { RoaringBitmap::new() } else { speaking(*part)? });
    }
    // A conversation holds whoever speaks of its records.
    if speaking_in.iter().all(RoaringBitmap::is_empty) {
        return Ok(family.into_iter().collect());
    }
    let gone: Vec<_> = parts.iter().map(|part| target::doomed_in(*part, waiting)).collect::<Result<_>>()?;
    let conversations = conversations(&parts, &gone)?;
    let gates = view.gates();
    // Who speaks of what stays for now, by where that stands.
    let mut heirs: HashMap<Seq, Vec<Seq>> = HashMap::new();
    let mut next = family.iter().copied().collect::<Vec<_>>();
    for ((part, speaking), gone_here) in parts.iter().zip(&speaking_in).zip(&gone) {
        let mut here = RoaringBitmap::new();
        for conversation in conversations.iter().filter(|_| !speaking.is_empty()) {
            here |= part.postings(conversation)? & speaking;
        }
        for doc in here - gone_here {
            let seq = part.key(doc)?.seq;
            match view.spoken_of(&gates, *part, doc) {
                Ok(Some((place, of))) => {
                    let at = parts.iter().position(|part| std::ptr::addr_eq(*part, place.part));
                    let goes = at.and_then(|at| gone.get(at)).is_some_and(|docs| docs.contains(place.doc));
                    if goes { next.push(seq) } else { heirs.entry(of).or_default().push(seq) }
                }
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::Corrupt => next.push(seq),
                Err(e) => return Err(e),
            }
        }
    }
    while let Some(seq) = next.pop() {
        family.insert(seq);
        next.extend(heirs.remove(&seq).into_iter().flatten());
    }
    if !family.is_empty() && !keeps.is_idle() {
        leave_kept(&parts, &mut family, keeps, rules::takes_restricted(&waiting.target))?;
    }
    Ok(family.into_iter().collect())
}

/// Somebody's reaction may be held where what it is a reaction to is not; or restricted, for it may be of more people.
fn leave_kept(
    parts: &[&dyn Part],
    family: &mut BTreeSet<Seq>,
    keeps: &Keeps<'_>,
    takes_restricted: bool,
) -> Result<()> {
    let mut docs = vec![RoaringBitmap::new(); parts.len()];
    for seq in family.iter() {
        for (part, docs) in parts.iter().zip(&mut docs) {
            docs.extend(part.doc_of(*seq)?);
        }
    }
    let found = keeps.among(&docs)?;
    for (nth, part) in parts.iter().enumerate() {
        let [held, restricted, locked] = found.parted(nth);
        let mut kept = held | locked;
        if !takes_restricted {
            kept |= restricted;
        }
        for seq in part.seqs(&kept)? {
            family.remove(&seq);
        }
    }
    Ok(())
}

/// Conversations of documents of these parts.
fn conversations(parts: &[&dyn Part], docs: &[RoaringBitmap]) -> Result<BTreeSet<Term>> {
    let mut all = BTreeSet::new();
    for (part, docs) in parts.iter().zip(docs).filter(|(_, docs)| !docs.is_empty()) {
        for (value, _) in part.terms(Field::Conversation)? {
            let term = Term { field: Field::Conversation, value };
            if !term.value.is_empty() && !all.contains(&term) && !part.postings(&term)?.is_disjoint(docs) {
                all.insert(term);
            }
        }
    }
    Ok(all)
}

/// Those of the records which an earlier pass found to go that speak of others, ascending.
pub fn kept(view: &View, waiting: &Waiting) -> Result<Vec<Seq>> {
    let mut family = BTreeSet::new();
    if !waiting.further.is_empty() {
        for part in view.parts() {
            for doc in speaking(part)? {
                let seq = part.key(doc)?.seq;
                if waiting.further.binary_search(&seq).is_ok() {
                    family.insert(seq);
                }
            }
        }
    }
    Ok(family.into_iter().collect())
}
