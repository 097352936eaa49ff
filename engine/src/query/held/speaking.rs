//! Which record a record speaks of, wherever that stands.

use roaring::RoaringBitmap;

use crate::error::{ErrorKind, Result};
use crate::id::Seq;
use crate::index::{Part, Term};
use crate::record::Kind;
use crate::view::View;

/// A document of one of the parts of a view: the number of the part, and its own there.
pub(crate) type At = (usize, u32);

/// Adds the records of which these documents are edits.
pub(super) fn add_edited(view: &View, parts: &[&dyn Part], docs: &mut [RoaringBitmap]) -> Result<()> {
    for ((nth, doc), _) in edited(view, parts, docs)? {
        docs.get_mut(nth).into_iter().for_each(|docs| _ = docs.insert(doc));
    }
    Ok(())
}

/// The records of which these documents are edits, as far as they are there, each with the edit.
pub(super) fn edited(view: &View, parts: &[&dyn Part], docs: &[RoaringBitmap]) -> Result<Vec<(At, At)>> {
    let (mut edits, mut seqs) = (Vec::new(), Vec::new());
    for (nth, (part, docs)) in parts.iter().zip(docs).enumerate().filter(|(_, (_, docs))| !docs.is_empty()) {
        for doc in part.postings(&Term::kind(Kind::Edit))? & docs {
            edits.push((nth, doc));
            seqs.push(part.key(doc)?.seq);
        }
    }
    let mut pairs = Vec::new();
    if edits.is_empty() {
        return Ok(pairs);
    }
    for (edit, root) in edits.into_iter().zip(view.roots(&seqs)?) {
        if let Some(root) = root {
            pairs.extend(place(parts, root)?.map(|root| (root, edit)));
        }
    }
    Ok(pairs)
}

/// Of those of `among` that speak of others: each, and the records it speaks of. One that can't be read
/// speaks of nothing that is known.
pub(super) fn spoken(view: &View, parts: &[&dyn Part], among: &[RoaringBitmap]) -> Result<Vec<(At, At)>> {
    let gates = view.gates();
    let mut pairs = Vec::new();
    for (nth, (part, among)) in parts.iter().zip(among).enumerate().filter(|(_, (_, docs))| !docs.is_empty())
    {
        for kind in Kind::ALL.into_iter().filter(|kind| kind.has_target()) {
            let term = Term::kind(kind);
            if part.frequency(&term)? == 0 {
                continue;
            }
            let mut docs = among.clone();
            part.sift(&term, true, &mut docs)?;
            // Who reacts is not among those of whom the view knows what they speak of.
            let mut events = Vec::new();
            for doc in docs {
                let event = if kind == Kind::Reaction {
                    match view.spoken_of(&gates, *part, doc) {
                        Ok(Some((place, of))) => {
                            let at = parts.iter().position(|part| std::ptr::addr_eq(*part, place.part));
                            pairs.extend(at.map(|at| ((nth, doc), (at, place.doc))));
                            of
                        }
                        Ok(None) => continue,
                        Err(e) if e.kind() == ErrorKind::Corrupt => continue,
                        Err(e) => return Err(e),
                    }
                } else {
                    part.key(doc)?.seq
                };
                events.push((doc, event));
            }
            let seqs: Vec<Seq> = events.iter().map(|(_, event)| *event).collect();
            for ((doc, _), root) in events.into_iter().zip(view.roots(&seqs)?) {
                if let Some(root) = root {
                    pairs.extend(place(parts, root)?.map(|root| ((nth, doc), root)));
                }
            }
        }
    }
    Ok(pairs)
}

/// Leaves out of these documents what speaks of a record that is not among them: without that, what it took back or
/// put right would be found again.
///
/// # Errors
/// Unreadable files.
pub(crate) fn leave_what_speaks_of_others(
    view: &View,
    parts: &[&dyn Part],
    docs: &mut [RoaringBitmap],
) -> Result<()> {
    let mut stay = Vec::new();
    for (event, (nth, of)) in spoken(view, parts, docs)? {
        if !docs.get(nth).is_some_and(|docs| docs.contains(of)) {
            stay.push(event);
        }
    }
    for (nth, doc) in stay {
        docs.get_mut(nth).into_iter().for_each(|docs| _ = docs.remove(doc));
    }
    Ok(())
}

/// Where a log position stands; `None` if in none of the parts.
///
/// # Errors
/// Unreadable files.
pub(crate) fn place(parts: &[&dyn Part], seq: Seq) -> Result<Option<At>> {
    for (nth, part) in parts.iter().enumerate() {
        if let Some(doc) = part.doc_of(seq)? {
            return Ok(Some((nth, doc)));
        }
    }
    Ok(None)
}
