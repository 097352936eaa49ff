//! People of whom nothing but what goes tells: a store that never held it would not know them. They
//! are forgotten with it, as if they had been asked for.
//!
//! Who was linked by hand stays. Each candidate costs two look-ups a part at most, and the search
//! ends at the first part that has something else of him, newest first.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use crate::erase::target;
use crate::error::{ErrorKind, Result};
use crate::id::{PersonNumber, RequestId};
use crate::index::{Field, Part, Term};
use crate::keyring::catalog;
use crate::keyring::pending::{Target, Waiting};
use crate::query::held::Standing;
use crate::record::Kind;
use crate::state::State;
use crate::view::View;

/// Records of a part that are opened to see who is in them; of more the lists of all its people are asked, of whom
/// there may be as many as records.
const OPENED_MAX: u64 = 4096;

/// Candidates that are asked about while one reader keeps records from coming in.
const AT_ONCE: usize = 64;

/// Whoever is alone in `docs`, which go, for each of `parts`, and is not one of `dead`. Ascending.
pub fn left_alone(
    view: &View,
    parts: &[&dyn Part],
    docs: &[RoaringBitmap],
    dead: &[PersonNumber],
) -> Result<Vec<PersonNumber>> {
    let mut candidates = BTreeSet::new();
    for (part, docs) in parts.iter().zip(docs) {
        people_of(*part, docs, &mut candidates)?;
    }
    let mut alone = Vec::new();
    for number in candidates {
        if !dead.contains(&number) && is_alone(view, parts, docs, number)? {
            alone.push(number);
        }
    }
    Ok(alone)
}

fn is_alone(view: &View, parts: &[&dyn Part], docs: &[RoaringBitmap], number: PersonNumber) -> Result<bool> {
    Ok(number != PersonNumber::STORE
        && view.knows(number)?
        && !is_kept(view, number)?
        && catalog::links(&view.tree, number)?.is_empty()
        && !is_elsewhere(parts, docs, number)?)
}

/// Whom each of these erasures forgets, besides those whom it forgets already. Who is alone in what
/// several take goes with the last of them: one that somebody asked for, if there is any, for with such a
/// one goes what was typed about him.
///
/// The view is read in steps, so that appends don't wait for all of it. The caller forbids rolls and compactions, so parts
/// stay what they are and only records come. One that comes between two steps may name somebody who was found: so the caller
/// masks whom it found, waits for the frames on their way, and asks again, until it finds the same people. From the mask on
/// nothing comes that names them, so what the last answer says holds for all of it.
pub fn of_batch(
    state: &State,
    batch: &[(RequestId, Waiting)],
) -> Result<BTreeMap<RequestId, Vec<PersonNumber>>> {
    // Who is held stays known, whatever is left of him.
    let (count, mut dead) = {
        let view = state.view.read();
        let held: BTreeSet<_> = Standing::of(&view)?.people().collect();
        (view.parts().len(), held)
    };
    let mut gone = vec![RoaringBitmap::new(); count];
    for (_, waiting) in batch {
        dead.extend(&waiting.forgotten);
        if let Target::Persons(numbers) | Target::Audit { numbers, .. } = &waiting.target {
            dead.extend(numbers);
        }
    }
    let mut all = BTreeMap::new();
    // A record that stays without a part of it names whom it named.
    let takes_all = |waiting: &Waiting| waiting.target.redacted().is_none();
    let mut in_order: Vec<_> = batch.iter().filter(|(_, waiting)| takes_all(waiting)).collect();
    in_order.sort_by_key(|(_, waiting)| waiting.was_asked_for());
    for (request, waiting) in in_order {
        let mut candidates = BTreeSet::new();
        for (nth, gone) in gone.iter_mut().enumerate() {
            let view = state.view.read();
            let Some(part) = view.parts().get(nth).copied() else { continue };
            *gone |= target::doomed_in(part, waiting)?;
            people_of(part, gone, &mut candidates)?;
        }
        let candidates: Vec<_> = candidates.into_iter().filter(|number| !dead.contains(number)).collect();
        let mut alone = Vec::new();
        for candidates in candidates.chunks(AT_ONCE) {
            let view = state.view.read();
            let parts = view.parts();
            for number in candidates.iter().copied() {
                if is_alone(&view, &parts, &gone, number)? {
                    alone.push(number);
                }
            }
        }
        if !alone.is_empty() {
            dead.extend(&alone);
            all.insert(*request, alone);
        }
    }
    Ok(all)
}

/// Whether a number lives whatever is in it: it stands for a period of acts or for evidence, which go on
/// their dates, or there is evidence about whom it is: a store that never held what goes would know her too.
fn is_kept(view: &View, number: PersonNumber) -> Result<bool> {
    let is_nobody = catalog::person(&view.tree, number)?.is_some_and(|person| person.is_nobody());
    Ok(is_nobody || view.evidence_number(number)?.is_some())
}

/// Authors and subjects of `docs`.
fn people_of(part: &dyn Part, docs: &RoaringBitmap, people: &mut BTreeSet<PersonNumber>) -> Result<()> {
    if docs.len() <= OPENED_MAX {
        match opened(part, docs, people) {
            // What doesn't open is in the lists all the same.
            Err(e) if e.kind() == ErrorKind::Corrupt => {}
            done => return done,
        }
    }
    for field in [Field::Author, Field::Subject] {
        for (value, _) in part.terms(field)? {
            let Ok(bytes) = <[u8; 8]>::try_from(value.as_slice()) else { continue };
            let number = PersonNumber(u64::from_be_bytes(bytes));
            if !people.contains(&number) && !part.postings(&Term::person(field, number))?.is_disjoint(docs) {
                people.insert(number);
            }
        }
    }
    Ok(())
}

fn opened(part: &dyn Part, docs: &RoaringBitmap, people: &mut BTreeSet<PersonNumber>) -> Result<()> {
    for doc in docs {
        let stored = zeroize::Zeroizing::new(part.record(doc)?);
        people.extend(stored.subjects.iter().copied().chain([stored.author]));
    }
    Ok(())
}

/// Whether anything but what goes, and the record that says who he is, names a person.
fn is_elsewhere(parts: &[&dyn Part], docs: &[RoaringBitmap], number: PersonNumber) -> Result<bool> {
    for (part, docs) in parts.iter().zip(docs).rev() {
        for field in [Field::Subject, Field::Author] {
            let term = Term::person(field, number);
            if part.frequency(&term)? == 0 {
                continue;
            }
            let mut left = part.postings(&term)?;
            left -= docs;
            if !left.is_empty() {
                left -= part.postings(&Term::kind(Kind::Person))?;
            }
            if !left.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
