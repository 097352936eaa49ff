//! From when the time of each record runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use roaring::RoaringBitmap;

use crate::crypto::kdf::Label;
use crate::error::Result;
use crate::id::{Handle, Micros};
use crate::index::{Field, Part, Term};
use crate::keyring::catalog::Tagger;
use crate::register::class::{Kept, Over, Start};
use crate::view::View;

/// The store's keyed mark of a conversation, as registers hold it.
pub(crate) fn mark_of(tagger: &Tagger, conversation: &[u8]) -> String {
    Handle(mark(tagger, conversation)).to_string()
}

fn mark(tagger: &Tagger, conversation: &[u8]) -> [u8; 16] {
    tagger.mark(Label::ConversationMark, &[conversation])
}

/// When the time of a class' records began.
pub(crate) enum Starts {
    /// With each record's own time.
    Own,
    /// Those of a conversation together, but none before its own time; for each part of the view.
    Together(Vec<Vec<Group>>),
}

/// Records of a class that stand in one conversation.
pub(crate) struct Group {
    mark: [u8; 16],
    docs: RoaringBitmap,
    start: Micros,
}

impl Starts {
    /// Finds out when; `of_class` are the documents of the class, part by part.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn of(
        view: &View,
        class: &Kept,
        parts: &[&dyn Part],
        of_class: &[RoaringBitmap],
    ) -> Result<Self> {
        if class.class.start == Start::Time || (class.maximum.is_none() && class.lock.is_none()) {
            return Ok(Self::Own);
        }
        let tagger = view.tagger();
        let mut found: Vec<Vec<([u8; 16], RoaringBitmap)>> = Vec::with_capacity(parts.len());
        for (part, of_class) in parts.iter().zip(of_class) {
            let mut groups = Vec::new();
            if !of_class.is_empty() {
                for (name, _) in part.terms(Field::Conversation)? {
                    let docs = part.postings(&Term { field: Field::Conversation, value: name.clone() })?;
                    let docs = docs & of_class;
                    if !docs.is_empty() {
                        groups.push((mark(tagger, &name), docs));
                    }
                }
            }
            found.push(groups);
        }
        let begun: HashMap<[u8; 16], Micros> = if class.class.start == Start::Event {
            let classes = &view.rules().classes;
            let marks = found.iter().flatten().map(|(mark, _)| *mark);
            let begun = |mark| classes.begun(class.class.number, &Handle(mark).to_string());
            marks.filter_map(|mark| Some((mark, begun(mark)?))).collect()
        } else {
            latest(tagger, parts, found.iter().flatten().map(|(mark, _)| *mark).collect())?
        };
        let group = |(mark, docs)| Some(Group { mark, docs, start: *begun.get(&mark)? });
        let all = found.into_iter().map(|groups| groups.into_iter().filter_map(group).collect());
        Ok(Self::Together(all.collect()))
    }

    /// Those of `docs` of the `nth` part whose start satisfies `is_over`, which holds for all starts some days
    /// before one that it holds for (`NEAR`); and the earliest start of the others, as far as it is known.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn over(
        &self,
        part: &dyn Part,
        nth: usize,
        docs: &RoaringBitmap,
        is_over: impl Fn(Micros) -> bool,
    ) -> Result<(RoaringBitmap, Option<Micros>)> {
        let near = first_not(&is_over);
        let (from, before) = (Micros(near.0 - NEAR), Micros(near.0 + NEAR));
        let mut over = docs & part.in_time(Micros(i64::MIN), from)?;
        for doc in docs & part.in_time(from, before)? {
            if is_over(part.key(doc)?.time) {
                over.insert(doc);
            }
        }
        let Self::Together(groups) = self else {
            let rest = docs - &over;
            let next = part.oldest(&rest, 1, None)?.first().map(|(key, _)| key.time);
            return Ok((over, next));
        };
        let (mut together, mut next) = (RoaringBitmap::new(), None::<Micros>);
        for group in groups.get(nth).into_iter().flatten() {
            let of_group = &group.docs & docs;
            let mut rest = of_group;
            if is_over(group.start) {
                let with_it = part.in_time(Micros(i64::MIN), Micros(group.start.0.saturating_add(1)))?;
                let gone = &rest & (with_it | &over);
                rest -= &gone;
                together |= gone;
            }
            if let Some((key, _)) = part.oldest(&rest, 1, None)?.first() {
                let start = key.time.max(group.start);
                next = Some(next.map_or(start, |next| next.min(start)));
            }
        }
        Ok((together, next))
    }

    /// Before which time everything is over whose start satisfies `is_over`: wherever it stands, or by the marks of
    /// conversations. It is no less than [`Self::over`] says of documents that there are, but for some hours at the
    /// end of months, and no more ever.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn ended(&self, parts: &[&dyn Part], is_over: impl Fn(Micros) -> bool) -> Result<Vec<Over>> {
        let first = first_of_all_not(&is_over);
        let Self::Together(groups) = self else { return Ok(vec![Over { mark: None, before: first }]) };
        let mut all: BTreeMap<[u8; 16], Micros> = BTreeMap::new();
        for (part, groups) in parts.iter().zip(groups) {
            for group in groups.iter().filter(|group| is_over(group.start)) {
                let before = after(group.start).max(first);
                let there = &group.docs & part.in_time(Micros(i64::MIN), before)?;
                if let Some((key, _)) = part.newest(&there, 1, None)?.first() {
                    let before = after(key.time);
                    all.entry(group.mark).and_modify(|then| *then = before.max(*then)).or_insert(before);
                }
            }
        }
        let over = |(mark, before)| Over { mark: Some(Handle(mark).to_string()), before };
        Ok(all.into_iter().map(over).collect())
    }

    /// The latest start of `docs` of the `nth` part; that of one whose time has not begun is
    /// [`Micros::MAX`]. `None` of no documents.
    ///
    /// # Errors
    /// Unreadable files.
    pub(crate) fn latest(&self, part: &dyn Part, nth: usize, docs: &RoaringBitmap) -> Result<Option<Micros>> {
        let newest = part.newest(docs, 1, None)?.first().map(|(key, _)| key.time);
        let Self::Together(groups) = self else { return Ok(newest) };
        let (mut last, mut begun) = (newest, 0);
        for group in groups.get(nth).into_iter().flatten() {
            let of_group = group.docs.intersection_len(docs);
            if of_group > 0 {
                begun += of_group;
                last = last.max(Some(group.start));
            }
        }
        Ok(if begun < docs.len() { Some(Micros::MAX) } else { last })
    }
}

