//! A plan on one part: the bitmap of its documents.
//!
//! Members of a conjunction run by ascending upper bound, taken from frequencies, and stop at the
//! first empty result; a bound of 0 decodes nothing at all. Negated members are subtracted from
//! what the others left. Only an `id:` condition opens records, for ids are found by hash.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::id::Micros;
use crate::index::overlay::Version;
use crate::index::part::{Asked, Conjunction};
use crate::index::scope::Mask;
use crate::index::{IdQuery, Part, Wanted};
use crate::query::plan::{Naming, Node, Plan};
use crate::record::Stored;

/// Documents of `part` that `plan` matches and `mask` does not hide.
pub fn matches(plan: &Plan, part: &dyn Part, mask: &Mask) -> Result<RoaringBitmap> {
    if !overlaps(plan, part) {
        return Ok(RoaringBitmap::new());
    }
    let eval = Eval::new(plan, part, mask)?;
    let root = eval.weigh(&plan.root)?;
    eval.visible(&root)
}

/// The same of a range of documents. Of phrases positions are read for these only.
pub(crate) fn matches_in(
    plan: &Plan,
    part: &dyn Part,
    mask: &Mask,
    range: Range<u32>,
) -> Result<RoaringBitmap> {
    if !overlaps(plan, part) {
        return Ok(RoaringBitmap::new());
    }
    let eval = Eval { range: range.clone(), ..Eval::new(plan, part, mask)? };
    let root = eval.weigh(&plan.root)?;
    let mut docs = eval.visible(&root)?;
    docs.remove_range(..range.start);
    docs.remove_range(range.end.max(range.start)..);
    Ok(docs)
}

/// Their number, from frequencies alone where that is exact; `docs` is room to count in.
pub fn count(plan: &Plan, part: &dyn Part, mask: &Mask, docs: &mut Vec<u32>) -> Result<u64> {
    if !overlaps(plan, part) {
        return Ok(0);
    }
    if let Some(conjunction) = conjunction(plan, part, mask)?
        && let Some(n) = part.conjunction_count(conjunction, docs)?
    {
        return Ok(n);
    }
    let eval = Eval::new(plan, part, mask)?;
    let root = eval.weigh(&plan.root)?;
    if root.bound == 0 {
        return Ok(0);
    }
    if eval.hidden.is_empty() && part.overlay().is_none() {
        let default = eval.part.default_docs()?;
        if root.covers_part {
            return Ok(default);
        }
        if root.exact && (root.naming == Naming::Always || default == eval.docs) {
            return Ok(root.bound);
        }
    }
    Ok(eval.visible(&root)?.len())
}

/// Documents of a part among a range of them, ascending and into `docs`, where the plan is one
/// conjunction. False, and nothing said, where it is not.
pub(crate) fn list(
    plan: &Plan,
    part: &dyn Part,
    mask: &Mask,
    among: Range<u32>,
    docs: &mut Vec<u32>,
) -> Result<bool> {
    docs.clear();
    if !overlaps(plan, part) {
        return Ok(true);
    }
    match conjunction(plan, part, mask)? {
        Some(conjunction) => part.conjunction(conjunction, among, docs),
        None => Ok(false),
    }
}

/// What a part can be asked at once. It knows nothing of masks and versions.
fn conjunction<'p>(plan: &'p Plan, part: &dyn Part, mask: &Mask) -> Result<Option<&'p Conjunction>> {
    let is_whole = mask.is_empty() && part.overlay().is_none();
    let Some(conjunction) = plan.conjunction.as_ref().filter(|_| is_whole) else { return Ok(None) };
    check_words(plan, part)?;
    part.visit();
    Ok(Some(conjunction))
}

/// Refuses to ask for words where there are none, or unknown ones: an answer would be wrong.
pub(crate) fn check_words(plan: &Plan, part: &dyn Part) -> Result<()> {
    if plan.asks_words { part.check_words() } else { Ok(()) }
}

/// Whether a part can hold anything for the plan, by time alone.
pub(crate) fn overlaps(plan: &Plan, part: &dyn Part) -> bool {
    let window = plan.window();
    part.time_span().is_some_and(|(first, last)| window.start <= last && first < window.end)
}

