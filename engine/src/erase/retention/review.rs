//! Classes whose records somebody looks at when their longest time is over: what is due, one by one. Nothing happens
//! to it by itself: who looked erases it, holds it until he looks again, or leaves it.

use roaring::RoaringBitmap;
use zeroize::Zeroizing;

use crate::erase::pass;
use crate::error::{Error, Result};
use crate::id::{Micros, PersonNumber, Seq};
use crate::index::{Mask, Part};
use crate::query::held::{Keeps, Starts};
use crate::record::Kind;
use crate::register::class::{Kept, Then};
use crate::view::View;

/// A record that is due for review, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForReview {
    /// Code of its class.
    pub class: String,
    /// Log position.
    pub seq: Seq,
    /// Its id.
    pub id: String,
    /// Its conversation.
    pub conversation: String,
    /// When it happened.
    pub time: Micros,
    /// What it is.
    pub kind: Kind,
    /// When its longest time was over.
    pub since: Micros,
}

/// What is due at an instant of one class that is reviewed, or of all of them, by class and then by how long it is due;
/// and whose records these are. What a hold, a restriction or a lock keeps is left out, and what `mask` hides.
///
/// # Errors
/// *Not found* for a class that is not reviewed; *corrupt* while a segment or a record of a register can't be read.
pub fn due(
    view: &View,
    mask: &Mask,
    code: Option<&str>,
    at: Micros,
) -> Result<(Vec<ForReview>, Vec<PersonNumber>)> {
    if !view.missing.is_empty() {
        return Err(pass::waits());
    }
    view.check_rules()?;
    let is_meant =
        |class: &&Kept| class.class.then == Then::Review && code.is_none_or(|code| code == class.class.code);
    let classes: Vec<&Kept> = view.rules().classes.iter().filter(is_meant).collect();
    if code.is_some() && classes.is_empty() {
        return Err(Error::not_found("no class of this code is reviewed"));
    }
    let (parts, keeps) = (view.parts(), Keeps::of(view, at)?);
    let (mut all, mut people) = (Vec::new(), Vec::new());
    for class in classes {
        let from = all.len();
        look(view, mask, (class, &parts, &keeps), at, &mut |one, subjects| {
            all.push(one);
            people.extend_from_slice(subjects);
        })?;
        all.get_mut(from..).unwrap_or_default().sort_by_key(|one: &ForReview| (one.since, one.seq));
    }
    people.sort_unstable();
    people.dedup();
    Ok((all, people))
}

fn look(
    view: &View,
    mask: &Mask,
    (class, parts, keeps): (&Kept, &[&dyn Part], &Keeps<'_>),
    at: Micros,
    each: &mut impl FnMut(ForReview, &[PersonNumber]),
) -> Result<()> {
    let Some(maximum) = class.maximum else { return Ok(()) };
    let (mut of_class, mut all_over) = (Vec::new(), Vec::new());
    for part in parts {
        of_class.push(part.class_docs(class.class.number)? - mask.docs_in(*part)?);
    }
    let starts = Starts::of(view, class, parts, &of_class)?;
    for (nth, (part, docs)) in parts.iter().zip(&of_class).enumerate() {
        all_over.push(starts.over(*part, nth, docs, |start| super::is_past(class, start, at))?.0);
    }
    let kept = keeps.among(&all_over)?;
    for (nth, (part, over)) in parts.iter().zip(all_over).enumerate() {
        let [held, restricted, locked] = kept.parted(nth);
        for doc in over - (held | restricted | locked) {
            let stored = Zeroizing::new(part.record(doc)?);
            let start = starts.latest(*part, nth, &RoaringBitmap::from_iter([doc]))?;
            let one = ForReview {
                class: class.class.code.clone(),
                seq: part.key(doc)?.seq,
                id: stored.id.clone(),
                conversation: stored.conversation.clone(),
                time: stored.time,
                kind: stored.kind,
                since: start.and_then(|start| maximum.after(start)).unwrap_or(at),
            };
            each(one, &stored.subjects);
        }
    }
    Ok(())
}