/// The latest time of each of these conversations, over all parts.
fn latest(
    tagger: &Tagger,
    parts: &[&dyn Part],
    wanted: HashSet<[u8; 16]>,
) -> Result<HashMap<[u8; 16], Micros>> {
    let mut all: HashMap<[u8; 16], Micros> = HashMap::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(all);
    }
    for part in parts {
        for (name, _) in part.terms(Field::Conversation)? {
            let mark = mark(tagger, &name);
            if !wanted.contains(&mark) {
                continue;
            }
            let docs = part.postings(&Term { field: Field::Conversation, value: name })?;
            if let Some((key, _)) = part.newest(&docs, 1, None)?.first() {
                all.entry(mark).and_modify(|time| *time = key.time.max(*time)).or_insert(key.time);
            }
        }
    }
    Ok(all)
}

/// How near to each other starts are of which a later one may be over and an earlier one not: a month from the
/// evening of the 28 January ends behind one from the morning of the 31st. More than those three days.
const NEAR: i64 = 5 * Micros::DAY;

/// An instant that something doesn't hold for and right before which it holds: near to every other such, see
/// [`NEAR`].
fn first_not(holds: impl Fn(Micros) -> bool) -> Micros {
    let (mut low, mut high) = (Micros::MIN.0, Micros::MAX.0.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(Micros(middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // Times before the first that a record can have are those of nobody.
    Micros(low)
}

/// The earliest instant that something doesn't hold for, of what [`first_not`] is asked for: within a day the later
/// of two never ends before the earlier.
fn first_of_all_not(holds: impl Fn(Micros) -> bool) -> Micros {
    let near = first_not(&holds).0;
    for day in -NEAR / Micros::DAY..=NEAR / Micros::DAY {
        let mut low = (near.div_euclid(Micros::DAY) + day) * Micros::DAY;
        let end = low + Micros::DAY;
        let mut high = end;
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(Micros(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low < end {
            return Micros(low).min(Micros::MAX);
        }
    }
    Micros(near).min(Micros::MAX)
}

const fn after(time: Micros) -> Micros {
    Micros(time.0.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::span::Span;

    #[test]
    fn the_first_that_is_not_over_is_found() {
        for at in [Micros::MIN.0, -1, 0, 1, 77, Micros::MAX.0] {
            assert_eq!(first_not(|start| start.0 < at), Micros(at));
        }
        assert_eq!(first_not(|_| false), Micros::MIN);
        // A month from the evening of 28 January 2026 ends behind one from the morning of the 31st.
        let day =
            |n: i64, hour: i64| Micros(1_767_225_600_000_000 + n * Micros::DAY + hour * Micros::DAY / 24);
        let month = Span::parse("1m").unwrap();
        for (at, first) in [(day(58, 12), day(27, 12)), (day(58, 23), day(27, 23)), (day(59, 0), day(31, 0))]
        {
            // What ends at that very instant is over.
            assert_eq!(
                first_of_all_not(|start| month.after(start).is_some_and(|end| end <= at)),
                after(first)
            );
        }
        assert!(first_not(|_| true) > Micros::MAX);
    }
}
