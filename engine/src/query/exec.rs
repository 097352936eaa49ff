//! Queries over all parts: counts and pages of hits. Facets and histograms stand in
//! [`crate::query::facet`].

use std::ops::Range;
use std::time::Instant;

use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::id::{PersonNumber, Seq};
use crate::index::scope::{Mask, People};
use crate::index::{Hands, IdQuery, Part, SortKey, share};
use crate::query::ast::Ast;
use crate::query::eval;
use crate::query::plan::Plan;
use crate::record::Stored;

/// Order of hits: by event time, ties by log position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Best first, by the words of the query; equal ones by log position.
    Relevance,
}

/// A hit: where its record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place in the order; by relevance, the rank.
    pub key: SortKey,
    /// Index of the part.
    pub part: usize,
    /// Document in the part.
    pub doc: u32,
}

/// Documents of all parts from which on two threads look for phrases and near words.
const SHARED_MIN: u64 = 50_000;
/// Documents of a part that are looked through for a page at first.
const STEP: u32 = 4096;

/// Which matches are wanted of a part.
struct Page {
    order: Order,
    limit: usize,
    /// Behind this one.
    after: Option<SortKey>,
    /// What comes behind this one is not wanted: there are enough others.
    worst: Option<SortKey>,
}

impl Page {
    /// The documents of a part in order that may be wanted.
    fn reach(&self, part: &dyn Part) -> Result<Range<u32>> {
        let (from, to) = match self.order {
            Order::Newest => (self.worst, self.after),
            _ => (self.after, self.worst),
        };
        let first = from.map_or(Ok(0), |from| leading(part, |key| key <= from))?;
        let end = to.map_or(Ok(part.doc_count()), |to| leading(part, |key| key < to))?;
        Ok(first..end)
    }

    /// Cuts the next documents off, `step` at most, from the end where the page begins.
    fn cut(&self, left: &mut Range<u32>, step: u32) -> Range<u32> {
        let step = step.min(left.end - left.start);
        if self.order == Order::Newest {
            left.end -= step;
            left.end..left.end + step
        } else {
            left.start += step;
            left.start - step..left.start
        }
    }

    /// Adds the first of the ascending `docs` to `found`, until there are enough.
    fn take(
        &self,
        part: &dyn Part,
        docs: impl DoubleEndedIterator<Item = u32>,
        found: &mut Vec<(SortKey, u32)>,
    ) -> Result<()> {
        let room = self.limit - found.len();
        let mut add = |doc: u32| part.key(doc).map(|key| found.push((key, doc)));
        match self.order {
            Order::Newest => docs.rev().take(room).try_for_each(&mut add),
            _ => docs.take(room).try_for_each(&mut add),
        }
    }
}

/// How many leading documents of a part in order have keys that satisfy `is`.
fn leading(part: &dyn Part, is: impl Fn(SortKey) -> bool) -> Result<u32> {
    let (mut low, mut high) = (0, part.doc_count());
    while low < high {
        let middle = low + (high - low) / 2;
        if is(part.key(middle)?) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Matches of one part.
enum Hits {
    /// Where their sort keys stand among those of all parts.
    Keys(Range<usize>),
    /// Where their documents, in order of time, stand among those of all parts.
    Listed(Range<usize>),
    /// Their documents.
    Map(RoaringBitmap),
}

impl Hits {
    fn len(&self) -> usize {
        match self {
            Self::Keys(range) | Self::Listed(range) => range.len(),
            Self::Map(docs) => docs.len() as usize,
        }
    }
}

/// Runs queries over the parts of a store. The parts hold every record once; their borders
/// change no answer.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// The parts, in any order.
    pub parts: &'a [&'a dyn Part],
    /// Who is who.
    pub people: &'a dyn People,
    /// What is being erased.
    pub mask: &'a Mask,
    /// When it gives up, asked between parts and before each record that is opened.
    pub until: Option<Instant>,
}