/// A node with what is known about it before anything is decoded.
struct Weighed<'n> {
    node: &'n Node,
    /// No more documents than this.
    bound: u64,
    /// Exactly `bound` documents, kinds aside.
    exact: bool,
    /// Every document, kinds aside.
    covers_part: bool,
    naming: Naming,
    /// Members; of a conjunction by ascending bound.
    of: Vec<Weighed<'n>>,
    /// Documents that have words like those of the query: all that match, or all that can.
    like: Option<RoaringBitmap>,
}

struct Eval<'a> {
    part: &'a dyn Part,
    version: Version,
    docs: u64,
    hidden: RoaringBitmap,
    /// Documents of which the answer is wanted.
    range: Range<u32>,
}

impl<'a> Eval<'a> {
    fn new(plan: &Plan, part: &'a dyn Part, mask: &Mask) -> Result<Self> {
        check_words(plan, part)?;
        part.visit();
        let docs = part.doc_count();
        let hidden = unseen(part, mask, plan.version)?;
        Ok(Self { part, version: plan.version, docs: u64::from(docs), hidden, range: 0..docs })
    }

    fn weigh<'n>(&self, node: &'n Node) -> Result<Weighed<'n>> {
        let (mut of, mut like) = (Vec::new(), None);
        let (bound, exact) = match node {
            Node::All => (self.docs, true),
            Node::Nothing => (0, true),
            Node::Term { term, negated } => {
                let n = self.part.frequency(term)?;
                (if *negated { self.docs.saturating_sub(n) } else { n }, true)
            }
            Node::Id { id, negated: false } => {
                (self.part.id_candidates(&IdQuery::new(id, None))?.len() as u64, false)
            }
            Node::Id { .. } => (self.docs, false),
            Node::Time(range) => match self.part.time_span() {
                Some((first, last)) if range.start <= first && last < range.end => (self.docs, true),
                Some((first, last)) if range.start <= last && first < range.end => (self.docs, false),
                _ => (0, true),
            },
            Node::Like { words, negated } => {
                let n = like.insert(words.docs(self.part)?).len();
                (if *negated { self.docs.saturating_sub(n) } else { n }, true)
            }
            Node::Phrase { phrase, expansions, negated } => {
                for words in expansions {
                    let docs = words.docs(self.part)?;
                    like = Some(like.map_or(docs.clone(), |like| like & docs));
                }
                let mut bound = like.as_ref().map_or(self.docs, RoaringBitmap::len);
                for word in &phrase.words {
                    if let Wanted::Word(term) = &word.what {
                        bound = bound.min(self.part.frequency(term)?);
                    }
                }
                if *negated { (self.docs, false) } else { (bound, bound == 0) }
            }
            Node::And(members) => {
                let mut bound = self.docs;
                for member in members {
                    let member = self.weigh(member)?;
                    bound = bound.min(member.bound);
                    of.push(member);
                    if bound == 0 {
                        break;
                    }
                }
                of.sort_by_key(|member| member.bound);
                (bound, bound == 0)
            }
            Node::Or(members) => {
                let mut bound = 0u64;
                for member in members {
                    let member = self.weigh(member)?;
                    bound = bound.saturating_add(member.bound);
                    of.push(member);
                }
                (bound.min(self.docs), bound == 0)
            }
        };
        let covers_part = matches!(node, Node::All | Node::Time(_)) && exact && bound == self.docs;
        Ok(Weighed { node, bound, exact, covers_part, naming: node.naming(), of, like })
    }

    /// Default kinds and mask applied.
    fn visible(&self, root: &Weighed<'_>) -> Result<RoaringBitmap> {
        let mut docs = match root.naming {
            Naming::Always => self.plain(root)?,
            Naming::Never => self.default_of(self.plain(root)?)?,
            Naming::Mixed => {
                let Both { plain, named } = self.both(root)?;
                self.default_of(plain)? | named
            }
        };
        docs -= &self.hidden;
        Ok(docs)
    }

    /// Plain logic, kinds aside.
    fn plain(&self, w: &Weighed<'_>) -> Result<RoaringBitmap> {
        if w.bound == 0 {
            return Ok(RoaringBitmap::new());
        }
        match w.node {
            Node::All => Ok(self.all()),
            Node::Nothing => Ok(RoaringBitmap::new()),
            Node::Time(_) if w.covers_part => Ok(self.all()),
            Node::Time(range) => self.part.in_time(range.start, range.end),
            node if is_negated(node) => Ok(self.all() - self.positive(w, &self.all())?),
            Node::Term { .. } | Node::Id { .. } | Node::Like { .. } | Node::Phrase { .. } => {
                self.positive(w, &self.all())
            }
            Node::And(_) => self.conjunction(&w.of),
            Node::Or(_) => {
                w.of.iter().try_fold(RoaringBitmap::new(), |docs, member| Ok(docs | self.plain(member)?))
            }
        }
    }

    /// A conjunction of terms and spans of time, from whole lists at once.
    fn common(&self, of: &[&Weighed<'_>]) -> Result<Option<RoaringBitmap>> {
        let mut all = Conjunction::of_terms(Vec::with_capacity(of.len()));
        for member in of {
            match member.node {
                Node::Term { term, negated } => all.terms.push(Asked::new(term, !negated)),
                Node::Time(of) => all.time = all.time.start.max(of.start)..all.time.end.min(of.end),
                _ => return Ok(None),
            }
        }
        if all.terms.is_empty() { Ok(None) } else { self.part.common(&all) }
    }

    /// Terms and times come first: they cost least. Then what is a bitmap already; then ids, for
    /// which records are opened, and phrases, whose positions are read for what is left.
    fn conjunction(&self, of: &[Weighed<'_>]) -> Result<RoaringBitmap> {
        let is_easy = |w: &&Weighed<'_>| matches!(w.node, Node::Term { .. } | Node::Time(_));
        let easy: Vec<_> = of.iter().filter(|w| !w.covers_part).filter(is_easy).collect();
        let mut docs = match self.common(&easy)? {
            Some(docs) => docs,
            None => self.one_by_one(&easy)?,
        };
        let is_phrase = |w: &&Weighed<'_>| matches!(w.node, Node::Phrase { .. });
        let others = || of.iter().filter(|w| !w.covers_part && !is_easy(w));
        for member in others().filter(|w| !is_phrase(w)).chain(others().filter(is_phrase)) {
            if docs.is_empty() {
                break;
            }
            let found = match member.node {
                Node::And(_) | Node::Or(_) => self.plain(member)?,
                _ => self.positive(member, &docs)?,
            };
            if is_negated(member.node) {
                docs -= found;
            } else {
                docs &= found;
            }
        }
        Ok(docs)
    }

    /// Terms and spans of time, a list after the other.
    fn one_by_one(&self, of: &[&Weighed<'_>]) -> Result<RoaringBitmap> {
        let mut docs: Option<RoaringBitmap> = None;
        let time = |w: &&&Weighed<'_>| matches!(w.node, Node::Time(_));
        let positive = || of.iter().filter(|w| !is_negated(w.node));
        // Spans of time last: they cut a range out of what the others left.
        for member in positive().filter(|w| !time(w)).chain(positive().filter(time)) {
            let next = match (docs.take(), member.node) {
                (Some(mut docs), Node::Term { term, .. }) => {
                    self.part.sift(term, true, &mut docs)?;
                    docs
                }
                (Some(docs), Node::Time(range)) => self.within(docs, range)?,
                (Some(docs), _) => docs & self.plain(member)?,
                (None, _) => self.plain(member)?,
            };
            if next.is_empty() {
                return Ok(next);
            }
            docs = Some(next);
        }
        let mut docs = docs.unwrap_or_else(|| self.all());
        for member in of.iter().filter(|w| is_negated(w.node)) {
            if let Node::Term { term, .. } = member.node
                && !docs.is_empty()
            {
                self.part.sift(term, false, &mut docs)?;
            }
        }
        Ok(docs)
    }

    /// Documents of a condition, its negation aside; of a phrase and of an id only those `among`
    /// others.
    fn positive(&self, w: &Weighed<'_>, among: &RoaringBitmap) -> Result<RoaringBitmap> {
        match w.node {
            Node::Term { term, .. } => self.part.postings(term),
            Node::Id { id, .. } => ids(self.part, id, &self.hidden),
            Node::Like { .. } => Ok(w.like.clone().unwrap_or_default()),
            Node::Phrase { phrase, .. } => {
                let mut among = among.clone();
                among.remove_range(..self.range.start);
                among.remove_range(self.range.end..);
                if let Some(like) = &w.like {
                    among &= like;
                }
                self.part.phrase(phrase, &among)
            }
            _ => Ok(RoaringBitmap::new()),
        }
    }

    /// Plain logic, and what alternatives that ask for a kind match.
    fn both(&self, w: &Weighed<'_>) -> Result<Both> {
        if w.bound == 0 {
            return Ok(Both { plain: RoaringBitmap::new(), named: RoaringBitmap::new() });
        }
        match w.naming {
            Naming::Never => return Ok(Both { plain: self.plain(w)?, named: RoaringBitmap::new() }),
            Naming::Always => {
                let plain = self.plain(w)?;
                return Ok(Both { named: plain.clone(), plain });
            }
            Naming::Mixed => {}
        }
        let mut members = w.of.iter().map(|member| self.both(member));
        let Some(mut sum) = members.next().transpose()? else {
            return Ok(Both { plain: RoaringBitmap::new(), named: RoaringBitmap::new() });
        };
        for member in members {
            let member = member?;
            if matches!(w.node, Node::And(_)) {
                sum.named = (&sum.named & &member.plain) | (&sum.plain & &member.named);
                sum.plain &= member.plain;
            } else {
                sum.named |= member.named;
                sum.plain |= member.plain;
            }
        }
        Ok(sum)
    }

    fn all(&self) -> RoaringBitmap {
        let mut docs = RoaringBitmap::new();
        docs.insert_range(0..self.part.doc_count());
        docs
    }

    /// Those of `docs` that lie in a span of time.
    fn within(&self, mut docs: RoaringBitmap, time: &Range<Micros>) -> Result<RoaringBitmap> {
        let Some(range) = self.part.time_range(time.start, time.end)? else {
            return Ok(docs & self.part.in_time(time.start, time.end)?);
        };
        docs.remove_range(..range.start);
        docs.remove_range(range.end.max(range.start)..);
        Ok(docs)
    }

    fn default_of(&self, mut docs: RoaringBitmap) -> Result<RoaringBitmap> {
        if docs.is_empty() || self.part.default_docs()? == self.docs {
            return Ok(docs);
        }
        let edits = self.part.overlay().and_then(|overlay| overlay.found_unasked(self.version));
        let edits = edits.map(|edits| &docs & edits);
        self.part.sift_default(&mut docs)?;
        Ok(match edits {
            Some(edits) => docs | edits,
            None => docs,
        })
    }
}

fn is_negated(node: &Node) -> bool {
    matches!(
        node,
        Node::Term { negated: true, .. }
            | Node::Id { negated: true, .. }
            | Node::Like { negated: true, .. }
            | Node::Phrase { negated: true, .. }
    )
}

struct Both {
    plain: RoaringBitmap,
    named: RoaringBitmap,
}

/// Documents of a part that a mask hides, and those that no query for these versions finds.
pub(crate) fn unseen(part: &dyn Part, mask: &Mask, version: Version) -> Result<RoaringBitmap> {
    let mut docs = mask.docs_in(part)?;
    if let Some(overlay) = part.overlay() {
        overlay.add_unseen(version, &mut docs);
    }
    Ok(docs)
}

/// Documents with an id; candidates that are hidden stay closed.
fn ids(part: &dyn Part, id: &str, hidden: &RoaringBitmap) -> Result<RoaringBitmap> {
    let mut docs = RoaringBitmap::new();
    let wanted = IdQuery::new(id, None);
    for doc in part.id_candidates(&wanted)? {
        if with_id(part, doc, &wanted, hidden)?.is_some() {
            docs.insert(doc);
        }
    }
    Ok(docs)
}

/// The record of a candidate, if it has the id and is not hidden.
pub(crate) fn with_id(
    part: &dyn Part,
    doc: u32,
    wanted: &IdQuery<'_>,
    hidden: &RoaringBitmap,
) -> Result<Option<Stored>> {
    if hidden.contains(doc) {
        return Ok(None);
    }
    let record = part.record(doc)?;
    let fits = record.id == wanted.id && wanted.conversation.is_none_or(|c| c == record.conversation);
    Ok(fits.then_some(record))
}