impl Search<'_> {
    /// How many records match.
    pub fn count(&self, query: &Ast) -> Result<u64> {
        let plan = self.plan(query)?;
        let count = |part: &dyn Part, docs: &mut Vec<u32>| eval::count(&plan, part, self.mask, docs);
        if let Some(counts) = self.shared(&plan, |part| count(part, &mut Vec::new()))? {
            return Ok(counts.into_iter().sum());
        }
        let (mut sum, mut docs) = (0, Vec::new());
        for part in self.parts {
            self.in_time()?;
            sum += count(&**part, &mut docs)?;
        }
        Ok(sum)
    }

    /// The first `limit` hits in `order` that come after `after`, the key of an earlier hit.
    pub fn search(
        &self,
        query: &Ast,
        order: Order,
        limit: usize,
        after: Option<SortKey>,
    ) -> Result<Vec<Found>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        if order == Order::Relevance {
            return self.relevant(query, limit, after);
        }
        self.sorted(&self.plan(query)?, order, limit, after)
    }

    /// The same of a plan, by time.
    pub(crate) fn sorted(
        &self,
        plan: &Plan,
        order: Order,
        limit: usize,
        after: Option<SortKey>,
    ) -> Result<Vec<Found>> {
        let mut hits: Vec<Found> = Vec::new();
        for part in self.by_reach(order) {
            self.in_time()?;
            let Some((first, last)) = self.parts[part].time_span() else { continue };
            let (near, far) = if order == Order::Newest { (last, first) } else { (first, last) };
            // All of this part, and of the parts behind it, comes later than a full page.
            if hits.len() == limit && hits.last().is_some_and(|worst| before(order, worst.key.time, near)) {
                break;
            }
            // All of this part stood on earlier pages.
            if after.is_some_and(|after| before(order, far, after.time)) {
                continue;
            }
            let worst = hits.last().filter(|_| hits.len() == limit).map(|hit| hit.key);
            let more = self.first(plan, self.parts[part], &Page { order, limit, after, worst })?;
            if more.is_empty() {
                continue;
            }
            hits.extend(more.into_iter().map(|(key, doc)| Found { key, part, doc }));
            // Nobody asks for the order of a page that isn't full yet.
            if hits.len() >= limit {
                put_in_order(&mut hits, order);
                hits.truncate(limit);
            }
        }
        put_in_order(&mut hits, order);
        Ok(hits)
    }

    /// The first matches of a part, found out step by step from the end where it begins: what takes
    /// long grows with the documents that are looked at.
    fn first(&self, plan: &Plan, part: &dyn Part, page: &Page) -> Result<Vec<(SortKey, u32)>> {
        // A conjunction is asked of a range of documents only where nothing is masked or said later.
        let at_once = self.mask.is_empty() && part.overlay().is_none();
        let in_ranges = plan.asks_phrases || plan.conjunction.is_some() && at_once;
        if !part.is_in_order() || !in_ranges {
            let docs = eval::matches(plan, part, self.mask)?;
            return match page.order {
                Order::Newest => part.newest(&docs, page.limit, page.after),
                _ => part.oldest(&docs, page.limit, page.after),
            };
        }
        let (mut found, mut docs) = (Vec::new(), Vec::new());
        let (mut left, mut step) = (page.reach(part)?, STEP);
        while !left.is_empty() && found.len() < page.limit {
            let next = page.cut(&mut left, step);
            if eval::list(plan, part, self.mask, next.clone(), &mut docs)? {
                page.take(part, docs.iter().copied(), &mut found)?;
            } else {
                page.take(part, eval::matches_in(plan, part, self.mask, next)?.iter(), &mut found)?;
            }
            step = step.saturating_mul(4);
        }
        Ok(found)
    }

    /// Log positions of every match in `order`. Only a query with `id:` opens records.
    pub fn seqs(&self, query: &Ast, order: Order) -> Result<Vec<Seq>> {
        if order == Order::Relevance {
            let hits = self.relevant(query, usize::MAX, None)?;
            return Ok(hits.into_iter().map(|hit| hit.key.seq).collect());
        }
        let plan = self.plan(query)?;
        let mut found = Vec::new();
        let (mut few, mut listed, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut matches = self.matches_shared(&plan)?;
        for part in self.parts {
            self.in_time()?;
            let all = 0..part.doc_count();
            if matches.is_none() && eval::list(&plan, &**part, self.mask, all, &mut few)? {
                let ([low, ..], [.., high]) = (few.as_slice(), few.as_slice()) else { continue };
                if part.is_in_order() {
                    let (first, last) = (part.key(*low)?, part.key(*high)?);
                    let from = listed.len();
                    listed.append(&mut few);
                    found.push((first, last, part, Hits::Listed(from..listed.len())));
                    continue;
                }
                let from = keys.len();
                part.keys(&few, &mut keys)?;
                if let ([first, ..], [.., last]) = (&keys[from..], &keys[from..]) {
                    found.push((*first, *last, part, Hits::Keys(from..keys.len())));
                }
                continue;
            }
            let docs = match &mut matches {
                Some(matches) => matches.next().unwrap_or_default(),
                None => eval::matches(&plan, &**part, self.mask)?,
            };
            if let Some((first, _)) = part.oldest(&docs, 1, None)?.first()
                && let Some((last, _)) = part.newest(&docs, 1, None)?.first()
            {
                found.push((*first, *last, part, Hits::Map(docs)));
            }
        }
        found.sort_unstable_by_key(|(first, ..)| *first);
        // What a part holds may overlap with another where the matches don't: who is born in a
        // segment is born today, whenever her records were written.
        let apart = found.windows(2).all(|w| matches!(w, [(_, end, ..), (start, ..)] if end < start));
        let mut seqs = Vec::with_capacity(found.iter().map(|(.., hits)| hits.len()).sum());
        if apart {
            for (.., part, hits) in found {
                match hits {
                    Hits::Keys(range) => seqs.extend(keys[range].iter().map(|key| key.seq)),
                    Hits::Listed(range) => part.seqs_of(&listed[range], &mut seqs)?,
                    Hits::Map(docs) => seqs.extend(part.seqs(&docs)?),
                }
            }
        } else {
            for (.., part, hits) in found {
                match hits {
                    Hits::Keys(_) => {}
                    Hits::Listed(range) => part.keys(&listed[range], &mut keys)?,
                    Hits::Map(docs) => {
                        keys.extend(part.oldest(&docs, usize::MAX, None)?.into_iter().map(|(key, _)| key));
                    }
                }
            }
            // Runs of parts that overlap in time: a stable sort merges them.
            keys.sort();
            seqs.extend(keys.into_iter().map(|key| key.seq));
        }
        if order == Order::Newest {
            seqs.reverse();
        }
        Ok(seqs)
    }

    /// Every record with an id, in one conversation or in any, of whatever kind; oldest first.
    pub fn by_id(&self, id: &str, conversation: Option<&str>) -> Result<Vec<(Found, Stored)>> {
        let wanted = IdQuery::new(id, conversation);
        let mut hits = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let docs = part.id_candidates(&wanted)?;
            if docs.is_empty() {
                continue;
            }
            let hidden = self.mask.docs_in(&**part)?;
            for doc in docs {
                self.in_time()?;
                if let Some(record) = eval::with_id(&**part, doc, &wanted, &hidden)? {
                    hits.push((Found { key: part.key(doc)?, part: index, doc }, record));
                }
            }
        }
        hits.sort_unstable_by_key(|(hit, _)| hit.key);
        Ok(hits)
    }

    /// Identifier to show for a person; `None` for the unknown and for those being erased.
    pub fn name(&self, person: PersonNumber) -> Result<Option<String>> {
        if self.mask.hides(person) { Ok(None) } else { self.people.name(person) }
    }

    /// Fails when there is no time left: a part of an answer would be a wrong one.
    pub(crate) fn in_time(&self) -> Result<()> {
        in_time(self.until)
    }

    pub(crate) fn plan(&self, query: &Ast) -> Result<Plan> {
        Plan::new(query, self.people, self.mask)
    }

    /// Calls `each` with every part that holds matches, and these.
    pub(crate) fn each(
        &self,
        plan: &Plan,
        mut each: impl FnMut(&dyn Part, RoaringBitmap) -> Result<()>,
    ) -> Result<()> {
        let mut matches = self.matches_shared(plan)?;
        for part in self.parts {
            self.in_time()?;
            let docs = match &mut matches {
                Some(matches) => matches.next().unwrap_or_default(),
                None => eval::matches(plan, &**part, self.mask)?,
            };
            if !docs.is_empty() {
                each(&**part, docs)?;
            }
        }
        Ok(())
    }

    /// The matches of every part, in order, where two threads find them.
    fn matches_shared(&self, plan: &Plan) -> Result<Option<std::vec::IntoIter<RoaringBitmap>>> {
        let found = self.shared(plan, |part| eval::matches(plan, part, self.mask))?;
        Ok(found.map(Vec::into_iter))
    }

    /// What `ask` answers of every part, in order, asked by two threads; `None` where one is as quick.
    fn shared<R: Send + Default>(
        &self,
        plan: &Plan,
        ask: impl Fn(&dyn Part) -> Result<R> + Sync,
    ) -> Result<Option<Vec<R>>> {
        let docs: u64 = self.parts.iter().map(|part| u64::from(part.doc_count())).sum();
        if !plan.takes_long() || self.parts.len() < 2 || docs < SHARED_MIN {
            return Ok(None);
        }
        let mut answers: Vec<R> = Vec::new();
        answers.resize_with(self.parts.len(), R::default);
        let until = self.until;
        let jobs = self.parts.iter().zip(&mut answers).map(|job| in_time(until).map(|()| job));
        share(Hands::Two, jobs, |(part, answer)| {
            *answer = ask(&**part)?;
            Ok(())
        })?;
        Ok(Some(answers))
    }

    /// Parts by their first time in `order`.
    fn by_reach(&self, order: Order) -> Vec<usize> {
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .enumerate()
            .filter_map(|(i, part)| {
                let (first, last) = part.time_span()?;
                Some((if order == Order::Newest { last } else { first }, i))
            })
            .collect();
        parts.sort_unstable();
        if order == Order::Newest {
            parts.reverse();
        }
        parts.into_iter().map(|(_, i)| i).collect()
    }
}

fn put_in_order(hits: &mut [Found], order: Order) {
    hits.sort_unstable_by_key(|hit| hit.key);
    if order == Order::Newest {
        hits.reverse();
    }
}

pub(super) fn in_time(until: Option<Instant>) -> Result<()> {
    match until {
        Some(until) if Instant::now() > until => {
            Err(Error::invalid("the query took longer than its time limit")
                .hint("ask for a shorter time, for rarer or longer words, or allow more"))
        }
        _ => Ok(()),
    }
}

/// Whether `a` stands strictly before `b` in `order`.
fn before<T: Ord>(order: Order, a: T, b: T) -> bool {
    if order == Order::Newest { a > b } else { a < b }
}
